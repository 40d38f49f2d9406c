"""The workflow template: what the App puts on a fork, its permissions and its placeholders."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

TEMPLATE = Path(__file__).parents[2] / "workflow-templates" / "patch-maintenance.yml"


def rendered(permissions: str) -> str:
    text = TEMPLATE.read_text()
    return text.replace("@RUNNER_COMMIT@", "a" * 40).replace("@CHECK_PERMISSIONS@", permissions)


@pytest.fixture(params=["{}", "{contents: read}"])
def workflow(request: pytest.FixtureRequest) -> str:
    return rendered(request.param)


def test_it_has_two_placeholders_and_no_third() -> None:
    assert set(re.findall(r"@[A-Z_]+@", TEMPLATE.read_text())) == {"@RUNNER_COMMIT@", "@CHECK_PERMISSIONS@"}


def test_only_the_carry_jobs_can_write_and_nothing_is_spliced_into_a_script(workflow: str) -> None:
    data: dict[str, Any] = yaml.safe_load(workflow)
    assert data["permissions"] == {}
    assert data["jobs"]["carry"]["permissions"] == {"contents": "write"}
    assert data["jobs"]["carry-resolved"]["permissions"] == {"contents": "write"}
    for name in ("check", "resolve"):
        assert "write" not in data["jobs"][name]["permissions"].values()
    assert [name for name, job in data["jobs"].items() if "secrets." in str(job)] == ["resolve"]
    for job in data["jobs"].values():
        for step in job["steps"]:
            assert "uses" not in step
            assert "${{" not in step["run"]


def test_zizmor_finds_nothing(workflow: str, tmp_path: Path) -> None:
    path = tmp_path / "patch-maintenance.yml"
    path.write_text(workflow)
    zizmor = Path(sys.executable).parent / "zizmor"
    done = subprocess.run(
        [zizmor, "--offline", "--persona", "pedantic", path],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
