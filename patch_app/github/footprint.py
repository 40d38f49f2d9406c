"""What the App puts on a fork, as bytes: the runner's program as a commit, and the workflow file.

Both follow from the installed package alone, so their ids are known without asking anybody. It
refuses to send anything: `install` does.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final

from patch_app.core import installed
from patch_app.github.gitobjects import TreeEntry, commit_body, object_id, tree_body, write_pack

PACKAGE: Final = "patch_app_runner"
# Fixed, so that the same program has the same id everywhere.
_NAME: Final = "patch_app <patch-app@users.noreply>"
MESSAGE: Final = "The runner of patch_app\n"
TEMPLATE: Final = "patch-maintenance.yml"

# the step that stores what a check made, see docs/decisions/upload-where-asked-for.md
_UPLOAD: Final = re.compile(r"^ *# @UPLOAD@\n(.*?)^ *# @END@\n", re.MULTILINE | re.DOTALL)

_HERE: Final = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, kw_only=True)
class RunnerCommit:
    """The runner's commit, and the pack that holds it with all it needs."""

    oid: str
    pack: bytes = field(repr=False)


def own_commit(*, tree: str, parents: Sequence[str], message: str, seconds: int = 0) -> bytes:
    """The body of a commit by the App, the same each time; `seconds`: its date since 1970."""
    who = f"{_NAME} {seconds} +0000"
    return commit_body(tree=tree, parents=parents, author=who, committer=who, message=message)


def pack_runner(directory: Path) -> RunnerCommit:
    """The `*.py` files of `directory` as a commit without parents, below `patch_app_runner/`."""
    blobs = {path.name: path.read_bytes() for path in directory.glob("*.py")}
    if "__main__.py" not in blobs:
        raise FileNotFoundError("the runner's program isn't in the installed package")
    package = tree_body(
        TreeEntry(mode="100644", name=name, oid=object_id("blob", body)) for name, body in blobs.items()
    )
    root = tree_body([TreeEntry(mode="40000", name=PACKAGE, oid=object_id("tree", package))])
    commit = own_commit(tree=object_id("tree", root), parents=(), message=MESSAGE)
    # by name, so that the pack is the same bytes everywhere as well
    contents = [("blob", blobs[name]) for name in sorted(blobs)]
    pack = write_pack([("commit", commit), ("tree", root), ("tree", package), *contents])
    return RunnerCommit(oid=object_id("commit", commit), pack=pack)


@cache
def _runner() -> RunnerCommit:
    return pack_runner(_HERE / "runner")


def runner_commit() -> tuple[str, bytes]:
    """Id and pack of the installed package's runner."""
    runner = _runner()
    return runner.oid, runner.pack


def footprint_version() -> str:
    """A short name for what this version installs: the beginning of the runner's id."""
    return _runner().oid[:12]


def render_workflow(template: str, *, runner: str, private: bool, uploads: bool) -> bytes:
    """The template with the runner's id and the check job's permissions filled in.

    `uploads`: with the step that stores artifacts, the only one that is somebody else's. Raises ValueError
    where the template lacks a placeholder: what goes to a fork must be complete.
    """
    for name, value in (
        ("@CHECK_PERMISSIONS@", "{contents: read}" if private else "{}"),
        (
            "@ACTIONS@",
            "one third-party action, pinned by its full id" if uploads else "no third-party action",
        ),
    ):
        if name not in template:
            raise ValueError(f"the workflow template lacks {name}")
        template = template.replace(name, value)
    template, steps = _UPLOAD.subn(r"\1" if uploads else "", template)
    if not steps:
        raise ValueError("the workflow template lacks @UPLOAD@ and @END@")
    return installed.stamped(template, runner)


@cache
def workflow_file(private: bool, *, uploads: bool = False) -> bytes:
    """The workflow file for a private or public fork, and one that `uploads` what checks made."""
    return render_workflow(_template(), runner=_runner().oid, private=private, uploads=uploads)


def workflow_blob_id(content: bytes) -> str:
    """The id that Git gives the file."""
    return object_id("blob", content)


def _template() -> str:
    # The wheel has the templates inside of the package; a checkout has them beside it.
    for directory in (_HERE / "_templates", _HERE.parent / "workflow-templates"):
        if (directory / TEMPLATE).is_file():
            return (directory / TEMPLATE).read_text(encoding="utf-8")
    raise FileNotFoundError("the workflow template isn't in the installed package")
