"""Made-up forks for the onboarding pull request: a usual one, a busy one, and one whose names are hostile."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from patch_app.core import detect, inherited, previewed
from patch_app.core import onboarding_text as texts
from patch_app.core.detect import BranchReading, Readings, ReleaseReading
from patch_app.core.report import Status, Verdict
from tests.core.samples import NASTY, oid

URL = "https://github.example/ann/codex"
RUNNER, BLOB = oid(71), oid(72)
DAY = datetime(2026, 11, 1, tzinfo=UTC)


def branch(name: str, ahead: int, days: int) -> BranchReading:
    return BranchReading(name=name, head=oid(days), ahead=ahead, based=DAY + timedelta(days=days))


def releases(*tags: str) -> tuple[ReleaseReading, ...]:
    return tuple(
        ReleaseReading(tag=tag, prerelease="alpha" in tag, commit=oid(100 + number))
        for number, tag in enumerate(tags)
    )


def readings() -> Readings:
    """A fork like those of openai/codex: the default branch mirrors upstream, the patches are on a branch."""
    return Readings(
        upstream="openai/codex",
        default_branch="main",
        branches=(
            branch("main", 0, 20),
            branch("code-mode-exec-hooks", 6, 18),
            branch("old-experiment", 2, 3),
            branch("patch-app/maintenance/x/y", 3, 19),
        ),
        unread_branches=2900,
        releases=releases(
            "rust-v0.133.0-alpha.2",
            "rust-v0.133.0-alpha.1",
            "rust-v0.132.0",
            "codex-cli-v9",
            "rust-v0.132.0-alpha.1",
        ),
        root=("README.md", "Cargo.toml", "package.json", "pnpm-lock.yaml"),
    )


def hostile_readings() -> Readings:
    """Names that want out of their quotes, and a default branch that hides text."""
    nasty = 'x"]\nrepository = "evil/evil'
    return Readings(
        upstream='o/r"\n[promotion]\napprove = "merge',
        default_branch="main\u202e",
        branches=(
            branch('a"b\\c', 1, 5),
            branch(nasty, 9, 9),
            branch("tée'#", 2, 4),
            branch("\U0001f600", 1, 3),
        ),
        releases=releases('v"\n\u202e1.0.0', "[a]*?-2.0.0", "[a]*?-1.0.0"),
        root=('Cargo.toml"\n[[stack]]', "Makefile"),
    )


def workflows() -> tuple[inherited.Workflow, ...]:
    job = {"a": {"runs-on": "ubuntu-latest", "permissions": {}, "steps": []}}
    return inherited.workflows(
        {
            ".github/workflows/ci.yml": {
                "on": {"push": {"branches": ["main"]}, "pull_request": ""},
                "jobs": job,
            },
            ".github/workflows/nightly.yml": {"on": {"schedule": [{"cron": "0 0 * * *"}]}, "jobs": job},
            ".github/workflows/release.yml": {"on": {"push": {"tags": ["v*"]}}, "jobs": job},
            ".github/workflows/by hand.yml": {"on": "workflow_dispatch", "jobs": job},
        }
    )


TARGETS = tuple(
    previewed.Target(tag=tag, commit=oid(100 + number))
    for number, tag in enumerate(("rust-v0.132.0", "rust-v0.131.0", "rust-v0.130.0"))
)
CLAIMS = {
    0: previewed.Claim(
        number=0,
        target=oid(100),
        status=Status.CONFLICT,
        verdicts={Verdict.CLEAN: 2, Verdict.CONFLICTED: 1, Verdict.NOT_TRIED: 3},
        conflict=oid(3),
        stage=None,
    ),
    1: previewed.Claim(
        number=1, target=oid(101), status=Status.CLEAN, verdicts={Verdict.CLEAN: 6}, conflict=None, stage=None
    ),
    2: previewed.Claim(
        number=2, target=oid(102), status=Status.ERROR, verdicts={}, conflict=None, stage="fetch"
    ),
}


def preview() -> str:
    return previewed.section(
        TARGETS, previewed.State.DONE, CLAIMS, repository_url=URL, run_url=f"{URL}/actions/runs/7"
    )


def offer() -> texts.Offer:
    found = detect.detect(readings())
    return texts.Offer(
        repository="ann/codex",
        url=URL,
        default_branch="main",
        paths=(".github/patch-app.toml", ".github/workflows/patch-maintenance.yml"),
        runner=RUNNER,
        expected_blob=BLOB,
        uploads=False,
        workflows=workflows(),
        inventory=texts.Inventory(
            branch=found.stack,
            upstream="openai/codex",
            against="rust-v0.132.0",
            commits=tuple(texts.Commit(sha=oid(n), subject=f"Patch number {n}") for n in range(1, 7)),
            ahead=6,
            files=24,
        ),
        others=found.others,
        preview=preview(),
        asked_in=4,
    )


def hostile_offer() -> texts.Offer:
    target = previewed.Target(tag="v1--><script>@bob", commit=oid(100))
    return offer().model_copy(
        update={
            "default_branch": NASTY,
            "asked_in": None,
            "workflows": (
                inherited.Workflow(path=f".github/workflows/{NASTY}.yml", triggers=(NASTY, "push")),
            ),
            "inventory": texts.Inventory(
                branch=NASTY,
                upstream="evil/evil",
                against=NASTY,
                commits=tuple(texts.Commit(sha=oid(n), subject=NASTY * 20) for n in range(1, 101)),
                ahead=4000,
                files=300,
                more_files=True,
            ),
            "others": tuple(f"{NASTY}{n}" for n in range(300)),
            "problems": (NASTY,) * 30,
            "paths": (".github/workflows/patch-maintenance.yml",),
            "preview": previewed.section(
                (target,), previewed.State.WAITING, {}, repository_url="https://github.example/ann/codex"
            ),
        }
    )


def update() -> texts.Update:
    return texts.Update(
        default_branch="main",
        before=oid(70),
        after=RUNNER,
        only_runner=True,
        expected_blob=BLOB,
        uploads=False,
        preview=preview(),
    )
