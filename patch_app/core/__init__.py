"""The rules, pure: what an attempt is, what we know, what we do. No clock, no network, no database."""
