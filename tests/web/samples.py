"""Attempts as they look in real life, for pages and records."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

from patch_app.core.attempt import Approval, Artifact, Attempt, Check, Link, Run, Stage
from patch_app.core.carry_over import CarryOver
from patch_app.core.effects import Comment, Dispatch, Effect, OpenIssue, UpdateRefs
from patch_app.core.gate import Finding
from patch_app.core.release_notes import ReleaseNotes
from patch_app.core.report import Drift, Report, Resolution, Verdict
from patch_app.core.upstream_changes import ChangedFile, UpstreamChanges
from patch_app.core.workflow_files import What
from patch_app.store import AdvanceCommit, FlowEvent, Fork, Store

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
EVENT = "e1" * 8
HOSTILE = '<script>alert(1)</script><img src=x onerror="alert(2)"> {{ 7*7 }} \u202egnp.exe'


def oid(text: str) -> str:
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


SUBJECTS = (
    (
        "Add exec hooks around code mode",
        "clean",
        None,
        ("codex-rs/core/src/exec.rs", "codex-rs/core/src/hooks.rs"),
    ),
    ("Keep session state when the hook denies a command", "clean", None, ("codex-rs/core/src/session.rs",)),
    (
        "Read hooks from the workspace configuration",
        "adjusted",
        "codex-rs/config/src/lib.rs: 2 lines differ from the old patch: "
        "upstream moved load_config to its own module",
        ("codex-rs/config/src/lib.rs", "codex-rs/config/src/load.rs", "docs/config.md"),
    ),
    (
        "Fix a panic on an empty hook list",
        "already-upstream",
        "applied to the target alone it changes nothing",
        (),
    ),
    ("Build the native binary for musl in CI", "clean", None, (".github/workflows/rust-release.yml",)),
    ("Document the hooks", "clean", None, ("docs/hooks.md",)),
)

DIFF = """\
diff --cc codex-rs/config/src/lib.rs
index 3f1c2aa,90bd1f7..0000000
--- a/codex-rs/config/src/lib.rs
+++ b/codex-rs/config/src/lib.rs
@@@ -41,9 -41,12 +41,19 @@@ impl Config
      pub fn load(root: &Path) -> Result<Self> {
++<<<<<<< v0.132.0
 +        let layers = ConfigLayers::discover(root)?;
 +        Self::from_layers(layers)
++||||||| parent of 5d1f2c9 (Read hooks from the workspace configuration)
++        let text = fs::read_to_string(root.join("config.toml"))?;
++        toml::from_str(&text)
++=======
+         let text = fs::read_to_string(root.join("config.toml"))?;
+         let mut config: Self = toml::from_str(&text)?;
+         config.hooks = Hooks::read(root)?;
+         Ok(config)
++>>>>>>> 5d1f2c9 (Read hooks from the workspace configuration)
      }
