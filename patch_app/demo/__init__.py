"""The demo: the real App beside a local GitHub, through two releases of a small made-up upstream."""
