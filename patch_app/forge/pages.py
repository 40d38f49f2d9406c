"""What lies outside of GitHub's API: pages for people, and its storage's addresses.

Its job: find the page. It refuses to be a web site: anything else is left to the caller (501).
"""

from __future__ import annotations

import html
import re

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response

from patch_app.forge import app_pages, artifacts, repo_pages
from patch_app.forge.auth import digest
from patch_app.forge.core import Core
from patch_app.forge.state_runs import Job

_LOGS = re.compile(r"^/_logs/([0-9a-f]{64})$")


def serve(core: Core, request: Request, path: str, data: bytes) -> Response | None:
    """The page, or None when there is none at this path."""
    if path == "/":
        return PlainTextResponse(f"A local GitHub. REST: {core.api_url}  GraphQL: {core.url}/api/graphql\n")
    signed = core.oidc.serve(request, path)
    if signed is not None:
        return signed
    stored = artifacts.serve(core, request, path, data)
    if stored is not None:
        return stored
    logs = _LOGS.match(path)
    if logs and request.method == "GET":
        return _log(core, logs[1])
    return app_pages.serve(core, request, path, data) or repo_pages.serve(core, request, path)


def _log(core: Core, key: str) -> Response:
    """A job's log: the address is the permission, as with GitHub's signed ones."""
    with core.lock:
        for repo in core.state.repositories.values():
            for run in repo.runs.values():
                for job in run.jobs:
                    if log_key(core, job.id) == key:
                        return PlainTextResponse(_stamped(job))
    return HTMLResponse(f"<p>{html.escape(key)} is not here</p>", status_code=404)


def _stamped(job: Job) -> str:
    """Each line with the time in front, as GitHub stores logs; here all have that of the job's begin."""
    time = f"{job.started_at:%Y-%m-%dT%H:%M:%S}.0000000Z"
    return "".join(f"{time} {line}\n" for line in job.log.split("\n")[: job.log.count("\n") or 1])


def log_key(core: Core, job_id: int) -> str:
    """The unguessable part of a log's address."""
    return digest(f"{core.log_salt}:{job_id}")
