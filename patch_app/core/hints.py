"""What a webhook delivery gives reason to look at. Pure, and content with any payload.

A delivery is a hint: nothing but names and ids is taken from it (and how a person changed an issue of
ours, which nothing else tells), and all of it may be missing. What it leaves out is a look too few, which
the timer makes up for; what it takes in is a look at GitHub's truth.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from patch_app.core import names
from patch_app.core.attempt import Attempt, Press, Stage
from patch_app.core.channel import Channel
from patch_app.core.events import ReleaseEvent
from patch_app.core.model import Model

# a release is announced once, whichever of its actions arrives first
_RELEASED: Final = frozenset({"published", "released", "prereleased"})
# sent to every App without asking
INSTALLATION: Final = frozenset({"installation", "installation_repositories"})
# what the App subscribes to; each but `release` and `repository` is news of a repository and nothing more
HEARD: Final = frozenset(
    {
        "release",
        "repository",
        "push",
        "create",
        "delete",
        "pull_request",
        "pull_request_review",
        "issue_comment",
        "issues",
        "check_run",
        "check_suite",
        "status",
        "workflow_run",
        "workflow_job",
    }
)
_RUN_NAME = re.compile(r"patch_app ([0-9a-z]{8,40})")
_ATTEMPT = re.compile(r"[0-9a-z]{8,40}")
_CARRY_OVER = re.compile(r"/patch\s+carr", re.IGNORECASE)
_BUTTONS: Final = frozenset({"retry", "promote", "hold", "resume", "trust-workflows"})
# what a delivery about our own act tells us we know: we have GitHub's answer to it
_ECHOES: Final = frozenset({"push", "create", "delete", "pull_request", "issues", "issue_comment"})
_CHECKS: Final = frozenset({"check_run", "check_suite", "status"})
_RUNS: Final = frozenset({"workflow_run", "workflow_job"})


class Pressed(Model):
    """A button of a check run that was pressed: which, of which attempt, by whom."""

    attempt: str
    person: str
    command: str
    commit: str | None

    def press(self, content: str) -> Press:
        """As the attempt keeps it. `content`: the same for the same delivery under another id.

        Two presses differ in what the check run says (see `messages.check_run_ids`).
        """
        return Press(id=f"press:{content}", person=self.person, command=self.command, commit=self.commit)


class Edit(Model):
    """A person changed the body of an issue that the App wrote. Only this delivery says who did."""

    number: int
    person: str
    before: str
    after: str
    at: datetime | None = None


class Hints(Model):
    """Where to look. All empty: the delivery concerns nothing of ours."""

    # attempts on this repository may have news
    repository_id: int | None = None
    # only those whose candidate is this commit
    commit: str | None = None
    # only those with this run
    run: int | None = None
    # an attempt that a run's name carries, ended ones too, and that run's own attempt
    attempt: str | None = None
    begun: tuple[int, int] | None = None
    ended: tuple[int, int] | None = None
    # the installation's repositories may have changed
    installation_id: int | None = None
    # this repository's configuration may have changed
    fork_changed: bool = False
    # the App's own files there, or its pull request that brings them, may have changed
    onboarding: bool = False
    release: ReleaseEvent | None = None
    # a button of our check run
    press: Pressed | None = None
    # a comment that may ask for something was made on this issue or pull request
    talk: int | None = None
    # a comment that may ask for a carry-over was made on this pull request
    carry_over: int | None = None
    # an issue of ours was changed by a person, and how where it was its body
    own_issue: bool = False
    edit: Edit | None = None


def hints(event: str, payload: Mapping[str, Any], app_slug: str = "") -> Hints:
    """Hints of one delivery; `event` is its X-GitHub-Event, `app_slug` the App's own name on GitHub."""
    if event not in HEARD | INSTALLATION or _is_ours(event, payload, app_slug):
        return Hints()
    repository = _mapping(payload.get("repository"))
    repository_id = repository.get("id")
    installation_id = _mapping(payload.get("installation")).get("id")
    run = _mapping(payload.get("workflow_run"))
    named = _RUN_NAME.fullmatch(str(run.get("display_title") or run.get("name") or ""))
    return Hints(
        repository_id=repository_id if isinstance(repository_id, int) else None,
        attempt=named[1] if named else None,
        begun=_counted(run) if payload.get("action") != "completed" else None,
        ended=_counted(run) if payload.get("action") == "completed" else None,
        commit=_commit(event, payload),
        run=_run(event, payload),
        installation_id=installation_id
        if event in INSTALLATION and isinstance(installation_id, int)
        else None,
        fork_changed=event == "repository" or (event == "push" and _to_default_branch(payload, repository)),
        onboarding=_onboarding(event, payload, repository),
        release=_release(payload, repository) if event == "release" else None,
        press=_pressed(payload, app_slug) if event == "check_run" else None,
        talk=_talk(payload) if event == "issue_comment" else None,
        carry_over=_carry_over(payload) if event == "issue_comment" else None,
        own_issue=event == "issues" and _is_own(payload, app_slug),
        edit=_edit(payload) if event == "issues" and _is_own(payload, app_slug) else None,
    )


