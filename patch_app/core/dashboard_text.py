"""The dashboard issue as Markdown, and the answer to what can't be obeyed. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from patch_app.core import markdown
from patch_app.core.attempt import Attempt
from patch_app.core.configuration import Configuration
from patch_app.core.dashboard import MARK, Action, Ignored, Next, Page, StackState, box
from patch_app.core.durations import in_words
from patch_app.core.markdown import code, inline
from patch_app.core.message_parts import plain_url

TITLE: Final = "How the stacks of this fork stand"
OFF: Final = f"{MARK}\nThe dashboard is turned off in `.github/patch-app.toml`.\n"

_TAG: Final = 200
_MESSAGE: Final = 300
# rows of what the fork's people alone make longer
_ROWS: Final = 50


def body(page: Page) -> str:
    """The issue's body, within GitHub's limit; boxes stand before what is long."""
    parts = [
        f"{MARK}\nKept up to date by the App, at most once a minute: what else is written here goes. Boxes "
        "are for people who can push here. Closing this issue stops the updates, reopening it brings them "
        "back.\n",
        f"> **The configuration can't be used:** {inline(page.problem, 1000)}\n" if page.problem else "",
        f"> **No release is taken:** {inline(page.astray.line, 1000)}\n" if page.astray else "",
        _stacks(page.stacks),
        _attempts(page.attempts),
        _next(page),
        _ignored(page.ignored),
        _settings(page.upstream, page.configuration),
    ]
    return markdown.bounded("\n".join(part for part in parts if part), markdown.BODY_LIMIT)


def answer_mark(key: str) -> str:
    """A hidden line of an answer, by which an edit is known to have one. `key`: of its delivery."""
    return f"<!-- patch-app:dashboard-answer {''.join(c for c in key if c.isalnum() or c in '-_')} -->"


def refused(person: str, permission: str) -> str:
    """The answer to somebody who may not tick."""
    return (
        f"{code(person)}, boxes here are for people who can push (write permission or more); "
        f"yours is {permission}. Nothing was done."
    )


def unobeyed(person: str, reasons: Sequence[tuple[str, str]]) -> str:
    """The answer where boxes couldn't be obeyed: tag, and the end of a sentence ("it ...") each."""
    lines = "\n".join(f"- {code(tag, _TAG)}: it {_reason(why)}." for tag, why in reasons)
    return f"{code(person)}, this was not done:\n\n{lines}"


def _reason(why: str) -> str:
    # our own sentences name commands; those that hold a tag or a pattern come from elsewhere
    return why if "`/patch " in why else inline(why, _MESSAGE)


def _stacks(shown: Sequence[StackState]) -> str:
    rows = [(code(one.branch), _base(one), _lag(one)) for one in shown]
    return "## Stacks\n\n" + markdown.table(("stack", "stands on", "behind"), rows)


def _base(one: StackState) -> str:
    if one.tag is not None:
        return code(one.tag, _TAG)
    return code(one.commit[:10]) if one.commit else "not known before the first attempt"


def _lag(one: StackState) -> str:
    if one.newest is None:
        return "no release that matches is known"
    newest = f"the newest that matches is {code(one.newest, _TAG)}"
    if one.behind is None:
        return newest
    if not one.behind:
        return "up to date"
    return f"{one.behind} release{'s' if one.behind != 1 else ''}; {newest}"


def _attempts(attempts: Sequence[Attempt]) -> str:
    if not attempts:
        return "## Open attempts\n\nNone.\n"
    rows = [
        (code(one.tag, _TAG), _carried(one), one.stage.value, inline(one.message, _MESSAGE), _links(one))
        for one in attempts[-_ROWS:]
    ]
    headers = ("release", "stack", "stage", "", "")
    return "## Open attempts\n\n" + markdown.table(headers, rows)


def _carried(attempt: Attempt) -> str:
    over = attempt.carry_over
    return code(attempt.stack) if over is None else f"pull request #{over.number}"


def _links(attempt: Attempt) -> str:
    found = [
        ("pull request", attempt.pull_request.url if attempt.pull_request else ""),
        ("issue", attempt.issue.url if attempt.issue else ""),
        ("run", attempt.runs[-1].url if attempt.runs else ""),
    ]
    return ", ".join(f"[{name}]({url})" for name, url in found if plain_url(url))


def _next(page: Page) -> str:
    if not page.next:
        return "## Next releases\n\nNone that matches is waiting.\n"
    parts = [
        f"{_named(one)}: {_when(one)}\n\n"
        f"- [ ] carry it now {box(Action.CARRY, one.release.id)}\n"
        f"- [ ] ignore this release {box(Action.IGNORE, one.release.id)}\n"
        for one in page.next
    ]
    more = [f"… and {page.more} older.\n"] if page.more else []
    return "\n".join(["## Next releases\n", *parts, *more])


def _named(one: Next) -> str:
    shown, url = code(one.release.tag, _TAG), one.release.url
    return f"[{shown}]({url})" if plain_url(url) else shown


def _when(one: Next) -> str:
    if one.until is not None:
        return f"too young, taken by itself from {_time(one.until)}"
    if one.release.told:
        return "nothing was begun for it yet"
    return "released before the App looked, so not taken by itself"


def _ignored(ignored: dict[str, Ignored]) -> str:
    if not ignored:
        return ""
    lines = [
        f"- [ ] take {code(one.tag, _TAG)} after all (ignored by {code(one.person)}) "
        f"{box(Action.TAKE, release)}\n"
        for release, one in list(ignored.items())[-_ROWS:]
    ]
    return "## Ignored releases\n\n" + "".join(lines)


def _settings(upstream: str | None, configuration: Configuration) -> str:
    wanted, promotion = configuration.upstream, configuration.promotion
    required = ", ".join(code(one.name) for one in promotion.required_checks)
    rows = [
        ("upstream", code(upstream) if upstream else "none: the repository is no fork and names none"),
        ("tags", code(wanted.tags) if wanted.tags else "any that reads as a version"),
        ("prereleases", "taken" if wanted.prereleases else "not taken"),
        ("minimum age", in_words(wanted.minimum_age) if wanted.minimum_age else "none"),
        ("promotion is asked for by", promotion.approve.value),
        ("required checks", required or "none"),
    ]
    return "## Settings in force\n\n" + markdown.table(("setting", "value"), rows)


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M UTC")
