"""The workflow template: what the App puts on a fork, its permissions and its placeholders."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from patch_app.github.footprint import render_workflow

TEMPLATE = Path(__file__).parents[2] / "workflow-templates" / "patch-maintenance.yml"


@pytest.fixture(params=[(False, False), (True, False), (False, True)], ids=["public", "private", "uploads"])
def workflow(request: pytest.FixtureRequest) -> str:
    private, uploads = request.param
    text = TEMPLATE.read_text()
    return render_workflow(text, runner="a" * 40, private=private, uploads=uploads).decode()


def test_nothing_of_the_template_is_left_in_the_file(workflow: str) -> None:
    assert re.findall(r"@[A-Z_]+@", workflow) == []


def test_only_the_carry_jobs_can_write_and_nothing_is_spliced_into_a_script(workflow: str) -> None:
    data: dict[str, Any] = yaml.safe_load(workflow)
    assert data["permissions"] == {}
    signed = {"contents": "write", "id-token": "write"}
    assert data["jobs"]["carry"]["permissions"] == signed
    assert data["jobs"]["carry-resolved"]["permissions"] == signed
    for name in ("check", "resolve"):
        assert "write" not in data["jobs"][name]["permissions"].values()
    assert [name for name, job in data["jobs"].items() if "secrets." in str(job)] == ["resolve"]
    for job in data["jobs"].values():
        for step in job["steps"]:
            assert "${{" not in step.get("run", "")


def test_somebody_elses_code_is_there_only_to_upload_pinned_and_in_the_job_without_permission() -> None:
    for uploads in (False, True):
        text = render_workflow(TEMPLATE.read_text(), runner="a" * 40, private=False, uploads=uploads).decode()
        jobs = yaml.safe_load(text)["jobs"]
        uses = [(key, step["uses"]) for key, job in jobs.items() for step in job["steps"] if "uses" in step]
        assert [key for key, _ in uses] == ["check"] * uploads
        assert all(re.fullmatch(r"actions/upload-artifact@[0-9a-f]{40}", one) for _, one in uses)
        assert ("no third-party action" in text) is not uploads


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
