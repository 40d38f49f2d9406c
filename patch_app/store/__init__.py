"""What is remembered: inbox, forks, attempts and effects, in SQLite (or Postgres by DATABASE_URL)."""
