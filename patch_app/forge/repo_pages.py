"""What a person sees and presses in a repository: its pull requests, *Merge pull request*, and Actions.

Refuses to be where a stack is reviewed: no diffs, no reviews, no comments to write.
"""

from __future__ import annotations

import html
import re
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from patch_app.forge import auth, changes, pulls, views_git
from patch_app.forge.auth import Caller
from patch_app.forge.core import Core
from patch_app.forge.page import markdown, page, person
from patch_app.forge.rest import ApiError
from patch_app.forge.state import Issue, Repository

_PATH = re.compile(r"^/([^/]+)/([^/]+)/(pulls|actions|actions/enable|pull/([0-9]{1,9})(/merge)?)$")


def serve(core: Core, request: Request, path: str) -> Response | None:
    """The page, or None when there is none at this path."""
    found = _PATH.match(path)
    if found is None:
        return None
    try:
        return _answer(core, request, found)
    except ApiError as error:
        return page("Something is wrong", f"<p>{html.escape(error.message)}</p>", error.status)


def _answer(core: Core, request: Request, found: re.Match[str]) -> Response | None:
    owner, name, what = unquote(found[1]), unquote(found[2]), found[3]
    with core.transaction() as state:
        caller, repo = person(core, request), state.repository(owner, name)
        if repo is None or not auth.visible(state, caller, repo):
            raise ApiError(404, "Not Found")
        match request.method, what:
            case "GET", "pulls":
                return _pulls(repo)
            case "GET", "actions":
                return _actions(repo)
            case "POST", "actions/enable":
                return _enable(core, repo, caller)
            case "GET", _ if found[4] and not found[5]:
                return _pull(core, repo, _find(repo, int(found[4])))
            case "POST", _ if found[5]:
                return _merge(core, repo, _find(repo, int(found[4])), caller)
            case _:
                return None


def _find(repo: Repository, number: int) -> Issue:
    row = repo.issues.get(number)
    if row is None or row.pull is None:
        raise ApiError(404, "Not Found")
    return row


def _address(repo: Repository, rest: str) -> str:
    return html.escape(f"/{repo.full_name}/{rest}")


def _pulls(repo: Repository) -> Response:
    rows = [one for one in repo.issues.values() if one.pull and one.state == "open"]
    links = "".join(
        f'<li><a href="{_address(repo, f"pull/{one.number}")}">{html.escape(one.title)}</a></li>'
        for one in rows
    )
    return page(f"{repo.full_name}: pull requests", f"<ul>{links}</ul>" if links else "<p>None is open.</p>")


def _pull(core: Core, repo: Repository, row: Issue) -> Response:
    pull, git = pulls.pull_of(row), core.git(repo)
    state = "merged" if pull.merged_at else row.state
    said = html.escape(f"{row.user} wants to merge {pull.head_ref} into {pull.base_ref}")
    files = views_git.changes(git, git.text("merge-base", pull.base_sha, pull.head_sha), pull.head_sha)
    parts = [
        f'<p><span class="state {state}">{state}</span> {said}</p>',
        f"<article>{markdown(row.body or '')}</article>",
        *(
            f"<article><p><b>{html.escape(one.user)}</b></p>{markdown(one.body)}</article>"
            for one in row.comments
            if one.minimized is None
        ),
        "<h2>Files</h2><ul>"
        + "".join(f"<li><code>{html.escape(one.path)}</code></li>" for one in files)
        + "</ul>",
    ]
    if state == "open":
        action = _address(repo, f"pull/{row.number}/merge")
        parts.append(f'<form method="post" action="{action}"><button>Merge pull request</button></form>')
    return page(f"{row.title} #{row.number}", "".join(parts), wide=True)


def _merge(core: Core, repo: Repository, row: Issue, caller: Caller) -> Response:
    if auth.role_of(core.state, caller.login, repo) not in {"write", "maintain", "admin"}:
        raise ApiError(403, "Only people with write access to this repository can merge pull requests.")
    pulls.merge(core, repo, row, caller, pulls.usual_merging(core, row, "merge"))
    return RedirectResponse(f"{core.url}/{repo.full_name}/pull/{row.number}", status_code=302)


def _actions(repo: Repository) -> Response:
    if repo.actions_enabled:
        names = sorted(one.name for one in repo.workflows.values() if one.state == "active")
        rows = "".join(f"<li>{html.escape(one)}</li>" for one in names)
        return page(f"{repo.full_name}: Actions", f"<ul>{rows}</ul>")
    return page(
        f"{repo.full_name}: Actions",
        "<p>Workflows aren't being run on this forked repository.</p>"
        f'<form method="post" action="{_address(repo, "actions/enable")}">'
        "<button>I understand my workflows, go ahead and enable them</button></form>",
    )


def _enable(core: Core, repo: Repository, caller: Caller) -> Response:
    if auth.role_of(core.state, caller.login, repo) != "admin":
        raise ApiError(403, "Must have admin rights to Repository.")
    repo.actions_enabled = True
    changes.moved_default(core, repo)
    return RedirectResponse(f"{core.url}/{repo.full_name}/actions", status_code=302)
