"""What runs store: taken from a job under way, kept as zips, given out again.

Its job: the two addresses of GitHub's storage. As with its signed ones, whoever has the address needs nothing
else: each job has one to store at until it ends, each artifact one for its bytes. It refuses a name that the
run has already, and looks into no zip.

Rules: https://docs.github.com/rest/actions/artifacts, https://github.com/actions/upload-artifact
"""

from __future__ import annotations

import hashlib
import re
from datetime import timedelta
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response

from patch_app.forge.auth import digest
from patch_app.forge.core import Core
from patch_app.forge.state import Repository
from patch_app.forge.state_runs import Artifact, Job, Run

DAYS = 90
"""How long an artifact is kept where the step doesn't say: GitHub's own default for public repositories."""

_PATH = re.compile(r"^/_artifacts/(?:(upload)/)?([0-9a-f]{64})$")
# "Supported Characters" in the toolkit's packages/artifact/docs/faq.md
_REFUSED = re.compile(r'["*/:<>?|\\\r\n]')
_TAKEN = "Conflict: an artifact with this name already exists on the workflow run"


def upload_url(core: Core, job_id: int) -> str:
    """Where a job may POST a zip as long as it runs: `?name=`, and `&days=` for how long it is kept."""
    return f"{core.url}/_artifacts/upload/{digest(f'{core.log_salt}:upload:{job_id}')}"


def download_url(core: Core, row: Artifact) -> str:
    """Where an artifact's bytes are."""
    return f"{core.url}/_artifacts/{_key(core, row)}"


def _key(core: Core, row: Artifact) -> str:
    return digest(f"{core.log_salt}:artifact:{row.id}")


def path_of(core: Core, row: Artifact) -> Path:
    """The zip on disk."""
    return core.data_dir / "artifacts" / f"{row.id}.zip"


def is_expired(core: Core, row: Artifact) -> bool:
    """Whether its time is over."""
    return row.expires_at <= core.now()


def serve(core: Core, request: Request, path: str, data: bytes) -> Response | None:
    """The answer at one of the addresses, None where the path is none of them."""
    found = _PATH.match(path)
    if found is None or request.method != ("POST" if found[1] else "GET"):
        return None
    with core.transaction() as state:
        if found[1]:
            for repo in state.repositories.values():
                for run in repo.runs.values():
                    if any(_is_job(core, job, found[2]) for job in run.jobs):
                        return _take(core, repo, run, request, data)
        else:
            for repo in state.repositories.values():
                for row in repo.artifacts.values():
                    if _key(core, row) == found[2] and not is_expired(core, row):
                        return FileResponse(path_of(core, row), media_type="application/zip")
    return JSONResponse({"msg": "there is no such job or artifact"}, status_code=404)


def _is_job(core: Core, job: Job, key: str) -> bool:
    return job.status == "in_progress" and upload_url(core, job.id).endswith(f"/{key}")


def _take(core: Core, repo: Repository, run: Run, request: Request, data: bytes) -> Response:
    name, days = request.query_params.get("name", ""), request.query_params.get("days", "")
    if not name or _REFUSED.search(name) or not (days.isdigit() or not days):
        return JSONResponse({"msg": f"invalid artifact name or days: {name!r}, {days!r}"}, status_code=400)
    if any(row.run_id == run.id and row.name == name for row in repo.artifacts.values()):
        return JSONResponse({"msg": _TAKEN}, status_code=409)
    now = core.now()
    row = Artifact(
        id=core.state.new_id(),
        run_id=run.id,
        name=name,
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        created_at=now,
        expires_at=now + timedelta(days=int(days or 0) or DAYS),
    )
    path_of(core, row).parent.mkdir(exist_ok=True)
    path_of(core, row).write_bytes(data)
    repo.artifacts[row.id] = row
    return JSONResponse({"id": row.id, "digest": row.sha256}, status_code=201)
