"""Attempts with reports for the tests of what people read: one carried, one with a conflict, one hostile."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from patch_app.core import names
from patch_app.core.attempt import Artifact, Asked, Attempt, Check, Run, Stage
from patch_app.core.configuration import Configuration
from patch_app.core.earlier import Earlier
from patch_app.core.findings import Code, finding
from patch_app.core.gate import Finding, What
from patch_app.core.release_notes import ReleaseNotes
from patch_app.core.report import Report
from patch_app.core.upstream_changes import ChangedFile, UpstreamChanges
from patch_app.core.vouch import By, Vouch

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
ID = "a1b2c3d4e5f60718"


def oid(number: int) -> str:
    """A made-up commit id that can be told by its first letters."""
    return f"{number:x}".ljust(40, "0")


RANGE_DIFF = """\
1:  0000000 = 1:  0000000 Speak louder
2:  0000000 ! 2:  0000000 Count from one
    @@ src/count.py
     def count():
    -    return 0
    +    return 1
"""

OWN_DIFF = """\
1:  0000000 ! 1:  0000000 Count from one
    @@ src/count.py
    -    return 0
    +    return 1
    -    total = 1
"""

CONFLICT_DIFF = """\
diff --git a/src/count.py b/src/count.py
index 1111111..2222222 100644
--- a/src/count.py
+++ b/src/count.py
@@ -7,3 +7,7 @@ import sys
 # where it begins
 def count():
+<<<<<<< upstream
     return start()
