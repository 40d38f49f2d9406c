"""Files that are made from code and kept beside it. `python -m tests.core.goldens` writes them anew."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from patch_app.core import (
    configuration_reference,
    dashboard_text,
    detect,
    messages,
    notice_texts,
    onboarding_text,
)
from patch_app.core.attempt import Stage
from tests import findings_reference, rules_reference
from tests.core import dashboard_samples, onboarding_samples, samples

ROOT = Path(__file__).parents[2]


def _page(title: str, body: str) -> str:
    return f"# {title}\n\n{body.rstrip()}\n"


def _check_run(title: str, summary: str, text: str) -> str:
    return f"# {title}\n\n{summary.rstrip()}\n\n---\n\n{text.rstrip()}\n"


def _comments() -> str:
    attempt = samples.blocked()
    mended = notice_texts.mended(attempt), notice_texts.mended(samples.blocked(stage=Stage.SUPERSEDED))
    return "\n---\n\n".join((notice_texts.comment(attempt), *(f"{one}\n" for one in mended)))


FILES: dict[str, Callable[[], str]] = {
    "tests/core/golden/pull_request.md": lambda: _page(
        messages.pull_request_title(samples.carried()), messages.pull_request_body(samples.carried())
    ),
    "tests/core/golden/pull_request_with_everything.md": lambda: _page(
        messages.pull_request_title(samples.decided()), messages.pull_request_body(samples.decided())
    ),
    "tests/core/golden/hostile_pull_request.md": lambda: _page(
        messages.pull_request_title(samples.hostile_candidate()),
        messages.pull_request_body(samples.hostile_candidate()),
    ),
    "tests/core/golden/conflict_issue.md": lambda: _page(*messages.conflict_issue(samples.conflicted())),
    "tests/core/golden/gate_issue.md": lambda: _page(*messages.gate_issue(samples.gated())),
    "tests/core/golden/check_run.md": lambda: _check_run(*messages.check_run(samples.carried())),
    "tests/core/golden/check_run_of_conflict.md": lambda: _check_run(
        *messages.check_run(samples.conflicted())
    ),
    "tests/core/golden/hostile_issue.md": lambda: _page(*messages.conflict_issue(samples.hostile())),
    "tests/core/golden/blocked_issue.md": lambda: _page(*notice_texts.issue(samples.blocked())),
    "tests/core/golden/blocked_comment.md": lambda: _page("On a pull request", _comments()),
    "tests/core/golden/dashboard.md": lambda: _page(
        dashboard_text.TITLE, dashboard_text.body(dashboard_samples.busy())
    ),
    "docs/reference/findings.md": findings_reference.page,
    "docs/reference/rules.md": rules_reference.page,
    "tests/core/golden/onboarding.md": lambda: _page(
        onboarding_text.TITLE, onboarding_text.body(onboarding_samples.offer())
    ),
    "tests/core/golden/onboarding_update.md": lambda: _page(
        onboarding_text.UPDATE_TITLE, onboarding_text.update_body(onboarding_samples.update())
    ),
    "tests/core/golden/detected.toml": lambda: detect.text(detect.detect(onboarding_samples.readings())),
    "tests/core/golden/detected_hostile.toml": lambda: detect.text(
        detect.detect(onboarding_samples.hostile_readings())
    ),
    "docs/reference/configuration.md": configuration_reference.page,
    "docs/reference/patch-app.schema.json": configuration_reference.schema,
}


def main() -> None:
    for path, make in FILES.items():
        (ROOT / path).write_text(make(), encoding="utf-8")


if __name__ == "__main__":
    main()
