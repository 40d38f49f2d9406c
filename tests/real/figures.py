"""The figures of the real journeys, as docs/reference/real-input.md has them.

uv run python -m tests.real.figures > docs/reference/real-input.md
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from patch_app.core.report import Verdict
from tests.real.journey import Journey, Stop, Traveller, total
from tests.real.material import URLLIB3, WERKZEUG, Material, material

COUNTED = (Verdict.CLEAN, Verdict.ADJUSTED, Verdict.ALREADY_UPSTREAM, Verdict.EMPTY, Verdict.CONFLICTED)
HEAD = """# Real input

Two real packages: their release archives as upstream's history (one commit and one tag a release), Debian's
patch series for the first of them as the stack. Each release is carried from the candidate of the last with
`patch-app preview`. Where a patch conflicts it is dropped by hand, with those that don't apply without it,
and the same release is tried again; so a conflicted patch is one that a person would have had to look at.

Every preview, conflicts too, is held against `git rebase --reapply-cherry-picks --empty=drop --keep-empty`
in a work tree: the same tree, the same patch to stop at, the same authors and messages. A difference fails
the test.

    uv run pytest -m network tests/real                                       # the comparison
    uv run python -m tests.real.figures > docs/reference/real-input.md        # this page
"""


def section(material: Material, journey: Journey) -> str:
    """One package's figures as Markdown."""
    version = f", {material.package.debian} {material.source_version}" if material.source_version else ""
    rows = [*journey.steps, *journey.leap]
    names = [stop.tag for stop in journey.steps] + [f"{stop.tag} in one leap" for stop in journey.leap]
    lines = [
        f"## {material.package.name}: {material.origin.value}{version}",
        "",
        f"{len(material.subjects)} patches on {material.tags[0]}, carried through {len(journey.steps)} "
        f"releases; {journey.left} are left after the last. "
        f"{len(material.left_out)} of the series don't apply to the archive and were left out.",
        "",
        f"{journey.compared} previews compared with the rebase, {journey.candidates} of them with a "
        f"candidate; {len(journey.differences)} differences.",
        "",
        "| release | patches | " + " | ".join(verdict.value for verdict in COUNTED) + " | fell with it |",
        "| --- |" + " ---: |" * (len(COUNTED) + 2),
        *(_row(name, [stop]) for name, stop in zip(names, rows, strict=True)),
        _row("all steps", journey.steps),
    ]
    dropped = [(name, subject) for name, stop in zip(names, rows, strict=True) for subject in stop.dropped]
    lines += ["", "Conflicted:" if dropped else "None conflicted.", ""]
    lines += [f"- {name}: {subject}" for name, subject in dropped]
    return "\n".join(lines).rstrip() + "\n"


def _row(name: str, stops: Sequence[Stop]) -> str:
    counts = total(stops)
    cells = [sum(stop.stack for stop in stops), *(counts[verdict] for verdict in COUNTED)]
    cells.append(sum(len(stop.fell) for stop in stops))
    return f"| {name} | " + " | ".join(map(str, cells)) + " |"


def main() -> int:
    sections = [HEAD]
    differences: list[str] = []
    for package in (WERKZEUG, URLLIB3):
        with tempfile.TemporaryDirectory() as directory:
            made = material(package, Path(directory))
            journey = Traveller(made, Path(directory)).go()
        sections.append(section(made, journey))
        differences += journey.differences
    print("\n".join(sections), end="")
    print("\n".join(differences), file=sys.stderr, end="")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