def concerns(found: Hints, attempt: Attempt) -> bool:
    """Whether the hints are about an open attempt, or about a run that an ended one still waits for."""
    if attempt.repository_id != found.repository_id:
        return False
    if not attempt.open:
        return bool(found.run) and any(_waits(channel, found.run) for channel in attempt.channels)
    if found.run is not None:
        # the record may know the end already, or no run yet where GitHub named none when it was asked for
        started = attempt.stage in (Stage.DISPATCHED, Stage.RUNNING)
        unknown = found.run != 0 and started and not attempt.runs
        return unknown or any(run.id == found.run and run.conclusion is None for run in attempt.runs)
    return found.commit in (None, attempt.candidate)


def _waits(channel: Channel, run: int | None) -> bool:
    """Whether a channel waits for a run, or for one that it doesn't know yet."""
    known = {one.id for one in channel.runs if one.conclusion is None}
    unknown = len(channel.runs) < max(1, len(channel.waits))
    return channel.under_way and (unknown or run in known)


def _is_ours(event: str, payload: Mapping[str, Any], app_slug: str) -> bool:
    if event == "check_run":
        check = _mapping(payload.get("check_run"))
        ours = _mapping(check.get("app")).get("slug") == app_slug
        return ours and payload.get("action") in ("created", "completed")
    sender = _mapping(payload.get("sender")).get("login")
    return event in _ECHOES and sender == f"{app_slug}[bot]"


def is_news(found: Hints, attempt: Attempt) -> bool:
    """Whether the attempt that a run's name carries has not heard this of it: that it has ended, or that
    somebody runs it again. What is between, nobody waits for.
    """
    known = {(run.id, run.attempt): run.conclusion for run in attempt.runs}
    if found.ended is not None:
        return known.get(found.ended) is None
    return found.begun is not None and found.begun[1] > 1 and found.begun not in known


def _counted(run: Mapping[str, Any]) -> tuple[int, int] | None:
    number, attempt = run.get("id"), run.get("run_attempt", 1)
    return (number, attempt) if isinstance(number, int) and isinstance(attempt, int) else None


def _commit(event: str, payload: Mapping[str, Any]) -> str | None:
    """The commit of a check or status."""
    if event not in _CHECKS:
        return None
    told = payload.get("sha") or _mapping(payload.get(event)).get("head_sha")
    return str(told) if told else None


def _run(event: str, payload: Mapping[str, Any]) -> int | None:
    """The run whose job or whole has ended; 0, no run's, for what is said of it before."""
    if event not in _RUNS:
        return None
    job = _mapping(payload.get("workflow_job"))
    number = job.get("run_id") or _mapping(payload.get("workflow_run")).get("id")
    carries = event == "workflow_run" or str(job.get("name")) in names.CARRY_JOBS
    ended = payload.get("action") == "completed"
    return number if ended and carries and isinstance(number, int) else 0


def _pressed(payload: Mapping[str, Any], app_slug: str) -> Pressed | None:
    """GitHub sends these to the App that made the check run alone, and says who pressed."""
    check, sender = _mapping(payload.get("check_run")), _mapping(payload.get("sender"))
    attempt, person = check.get("external_id"), sender.get("login")
    ours = _mapping(check.get("app")).get("slug") == app_slug and sender.get("type") == "User"
    if not (ours and isinstance(attempt, str) and _ATTEMPT.fullmatch(attempt) and isinstance(person, str)):
        return None
    match payload.get("action"):
        case "requested_action":
            command = str(_mapping(payload.get("requested_action")).get("identifier") or "")
        case "rerequested":
            command = "retry"  # GitHub's own button "Re-run"
        case _:
            return None
    commit = check.get("head_sha")
    known = isinstance(commit, str) and command in _BUTTONS
    return Pressed(attempt=attempt, person=person, command=command, commit=commit) if known else None


