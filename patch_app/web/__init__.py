"""The HTTP surface: webhook intake, query API and two pages. Starts no work by itself."""
