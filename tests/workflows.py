"""Writes the workflow template as forks get it: public, private, with the step that uploads artifacts. All
jobs are in each, the preview too.

`python -m tests.workflows DIR`
"""

from __future__ import annotations

import sys
from pathlib import Path

from patch_app.github.footprint import workflow_file


def main() -> None:
    folder = Path(sys.argv[1])
    for name, private, uploads in (
        ("public", False, False),
        ("private", True, False),
        ("uploads", False, True),
        ("private-uploads", True, True),
    ):
        (folder / f"{name}.yml").write_bytes(workflow_file(private, uploads=uploads))


if __name__ == "__main__":
    main()
