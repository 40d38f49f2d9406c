"""The rules, pure: what an attempt is, what we know, what we do about it. No clock, no network, no database."""
