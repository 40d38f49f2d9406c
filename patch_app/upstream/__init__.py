"""Where releases are heard of. Emits release events; decides nothing about forks."""
