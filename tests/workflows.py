"""Writes the workflow template as forks get it, public and private: `python -m tests.workflows DIR`."""

from __future__ import annotations

import sys
from pathlib import Path

from patch_app.github.footprint import workflow_file


def main() -> None:
    folder = Path(sys.argv[1])
    for name, private in (("public", False), ("private", True)):
        (folder / f"{name}.yml").write_bytes(workflow_file(private))


if __name__ == "__main__":
    main()
