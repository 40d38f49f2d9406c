"""The only place that talks to GitHub: reads facts, carries out effects, sends packs."""