def _talk(payload: Mapping[str, Any]) -> int | None:
    number = _mapping(payload.get("issue")).get("number")
    body = _mapping(payload.get("comment")).get("body")
    return number if isinstance(number, int) and "/patch" in str(body) else None


def _carry_over(payload: Mapping[str, Any]) -> int | None:
    """A misspelled one too: whoever wrote it is told."""
    asked = _CARRY_OVER.search(str(_mapping(payload.get("comment")).get("body")))
    is_pull = _mapping(payload.get("issue")).get("pull_request") is not None
    return _talk(payload) if asked and is_pull and payload.get("action") == "created" else None


def _is_own(payload: Mapping[str, Any], app_slug: str) -> bool:
    author = _mapping(_mapping(payload.get("issue")).get("user"))
    return bool(app_slug) and author.get("login") == f"{app_slug}[bot]"


def _edit(payload: Mapping[str, Any]) -> Edit | None:
    issue, sender = _mapping(payload.get("issue")), _mapping(payload.get("sender"))
    number, person = issue.get("number"), sender.get("login")
    change = _mapping(payload.get("changes")).get("body")
    if payload.get("action") != "edited" or sender.get("type") != "User" or change is None:
        return None
    if not (isinstance(number, int) and isinstance(person, str)):
        return None
    before = _mapping(change).get("from")
    return Edit(
        number=number,
        person=person,
        before=str(before or ""),
        after=str(issue.get("body") or ""),
        at=_time(issue.get("updated_at")),
    )


def _to_default_branch(payload: Mapping[str, Any], repository: Mapping[str, Any]) -> bool:
    return payload.get("ref") == f"refs/heads/{repository.get('default_branch')}"


def _onboarding(event: str, payload: Mapping[str, Any], repository: Mapping[str, Any]) -> bool:
    """Narrow, since a look costs requests; what it misses is seen at the next start, and by the preflight."""
    match event:
        case "repository":
            return True
        case "push":
            return _to_default_branch(payload, repository) and _touches_our_files(payload)
        case "pull_request":
            head = _mapping(_mapping(payload.get("pull_request")).get("head"))
            return head.get("ref") == names.INSTALL_BRANCH and payload.get("action") in ("closed", "reopened")
        case "issue_comment":
            is_pull = _mapping(payload.get("issue")).get("pull_request") is not None
            body = _mapping(payload.get("comment")).get("body")
            return is_pull and payload.get("action") == "created" and "/patch onboard" in str(body)
        case "workflow_run":
            run = _mapping(payload.get("workflow_run"))
            ended = payload.get("action") == "completed" and run.get("event") == "pull_request"
            return ended and run.get("head_branch") == names.INSTALL_BRANCH
        case _:
            return False


def _touches_our_files(payload: Mapping[str, Any]) -> bool:
    """Whether a pushed commit names one of the files; a new branch's first push lists no commits."""
    commits = payload.get("commits")
    if not isinstance(commits, list) or not commits:
        return True
    paths = [
        path
        for one in commits
        for key in ("added", "modified", "removed")
        for path in _list(_mapping(one).get(key))
    ]
    return any(str(path) in names.INSTALLED_PATHS for path in paths)


def _release(payload: Mapping[str, Any], repository: Mapping[str, Any]) -> ReleaseEvent | None:
    release = _mapping(payload.get("release"))
    tag, name = release.get("tag_name"), repository.get("full_name")
    if str(payload.get("action")) not in _RELEASED or release.get("draft") or not isinstance(tag, str):
        return None
    if not isinstance(name, str) or not tag:
        return None
    return ReleaseEvent(
        upstream=name,
        tag=tag,
        prerelease=bool(release.get("prerelease")),
        published=_time(release.get("published_at")),
        url=str(release.get("html_url") or ""),
        source="webhook",
    )


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _time(text: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
