"""What the installed workflow file gives its jobs: who may vouch, and what may reach a job that does."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from patch_app.github.footprint import workflow_file

VOUCHES = ("carry", "carry-resolved")
FORGED = "patch-app-inbox attempt01 1 " + "e" * 40


@pytest.fixture(params=[False, True], ids=["public", "private"])
def jobs(request: pytest.FixtureRequest) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(workflow_file(request.param, uploads=True))["jobs"]
    return found


def test_only_jobs_that_run_no_foreign_byte_may_write_or_have_themselves_signed(jobs: dict[str, Any]) -> None:
    for name, job in jobs.items():
        may = {scope for scope, level in job["permissions"].items() if level == "write"}
        assert may == ({"contents", "id-token"} if name in VOUCHES else set()), name


def test_what_another_job_hands_on_is_one_line_in_the_log_of_a_job_that_vouches(jobs: dict[str, Any]) -> None:
    """Actions shows each variable of a step; a line end in one would begin a line of somebody else's."""
    for name in VOUCHES:
        for step in jobs[name]["steps"]:
            for key, value in step.get("env", {}).items():
                handed = re.search(r"needs\.", value)
                assert handed is None or re.fullmatch(r"\$\{\{ toJSON\([^()]+\) \}\}", value), (name, key)
            assert "${{" not in step["run"], name
            assert "uses" not in step


@pytest.mark.parametrize(
    ("handed", "taken"),
    [
        ("H4sIAAAA+/09==", "H4sIAAAA+/09=="),
        ("A" * 100_000, "A" * 100_000),
        ("", ""),
        (None, None),
        (f"AAAA\n{FORGED}", None),
        ("AAAA\r", None),
        (f'AAAA" {FORGED}', None),
        ("$(id)", None),
        ("AA\\nAA", None),
        ("AÄ", None),
        ("AA\u2028AA", None),
        ("AA\x1b[2J", None),
    ],
)
def test_answers_are_matched_before_anything_else_sees_them(
    jobs: dict[str, Any], tmp_path: Path, handed: str | None, taken: str | None
) -> None:
    (step,) = (one for one in jobs["carry-resolved"]["steps"] if one["name"] == "Carry")
    python = tmp_path / "python3"
    python.write_text('#!/bin/sh\nprintf "<%s>" "${PATCH_APP_ANSWERS-none}${ANSWERS-}"\n')
    python.chmod(0o700)
    # without escapes for what isn't ASCII, as Actions writes it
    env = {"PATH": f"{tmp_path}:/usr/bin:/bin", "ANSWERS": json.dumps(handed, ensure_ascii=False)}
    done = subprocess.run(
        ["bash", "-e", "-c", step["run"]], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    said = "" if taken is not None else "what the job before handed on are no answers of a resolver\n"
    assert done.stdout == f"{said}<{taken if taken is not None else 'none'}>"
