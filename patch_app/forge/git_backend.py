"""Git smart HTTP: `git http-backend` behind token checks.

Its job: check the token, run the CGI program with streams both ways, and hand every accepted ref to
`changes`. It refuses dumb HTTP, and pushes of workflow files without permission (in an update hook,
where the objects are).
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response, StreamingResponse

from patch_app.forge import auth, changes
from patch_app.forge.auth import Caller
from patch_app.forge.core import Core
from patch_app.forge.git import ENV, Git, RefUpdate
from patch_app.forge.pktline import with_reasons
from patch_app.forge.rest import ApiError
from patch_app.forge.state import Repository, Role

CHUNK = 65536
# What git complains of, below the data folder.
GIT_LOG = "git.log"

UPDATE_HOOK = r"""#!/bin/sh
# What GitHub refuses a ref for. Reasons go to $FORGE_DIR/refused, from where they get into the report.
ref=$1 old=$2 new=$3
zero=0000000000000000000000000000000000000000
rules_say="push declined due to repository rule violations"
refuse() { printf '%s\t%s\n' "$ref" "$1" >>"$FORGE_DIR/refused"; echo "error: $1" >&2; exit 1; }
case $ref in
refs/heads/* | refs/tags/*) ;;
*) [ "$FORGE_CUSTOM_REFS" = 1 ] || refuse "funny refname" ;;
esac
if [ "$FORGE_WORKFLOWS" != 1 ] && [ "$new" != "$zero" ]; then
  path=$(git log --format= --name-only -c --no-renames "$new" --not --branches --tags -- .github/workflows |
    head -n 1)
  [ -z "$path" ] || refuse "refusing to allow a GitHub App to create or update workflow \`$path\` without\
 \`workflows\` permission"
fi
while read -r rule_ref rule; do
  case $ref in $rule_ref) ;; *) continue ;; esac
  case $rule in
  creation) [ "$old" != "$zero" ] || refuse "$rules_say" ;;
  deletion) [ "$new" != "$zero" ] || refuse "$rules_say" ;;
  update | pull_request | required_signatures | required_status_checks)
    [ "$old" = "$zero" ] || [ "$new" = "$zero" ] || refuse "$rules_say" ;;
  non_fast_forward)
    [ "$old" = "$zero" ] || [ "$new" = "$zero" ] || git merge-base --is-ancestor "$old" "$new" ||
      refuse "$rules_say" ;;
  esac
done <"$FORGE_DIR/rules"
exit 0
"""
POST_RECEIVE_HOOK = """#!/bin/sh
cat >"$FORGE_DIR/received"
"""


# One file instead of a `git config` for each line.
REPOSITORY_CONFIG = """[core]
\thooksPath = "{hooks}"
\talternateRefsCommand = true
\tlogAllRefUpdates = false
[gc]
\tauto = 0
[http]
\treceivepack = true
[receive]
\tadvertiseAtomic = true
\tautogc = false
\thideRefs = refs/pull
[uploadpack]
\tallowAnySHA1InWant = true
\tallowFilter = true
"""


def install_hooks(data_dir: Path) -> Path:
    """Write the hooks that all repositories share; the folder for core.hooksPath."""
    folder = data_dir / "hooks"
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in (("update", UPDATE_HOOK), ("post-receive", POST_RECEIVE_HOOK)):
        hook = folder / name
        hook.write_text(text)
        hook.chmod(0o755)
    return folder


def create_repository(core: Core, repo: Repository) -> Git:
    """A new bare repository that serves as GitHub's do."""
    git = Git(core.path_of(repo))
    git.path.parent.mkdir(parents=True, exist_ok=True)
    git.run("init", "-q", "--bare", f"--initial-branch={repo.default_branch}")
    with (git.path / "config").open("a") as file:
        file.write(REPOSITORY_CONFIG.format(hooks=core.data_dir / "hooks"))
    return git


def share_objects(core: Core, repo: Repository) -> None:
    """Let every repository of the network see the objects of all others, as GitHub's storage does."""
    network = core.state.network(repo)
    for one in network:
        others = [str(core.path_of(r).resolve() / "objects") for r in network if r.id != one.id]
        (core.path_of(one) / "objects" / "info" / "alternates").write_text("\n".join(others) + "\n")


def _refusal(status: int, text: str) -> Response:
    headers = {"WWW-Authenticate": 'Basic realm="GitHub"'} if status == 401 else {}
    return PlainTextResponse(text, status_code=status, headers=headers)


def _check(
    core: Core, owner: str, name: str, header: str | None, *, write: bool
) -> tuple[Repository, Caller]:
    """Errors: ApiError with what git shows a person."""
    with core.lock:
        state = core.state
        repo = state.repository(owner, name)
        caller = auth.authenticate(state, header, core.now())
        if repo is None and f"{owner}/{name}".lower() in state.renamed:
            moved = state.repositories[state.renamed[f"{owner}/{name}".lower()]]
            raise ApiError(301, f"{core.url}/{moved.full_name}.git")
        if repo is None or not auth.visible(state, caller, repo):
            if caller.kind == "anonymous":
                raise ApiError(401, "Authentication required.")
            raise ApiError(404, "Repository not found.")
        if caller.kind == "anonymous" and write:
            raise ApiError(401, "Authentication required.")
        level: Role = "write" if write else "read"
        if (write or repo.private) and not auth.allowed(state, caller, repo, ("contents", level), role=level):
            raise ApiError(403, f"Permission to {repo.full_name}.git denied to {caller.login}.")
        if write and repo.archived:
            raise ApiError(403, "This repository was archived so it is read-only.")
        return repo, caller


def _rules(core: Core, repo: Repository, caller: Caller) -> str:
    lines = [
        f"refs/heads/{branch} {rule['type']}\n"
        for branch, rules in repo.rules.items()
        if not changes.bypasses(core, caller, repo, branch)
        for rule in rules
    ]
    return "".join(lines)


def _environment(
    core: Core, request: Request, repo: Repository, caller: Caller, *, tail: str, side: Path
) -> dict[str, str]:
    workflows = changes.may_carry_workflows(caller)
    env = {
        **ENV,
        "PATH": os.environ.get("PATH", os.defpath),
        "GIT_PROJECT_ROOT": str(core.data_dir / "repositories"),
        "GIT_HTTP_EXPORT_ALL": "1",
        "PATH_INFO": f"/{repo.id}.git/{tail}",
        "QUERY_STRING": request.url.query,
        "REQUEST_METHOD": request.method,
        "CONTENT_TYPE": request.headers.get("content-type", ""),
        "REMOTE_USER": caller.login or "",
        "REMOTE_ADDR": "127.0.0.1",
        "FORGE_DIR": str(side),
        "FORGE_WORKFLOWS": "1" if workflows else "0",
        "FORGE_CUSTOM_REFS": "1" if core.options.custom_refs else "0",
    }
    for header, name in (
        ("content-length", "CONTENT_LENGTH"),
        ("content-encoding", "HTTP_CONTENT_ENCODING"),
        ("git-protocol", "GIT_PROTOCOL"),
    ):
        if header in request.headers:
            env[name] = request.headers[header]
    return env


async def serve(core: Core, request: Request, owner: str, name: str, tail: str) -> Response:
    """One request of Git's smart protocol."""
    service = request.query_params.get("service", "") if tail == "info/refs" else tail
    if service not in {"git-upload-pack", "git-receive-pack"}:
        return _refusal(403 if tail == "info/refs" else 404, "Please upgrade your git client.\n")
    write = service == "git-receive-pack"
    try:
        repo, caller = _check(core, owner, name, request.headers.get("authorization"), write=write)
    except ApiError as error:
        if error.status == 301:
            query = f"?{request.url.query}" if request.url.query else ""
            return RedirectResponse(f"{error.message}/{tail}{query}", status_code=301)
        return _refusal(error.status, error.message + "\n")
    if write and tail != "info/refs":
        return await _receive(core, request, repo, caller)
    # whole before the answer begins: a streamed answer listens for the client's leaving, and would take what
    # comes late of the request away from git
    asked = await request.body()
    process = await _start(core, _environment(core, request, repo, caller, tail=tail, side=core.data_dir))
    feeding = asyncio.create_task(_feed(_once(asked), process))
    status, headers = await _head(process)

    async def body() -> AsyncIterator[bytes]:
        said = False
        try:
            while chunk := await _out(process).read(CHUNK):
                said = True
                yield chunk
        finally:
            await _end(process, feeding)
        if process.returncode and not said:
            # git failed: that must not look like an answer with nothing in it
            raise ConnectionAbortedError(f"git http-backend ended with {process.returncode}")

    return StreamingResponse(body(), status_code=status, headers=headers)


async def _receive(core: Core, request: Request, repo: Repository, caller: Caller) -> Response:
    """A push.

    Its report is small, so it is gathered, given GitHub's reasons, and sent when all has followed.
    """
    with tempfile.TemporaryDirectory(prefix="push-", dir=core.data_dir) as folder:
        side = Path(folder)
        with core.lock:
            (side / "rules").write_text(_rules(core, repo, caller))
        process = await _start(
            core, _environment(core, request, repo, caller, tail="git-receive-pack", side=side)
        )
        feeding = asyncio.create_task(_feed(request.stream(), process))
        try:
            status, headers = await _head(process)
            report = await _out(process).read()
        finally:
            await _end(process, feeding)
            await run_in_threadpool(_received, core, repo, caller, side)
        refused = side / "refused"
        if refused.exists():
            reasons = dict(line.split("\t", 1) for line in refused.read_text().splitlines())
            report = with_reasons(report, reasons)
    headers.pop("content-length", None)
    return Response(report, status_code=status, headers=headers)


def _received(core: Core, repo: Repository, caller: Caller, side: Path) -> None:
    file = side / "received"
    if not file.exists():
        return
    updates = []
    for line in file.read_text().splitlines():
        old, new, name = line.split(" ", 2)
        updates.append(RefUpdate(name=name, old=old, new=new))
    with core.transaction():
        changes.moved(core, repo, caller, updates)


async def _start(core: Core, env: dict[str, str]) -> asyncio.subprocess.Process:
    with (core.data_dir / GIT_LOG).open("ab") as log:
        return await asyncio.create_subprocess_exec(
            "git",
            "http-backend",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            env=env,
        )


def _out(process: asyncio.subprocess.Process) -> asyncio.StreamReader:
    assert process.stdout is not None  # noqa: S101
    return process.stdout


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body


async def _feed(chunks: AsyncIterator[bytes], process: asyncio.subprocess.Process) -> None:
    assert process.stdin is not None  # noqa: S101
    try:
        async for chunk in chunks:
            process.stdin.write(chunk)
            await process.stdin.drain()
    except (BrokenPipeError, ConnectionResetError):
        pass  # git has read all that it wanted
    finally:
        process.stdin.close()


async def _head(process: asyncio.subprocess.Process) -> tuple[int, dict[str, str]]:
    """The CGI header."""
    status, headers = 200, {}
    while line := (await _out(process).readline()).decode("latin-1").strip():
        key, _, value = line.partition(":")
        if key.lower() == "status":
            status = int(value.split()[0])
        else:
            headers[key.lower()] = value.strip()
    return status, headers


async def _end(process: asyncio.subprocess.Process, feeding: asyncio.Task[None]) -> None:
    """Wait for both; a reader that went away leaves git with a closed pipe, which ends it."""
    feeding.cancel()
    await asyncio.gather(feeding, return_exceptions=True)
    if process.returncode is None and not _out(process).at_eof():
        process.kill()
    await process.wait()
