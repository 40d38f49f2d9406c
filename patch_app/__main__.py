"""`python -m patch_app` is `patch-app`."""

from patch_app.cli import main

main()
