"""The loop: read the facts, decide, store, perform; one attempt at a time each."""