+=======
+    return 1
+>>>>>>> Count from one
"""


def patch(number: int, verdict: str, subject: str, **more: Any) -> dict[str, Any]:
    carried = verdict in ("clean", "adjusted", "resolved")
    return {
        "old": oid(0xA0 + number),
        "new": oid(0xB0 + number) if carried else None,
        "subject": subject,
        "author": "Ann Other <ann@example.org>",
        "verdict": verdict,
        "paths": ["src/count.py"],
        "upstream_commits": [],
        "note": None,
        "range_diff": OWN_DIFF if verdict in ("adjusted", "resolved") else None,
        **more,
    }


def report(patches: list[dict[str, Any]], **more: Any) -> Report:
    clean = all(one["verdict"] not in ("conflicted", "not-tried") for one in patches)
    tip = next((one["new"] for one in reversed(patches) if one["new"]), None)
    ref = names.candidate_ref(ID)
    document: dict[str, Any] = {
        "schema": 1,
        "status": "clean" if clean else "conflict",
        "attempt": ID,
        "run": {"id": 42, "attempt": 1},
        "stack": {"branch": "main", "sha": oid(0xC0), "ahead": len(patches), "behind": 12},
        "base": oid(0xD0),
        "target": {"name": "v2.0.0", "sha": oid(0xD1)},
        "patches": patches,
        "candidate": {"sha": tip or oid(0xD1), "tree": oid(0xE0), "ref": ref} if clean else None,
        "partial": {"sha": tip, "ref": ref} if tip and not clean else None,
        "conflict": None,
        "installed": None,
        "merges": [],
        "notes": [],
        "other_bases": [],
        "added": [],
        "start": None,
        "range_diff": RANGE_DIFF,
        "bundle": None,
        "checks": [],
        "network": {"received_bytes": 1000, "sent_bytes": 100, "requests": 4},
        "seconds": {"fetch": 1.0, "carry": 0.5},
        "git_version": "2.47.0",
        "error": None,
    }
    return Report.model_validate({**document, **more})


def attempt(the_report: Report | None, **more: Any) -> Attempt:
    carried = None
    if the_report is not None:
        carried = the_report.tip or oid(0xD1)
    fields: dict[str, Any] = {
        "id": ID,
        "event": "00ff00ff00ff00ff",
        "installation_id": 1,
        "repository_id": 2,
        "repository": "alice/tool",
        "upstream": "upstream-org/tool",
        "tag": "v2.0.0",
        "stack": "main",
        "stage": Stage.REVIEWING,
        "target": oid(0xD1),
        "base": oid(0xD0),
        "stack_head": oid(0xC0),
        "runs": (Run(id=42, status="completed", url="https://github.com/alice/tool/actions/runs/42"),),
        "inbox": oid(0xF0),
        "vouch": Vouch(
            by=By.SIGNATURE, commit=oid(0xF0), run=42, run_attempt=1, key="38826b17-6a30-5f9b", issued=NOW
        ),
        "report": the_report,
        "candidate": carried,
        "created": NOW,
        "updated": NOW,
    }
    return Attempt(**{**fields, **more})


def carried() -> Attempt:
    return attempt(
        report(
            [
                patch(1, "clean", "Speak louder (#12)", paths=["README.md", "src/speak.py"]),
                patch(2, "adjusted", "Count from one", note="src/count.py: upstream changed lines beside it"),
                patch(
                    3,
                    "already-upstream",
                    "Fix the typo in `help`",
                    upstream_commits=[{"sha": oid(0xD9), "subject": "Fix typo, thanks @carol"}],
                ),
            ]
        ),
        message="waits for: 1 approving review(s) on 00000000 by people with write permission",
        configuration=Configuration.model_validate(
            {"promotion": {"required_checks": ["ci", "lint"]}, "check": [{"name": "build", "run": "make"}]}
        ),
        checks=(
            Check(
                name="ci",
                app="github-actions",
                status="completed",
                conclusion="success",
                url="https://github.com/alice/tool/runs/7",
                run=7,
            ),
        ),
        artifacts=(
            Artifact(name="check-build-1", url="https://github.com/alice/tool/actions/runs/42/artifacts/3"),
        ),
    )


WORKFLOWS = (
    Finding(
        path=".github/workflows/release.yml",
        what=What.CHANGED,
        detail="permission contents: write; secret NPM_TOKEN",
        job="publish",
        starts=("push (patch-app/maintenance/main/v1.3.0)", "pull_request (into patch-app/base/main/v1.3.0)"),
        difference="-      - run: npm publish\n+      - run: npm publish --tag next # @alice </details>",
    ),
    Finding(path=".github/workflows/site.yml", what=What.BROKEN, detail="it is too large or deep"),
)


def decided() -> Attempt:
    """All that there is to say: a replay of a release that breaks things, whose workflows were trusted."""
    one = carried()
    compared = f"https://github.com/alice/tool/compare/{oid(0xD0)}...{oid(0xD1)}"
    return one.model_copy(
        update={
            "number": 2,
            "release": ReleaseNotes(
                url="https://github.com/upstream-org/tool/releases/tag/v2.0.0",
                breaking=("[BREAKING] `count()` begins at 1 (#77), thanks @dave", "Python 3.8 is gone"),
                more=3,
            ),
            "upstream_changes": UpstreamChanges(
                files=(
                    ChangedFile(path="src/count.py", status="modified", added=40, removed=12),
                    ChangedFile(
                        path="src/say.py", before="src/speak.py", status="renamed", added=0, removed=0
                    ),
                ),
                number=2,
                cut=True,
                url=compared,
            ),
            "trusted_findings": WORKFLOWS,
            "trusted": Asked(person="mia", permission="maintain", commit=one.candidate or ""),
            "earlier": (
                Earlier(
                    tag="v1.9.0",
                    candidate=oid(0xB9),
                    approved_by=("bob", "carol"),
                    same=(1,),
                    new=(2,),
                    gone=("Whisper",),
                ),
                Earlier(tag="v2.0.0", candidate=oid(0xBA), same=(1, 3), new=(2,)),
            ),
        }
    )


def conflicted() -> Attempt:
    return attempt(
        report(
            [
                patch(1, "clean", "Speak louder"),
                patch(
                    2,
                    "conflicted",
                    "Count from one",
                    upstream_commits=[{"sha": oid(0xD8), "subject": "Let count() start anywhere (#77)"}],
                ),
                patch(3, "not-tried", "Fix the typo"),
                patch(4, "not-tried", "Merge branch 'loud'", merge=True),
            ],
            notes=["the stack begins after a merge that nobody had asked about"],
            conflict={
                "patch": oid(0xA2),
                "files": [
                    {
                        "path": "src/count.py",
                        "kind": "CONFLICT (contents)",
                        "stages": [{"stage": n, "mode": "100644", "oid": oid(n)} for n in (1, 2, 3)],
                    }
                ],
                "diff": CONFLICT_DIFF,
            },
            range_diff=None,
        ),
        stage=Stage.CONFLICT,
        message="patch 2 of 3 conflicts with v2.0.0: Count from one",
    )


def gated() -> Attempt:
    return carried().model_copy(
        update={
            "stage": Stage.CARRIED,
            "gate": WORKFLOWS,
        }
    )


NASTY = (
    "@everyone closes #1 GH-2 o/r#3 https://github.com/o/r/issues/4 </details><img src=x onerror=alert(1)> "
    "| cell | `code` ```\n\n# heading\n[x](javascript:alert) ![y](http://e.example/p) \u202egnp.exe <!-- x"
)


def hostile() -> Attempt:
    """Every text of the report written by somebody who means harm."""
    good = conflicted()
    bad = patch(
        1,
        "conflicted",
        NASTY[:200],
        author=NASTY,
        note=NASTY,
        paths=[NASTY] * 6,
        upstream_commits=[{"sha": oid(1), "subject": NASTY}],
    )
    conflict = {
        "patch": bad["old"],
        "files": [{"path": NASTY, "kind": NASTY, "stages": []}],
        "diff": f"{NASTY}\n````\n</details>\n",
    }
    the_report = report([bad, patch(2, "not-tried", NASTY)], conflict=conflict)
    return good.model_copy(
        update={
            "report": the_report,
            "message": NASTY,
            "tag": "v2`$(id)'@bob#1",
            "stack": "a|b<c>",
            "artifacts": tuple(Artifact(name=NASTY[:200], url=url) for url in (NASTY, "https://git.test/7")),
            **_hostile_context(NASTY, "https://git.test/)[x](y"),
        }
    )


def _hostile_context(text: str, url: str) -> dict[str, Any]:
    changed = ChangedFile(path=text, before=text, status=text, added=1, removed=1)
    return {
        "release": ReleaseNotes(url=url, breaking=(text, *text.split("\n")), more=7),
        "upstream_changes": UpstreamChanges(files=(changed, changed), number=2, cut=True, url=url),
        "trusted_findings": (Finding(path=text, what=What.SECRET, detail=text),),
        "trusted": Asked(person=text, permission="admin", commit=oid(0xB1)),
        "earlier": (
            Earlier(
                tag=text, candidate=oid(1), approved_by=(text,) * 7, same=(1,), new=(2, 99), gone=(text,) * 20
            ),
        ),
    }


def hostile_candidate() -> Attempt:
    """A pull request in which everything around the patches means harm."""
    the_report = report([patch(1, "clean", NASTY, paths=[NASTY]), patch(2, "adjusted", NASTY, note=NASTY)])
    around = _hostile_context(NASTY, "https://git.test/)[x](y")
    trusted = Asked(person=NASTY, permission="admin", commit=the_report.tip or "")
    return attempt(the_report, message=NASTY, stack="a|b<c>", **{**around, "trusted": trusted})


def huge() -> Attempt:
    """The most that a report may say."""
    patches = [
        patch(n, "clean", f"{n} " + "é" * 900, note="n" * 4000, paths=["p" * 500] * 300) for n in range(2000)
    ]
    for n, one in enumerate(patches):
        one["old"], one["new"] = oid(0x10000 + n), oid(0x20000 + n)
    artifacts = tuple(Artifact(name=f"{n}" + "<" * 190, url=f"https://git.test/{n}") for n in range(100))
    the_report = report(patches, range_diff="+ü\n" * 20_000)
    changed = ChangedFile(path="<" * 1000, before=">" * 1000, status="&" * 40, added=10**9, removed=10**9)
    found = Finding(path="<" * 300, what=What.SECRET, detail="|" * 300)
    checks = tuple(Check(name="<" * 200, app="&" * 200, status="completed") for _ in range(200))
    seen = Earlier(
        tag="<" * 250,
        candidate=oid(1),
        approved_by=("ann" * 20,) * 100,
        new=tuple(range(1, 2001)),
        gone=("<" * 1000,) * 20,
    )
    around = {
        "release": ReleaseNotes(breaking=("<" * 300,) * 40, more=999),
        "upstream_changes": UpstreamChanges(files=(changed,) * 100, number=300, cut=True),
        "trusted_findings": (found,) * 500,
        "checks": checks,
        "earlier": (seen, seen),
    }
    return carried().model_copy(update={"report": the_report, "artifacts": artifacts, **around})


def huge_conflict() -> Attempt:
    patches = [patch(n, "not-tried", f"{n} " + "é" * 900) for n in range(2000)]
    for n, one in enumerate(patches):
        one["old"] = oid(0x10000 + n)
    patches[0]["verdict"] = "conflicted"
    patches[0]["upstream_commits"] = [{"sha": oid(n), "subject": "s" * 1000} for n in range(50)]
    files = [{"path": "ü" * 300 + str(n), "kind": "k" * 1000, "stages": []} for n in range(200)]
    conflict = {"patch": patches[0]["old"], "files": files, "diff": "+ü\n" * 20_000}
    return conflicted().model_copy(update={"report": report(patches, conflict=conflict)})


def blocked(stage: Stage = Stage.BLOCKED) -> Attempt:
    """In whose way a rule is, with a name that somebody chose."""
    told = finding(
        Code.PROMOTION_REFUSED,
        ruleset="the ruleset house @rules",
        rule="non_fast_forward",
        branch="main",
        why="carrying patches anew moves the branch with force",
        instead='set strategy = "merge" for the stack, or ',
        last="put the App on the bypass list of that ruleset",
    )
    return carried().model_copy(update={"stage": stage, "resume": Stage.PREFLIGHT, "message": told.line})