"""

RANGE = """\
1:  5d1f2c9 = 1:  8e0a711 Add exec hooks around code mode
2:  77ab310 = 2:  c2d90b1 Keep session state when the hook denies a command
3:  0b9e7aa ! 3:  4f5a6b2 Read hooks from the workspace configuration
    @@ codex-rs/config/src/lib.rs: impl Config
     -    pub fn load(root: &Path) -> Result<Self> {
     +    pub fn load_from(root: &Path) -> Result<Self> {
          let mut config: Self = toml::from_str(&text)?;
4:  19c0ffe < -:  ------- Fix a panic on an empty hook list
5:  2aa31d8 = 4:  91be02c Build the native binary for musl in CI
"""


def report(*, conflict_at: int | None = None, subject: str | None = None) -> Report:
    patches: list[dict[str, Any]] = []
    for number, (name, done, said, paths) in enumerate(SUBJECTS):
        verdict, note = done, said
        if conflict_at is not None and number >= conflict_at:
            verdict, note = ("conflicted" if number == conflict_at else "not-tried"), None
        patches.append(
            {
                "old": oid(f"old{number}"),
                "new": oid(f"new{number}") if verdict in ("clean", "adjusted") else None,
                "subject": subject if subject is not None and number == 0 else name,
                "author": "Ada Moreau <ada@example.org>",
                "verdict": verdict,
                "paths": paths,
                "upstream_commits": (
                    [{"sha": oid("up"), "subject": "core: don't index into an empty hook list (#4121)"}]
                    if verdict == "already-upstream"
                    else []
                ),
                "note": note,
            }
        )
    conflicting = conflict_at is not None
    return Report.model_validate(
        {
            "schema": 1,
            "status": "conflict" if conflicting else "clean",
            "attempt": "a" * 16,
            "run": {"id": 90210, "attempt": 1},
            "stack": {"branch": "main", "sha": oid("head"), "ahead": 6, "behind": 412},
            "base": oid("base"),
            "target": {"name": "rust-v0.132.0", "sha": oid("target")},
            "patches": patches,
            "candidate": (
                None
                if conflicting
                else {"sha": oid("cand"), "tree": oid("tree"), "ref": "refs/patch-app/candidates/" + "a" * 16}
            ),
            "partial": (
                {"sha": oid("part"), "ref": "refs/patch-app/candidates/" + "a" * 16} if conflicting else None
            ),
            "conflict": (
                {
                    "patch": oid(f"old{conflict_at}"),
                    "files": [
                        {"path": "codex-rs/config/src/lib.rs", "kind": "CONFLICT (contents)", "stages": []},
                        {"path": "docs/config.md", "kind": "CONFLICT (modify/delete)", "stages": []},
                    ],
                    "diff": DIFF,
                }
                if conflicting
                else None
            ),
            "installed": None,
            "merges": [],
            "notes": [],
            "other_bases": [],
            "added": [],
            "start": None,
            "range_diff": None if conflicting else RANGE,
            "bundle": None,
            "checks": [],
            "network": {"received_bytes": 1, "sent_bytes": 1, "requests": 1},
            "seconds": {"carry": 0.4},
            "git_version": "2.39.5",
            "error": None,
        }
    )


def attempt(name: str = "a" * 16, **changes: Any) -> Attempt:
    values: dict[str, Any] = {
        "id": name,
        "event": EVENT,
        "installation_id": 1,
        "repository_id": 7,
        "repository": "ada/codex",
        "upstream": "openai/codex",
        "tag": "rust-v0.132.0",
        "stack": "main",
        "created": NOW - timedelta(minutes=9),
        "updated": NOW - timedelta(minutes=2),
    }
    return Attempt(**(values | changes))


CARRY_OVER = CarryOver(
    number=7,
    url="https://github.com/ada/codex/pull/7",
    into="main",
    old=oid("before"),
    promoted="b" * 16,
    branch="topic",
    repository="ada/codex",
    here=True,
    person="bob",
    ask="comment:1",
    comment=1,
)


def reviewing(name: str = "a" * 16, **changes: Any) -> Attempt:
    return attempt(
        name,
        **{
            "stage": Stage.REVIEWING,
            "message": "All 6 patches are accounted for. Waiting for an approving review on the candidate.",
            "target": oid("target"),
            "base": oid("base"),
            "stack_head": oid("head"),
            "candidate": oid("cand"),
            "report": report(),
            "runs": (run(conclusion="success"),),
            "pull_request": Link(number=14, url="https://github.com/ada/codex/pull/14"),
            "checks": (
                Check(
                    name="check build",
                    app="github-actions",
                    status="completed",
                    conclusion="success",
                    url="https://github.com/ada/codex/actions/runs/90210/job/2",
                ),
                Check(name="ci / test (ubuntu)", app="github-actions", status="in_progress"),
                Check(name="cla", app="cla-bot", status="completed", conclusion="failure"),
            ),
            "artifacts": (
                Artifact(
                    name="check-build-1",
                    url="https://github.com/ada/codex/actions/runs/90210/artifacts/7",
                ),
            ),
            "approvals": (
                Approval(
                    person="grace", commit=oid("cand"), permission="write", at=NOW - timedelta(minutes=1)
                ),
            ),
            "written": {
                f"refs/patch-app/candidates/{name}": oid("cand"),
                f"refs/patch-app/archive/{name}": oid("head"),
                "refs/heads/patch-app/maintenance/main/rust-v0.132.0": oid("cand"),
                "refs/heads/patch-app/base/gone": "0" * 40,
            },
        }
        | changes,
    )


def with_everything(name: str = "a" * 16, text: str = "a word") -> Attempt:
    """Built from patch branches that have drifted, with a resolution, on a release that breaks things."""
    whole = report()
    first, second, third, *rest = whole.patches
    used = Resolution(
        id=oid("resolution"),
        path=f"codex-rs/config/src/lib.rs {text}",
        source=oid("learned"),
        diff="@@ -41,7 +41,4 @@\n-<<<<<<< rust-v0.132.0\n-    from_layers(layers)\n-=======\n"
        "     config.hooks = Hooks::read(root)?;\n->>>>>>> Read hooks\n+    from_layers(layers)\n",
    )
    patches = (
        first.model_copy(update={"source": first.old, "branch": "hooks"}),
        second.model_copy(update={"source": second.old, "branch": "hooks", "built": oid("other")}),
        third.model_copy(
            update={"verdict": Verdict.RESOLVED, "resolution": (used,), "range_diff": RANGE, "note": text}
        ),
        *rest,
    )
    drift = Drift(
        only_in_branches=(first.old,),
        only_in_maintained=tuple(one.old for one in patches[2:]),
        changed=(second.old,),
    )
    changed = ChangedFile(path=f"codex-rs/config/src/lib.rs {text}", status="modified", added=120, removed=41)
    return reviewing(
        name,
        report=whole.model_copy(update={"patches": patches, "drift": drift}),
        release=ReleaseNotes(
            url="https://github.com/openai/codex/releases/tag/rust-v0.132.0",
            breaking=(f"[BREAKING] hooks are read from hooks.toml alone {text}", "the old flag is gone"),
            more=2,
        ),
        upstream_changes=UpstreamChanges(
            files=(changed,), number=1, url="https://github.com/ada/codex/compare/a...b"
        ),
    )


def run(**changes: Any) -> Run:
    values: dict[str, Any] = {
        "id": 90210,
        "status": "completed",
        "url": "https://github.com/ada/codex/actions/runs/90210",
    }
    return Run(**(values | changes))


def everything() -> list[Attempt]:
    """One attempt of most kinds, oldest first."""
    ago = [NOW - timedelta(hours=hours) for hours in (190, 120, 96, 70, 26, 5, 3, 1)]
    return [
        reviewing(
            "0" * 16,
            stage=Stage.PROMOTED,
            tag="rust-v0.130.0",
            created=ago[0],
            updated=ago[0],
            completed=ago[0],
        ),
        attempt(
            "1" * 16,
            stage=Stage.CONTAINED,
            tag="v4.2.1",
            repository="ada/minilib",
            created=ago[1],
            updated=ago[1],
            message="main has v4.2.1 already.",
        ),
        attempt(
            "2" * 16,
            stage=Stage.FAILED,
            tag="v8.0.0",
            repository="acme-platform/observability-collector",
            created=ago[2],
            updated=ago[2],
            runs=(run(conclusion="failure"),),
            message="The run ended without a report.",
            error="job carry: failure after 40 s",
        ),
        reviewing(
            "3" * 16,
            stage=Stage.SUPERSEDED,
            tag="rust-v0.131.0",
            created=ago[3],
            updated=ago[3],
            completed=ago[3],
        ),
        attempt(
            "4" * 16,
            stage=Stage.BLOCKED,
            repository="acme-platform/observability-collector",
            stack="release/acme-2026",
            tag="v8.1.0",
            created=ago[4],
            updated=ago[4],
            message="The workflow is disabled (disabled_inactivity). Enable it under Actions.",
        ),
        reviewing(
            "5" * 16,
            repository="ada/minilib",
            upstream="minilib/minilib",
            tag="v5.0.0",
            stage=Stage.CONFLICT,
            candidate=oid("part"),
            report=report(conflict_at=2),
            pull_request=None,
            issue=Link(number=8, url="https://github.com/ada/minilib/issues/8"),
            created=ago[5],
            updated=ago[5],
            approvals=(),
            checks=(),
            message="Patch 3 of 6 conflicts in codex-rs/config/src/lib.rs. Issue #8 says more.",
        ),
        attempt(
            "6" * 16,
            repository="grace/zedlet",
            upstream="zed/zedlet",
            tag="v1.9.0-rc.2",
            stage=Stage.RUNNING,
            created=ago[6],
            updated=ago[6],
            target=oid("t"),
            stack_head=oid("h"),
            runs=(run(status="in_progress"),),
            message="The run is carrying 41 patches.",
        ),
        reviewing(
            "7" * 16,
            created=ago[7],
            updated=NOW,
            gate=(
                Finding(path=".github/workflows/nightly.yml", what=What.TRIGGER, detail="schedule"),
                Finding(path=".github/workflows/nightly.yml", what=What.SECRET, detail="secrets.NPM_TOKEN"),
            ),
        ),
    ]


EFFECTS: tuple[Effect, ...] = (
    Dispatch(
        workflow="patch-maintenance.yml", branch="main", run_name="patch_app x", inputs={"attempt": "x"}
    ),
    UpdateRefs(purpose="branches", changes=()),
    OpenIssue(marker="m", title="t", body="b"),
    Comment(number=1, marker="m", body="b"),
)


async def fill(store: Store, attempts: list[Attempt]) -> None:
    """Put attempts in the store, with an event, effects and history."""
    await store.add_event(
        FlowEvent(
            id=EVENT,
            type="upstream.release",
            upstream="openai/codex",
            tag="rust-v0.132.0",
            payload={"upstream": "openai/codex", "tag": "rust-v0.132.0", "source": "poll"},
            received=NOW,
            source="poll",
        )
    )
    await store.put_fork(
        Fork(
            installation_id=1,
            repository_id=7,
            repository="ada/codex",
            default_branch="main",
            private=False,
            parent="openai/codex",
            updated=NOW,
        )
    )
    for one in attempts:
        step = AdvanceCommit(
            expected_version=None,
            attempt=one,
            effects=EFFECTS,
            due=NOW,
            history=[
                "openai/codex released rust-v0.132.0 (heard by poll)",
                "preflight passed: stack of 6 commits at " + oid("head")[:10],
                "dispatched patch-maintenance.yml on main",
                f"became {one.stage}",
            ],
        )
        assert await store.advance(step)
