"""The parts of a pull request beside its table: what helps to decide, and what the decision does. Pure.

Each part is one function of the attempt, empty where there is nothing to say, and bounded, so that what
upstream or a fork wrote at length leaves room for what an approval does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, assert_never

from patch_app.core import approval, commands, gate, markdown, message_parts, patch_table
from patch_app.core.attempt import Attempt, Check
from patch_app.core.configuration import Approve
from patch_app.core.earlier import Earlier
from patch_app.core.markdown import code, inline
from patch_app.core.message_parts import archive, commit
from patch_app.core.report import Patch
from patch_app.core.upstream_changes import ChangedFile

# bytes that one part may have; all of them together leave a fifth of a body to the table of patches
_PART: Final = 6000
# of what waits at the gate, where nothing else is as important
_GATE: Final = 30_000
_FINDINGS: Final = 200
_SHOWN: Final = 50
_ARTIFACTS: Final = 20
_PEOPLE: Final = 5
_LISTED: Final = 20


def _bounded(part: Callable[[Attempt], str]) -> Callable[[Attempt], str]:
    def within(attempt: Attempt) -> str:
        return markdown.bounded(part(attempt), _PART, message_parts.run_url(attempt))

    within.__doc__ = part.__doc__
    return within


# What people have seen before ------------------------------------------------------------------------


@_bounded
def since(attempt: Attempt) -> str:
    """What is as it was in the candidate that people approved, or in the last one of this release."""
    report = attempt.report
    if report is None:
        return ""
    return "".join(f"{_since(attempt, one, report.patches)}\n\n" for one in attempt.earlier)


def _since(attempt: Attempt, earlier: Earlier, patches: tuple[Patch, ...]) -> str:
    at = f"{commit(attempt, earlier.candidate)} on {code(earlier.tag, 200)}"
    if earlier.approved_by:
        begin = f"**Since {_people(earlier.approved_by)} approved** {at}: "
    else:
        begin = f"**Since the last candidate**, {at}: "
    known = {*earlier.same, *earlier.new}
    other = [number for number in range(1, len(patches) + 1) if number not in known]
    parts = [
        f"{patch_table.counted(len(earlier.same), 'patch')} with the same lines" if earlier.same else "",
        f"new: {_patches(patches, earlier.new)}" if earlier.new else "",
        f"with other lines, or not provably the same: {_patches(patches, other)}" if other else "",
        f"no longer in the stack: {_listed(inline(one, 120) for one in earlier.gone)}"
        if earlier.gone
        else "",
    ]
    return begin + ("; ".join(part for part in parts if part) or "nothing was carried") + "."


def _patches(patches: tuple[Patch, ...], numbers: Iterable[int]) -> str:
    told = ((number, patches[number - 1]) for number in numbers if number <= len(patches))
    return _listed(f"{n} {inline(one.subject, 120)} ({patch_table.word(one.verdict)})" for n, one in told)


def _listed(words: Iterable[str], most: int = _LISTED) -> str:
    all_of_them = list(words)
    more = f" and {len(all_of_them) - most} more" if len(all_of_them) > most else ""
    return ", ".join(all_of_them[:most]) + more


def _people(logins: Iterable[str]) -> str:
    shown = [inline(one, 60) for one in logins]
    if len(shown) > _PEOPLE:
        return _listed(shown, _PEOPLE)
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


# Upstream --------------------------------------------------------------------------------------------


@_bounded
def breaking(attempt: Attempt) -> str:
    """Lines of the release notes that say that something breaks."""
    notes = attempt.release
    if notes is None:
        return ""
    page = f"[release notes]({notes.url})" if message_parts.plain_url(notes.url) else "release notes"
    if not notes.breaking:
        return f"The {page} of {code(attempt.tag)} mark nothing as breaking.\n"
    lines = "".join(f"- {inline(one, 300)}\n" for one in notes.breaking)
    more = f"- and {patch_table.counted(notes.more, 'line')} more\n" if notes.more else ""
    return f"### What the release breaks, as its notes say\n\nFrom the {page}:\n\n{lines}{more}"


@_bounded
def upstream_changes(attempt: Attempt) -> str:
    """What upstream changed in the files that the patches touch."""
    found, report = attempt.upstream_changes, attempt.report
    if found is None or report is None:
        return ""
    words = f"from {commit(attempt, attempt.base)} to {code(attempt.tag, 200)}"
    link = f" ([the comparison]({found.url}))" if message_parts.plain_url(found.url) else ""
    if found.problem is not None:
        return f"What upstream changed {words} can't be told: {found.problem}.\n"
    cut = (
        "GitHub lists the first 300 files of a comparison alone, so there may be more. " if found.cut else ""
    )
    if not found.number:
        seen = "None of the files that it lists" if cut else "None of the files that upstream changed"
        return f"{seen} {words}{link} is one that the patches touch. {cut}".rstrip() + "\n"
    by_path: dict[str, list[int]] = {}
    for number, patch in enumerate(report.patches, 1):
        for path in patch.paths:
            by_path.setdefault(path, []).append(number)
    rows = [
        (_path(one), f"+{one.added} −{one.removed}", inline(one.status, 40), _touching(one, by_path))
        for one in found.files[:_SHOWN]
    ]
    more = found.number - len(rows)
    rest = f"\n… and {patch_table.counted(more, 'file')} more\n" if more > 0 else ""
    return (
        "### What upstream changed in the same files\n\n"
        f"{patch_table.counted(found.number, 'file')} that the patches touch, {words}{link}. {cut}".rstrip()
        + f"\n\n{markdown.table(('file', 'lines', '', 'patches'), rows)}{rest}"
    )


def _path(one: ChangedFile) -> str:
    return code(one.path, 200) + (f", was {code(one.before, 200)}" if one.before else "")


def _touching(one: ChangedFile, by_path: dict[str, list[int]]) -> str:
    numbers = sorted({*by_path.get(one.path, []), *by_path.get(one.before or "", [])})
    return _listed((str(number) for number in numbers), 10)


# The candidate ---------------------------------------------------------------------------------------


def gate_title(attempt: Attempt) -> str:
    """What the gate has to say, in one line."""
    if any(one.what is not gate.What.HELD for one in attempt.gate):
        return f"Workflow files of {attempt.tag} would do something new"
    return f"Nothing of {attempt.tag} runs before somebody has said so"


def at_the_gate(attempt: Attempt) -> str:
    """What would run of the candidate that is new, each with its difference; empty where nothing waits."""
    if not attempt.gate:
        return ""
    told = (
        f"### {inline(gate_title(attempt))}\n\nCompared with {code(attempt.stack)}:\n\n"
        f"{gate.written(attempt.gate[:_FINDINGS])}"
    )
    return markdown.bounded(told, _GATE, message_parts.run_url(attempt))


@_bounded
def workflows(attempt: Attempt) -> str:
    """What was let through at the gate, folded."""
    if not attempt.trusted_findings:
        return ""
    trusted = attempt.trusted
    who = (
        f"{inline(trusted.person, 60) or 'The operator'} let this candidate's workflow files run."
        if trusted is not None and trusted.commit == attempt.candidate
        else f"{code('candidate.workflows')} is {code('trust')} in the configuration, so nobody was asked."
    )
    number = patch_table.counted(len(attempt.trusted_findings), "thing")
    summary = f"Workflow files do {number} that they didn't on {attempt.stack}"
    return markdown.details(
        markdown.line(summary, 300), f"{who}\n\n{gate.written(attempt.trusted_findings[:_FINDINGS])}"
    )


@_bounded
def checks(attempt: Attempt) -> str:
    """The checks of the candidate, each once, and the required ones that are missing."""
    required = {one.name for one in attempt.configuration.promotion.required_checks}
    there = {one.name for one in attempt.checks}
    rows = [
        (
            f"[{inline(one.name, 100)}]({one.url})"
            if message_parts.plain_url(one.url)
            else inline(one.name, 100),
            inline(one.app, 60),
            inline(one.conclusion or one.status, 40),
            _weight(one) if one.name in required else "",
        )
        for one in attempt.checks[:_SHOWN]
    ]
    rows += [(inline(name, 100), "", "**missing**", "required") for name in sorted(required - there)]
    return (
        f"### Checks on the candidate\n\n{markdown.table(('check', 'by', 'result', ''), rows)}"
        if rows
        else ""
    )


def _weight(check: Check) -> str:
    """What a check of a required one's name is: more of them may be there than count."""
    if not approval.counts(check):
        return "doesn't count"
    return f"doesn't count: {inline(check.doubt, 200)}" if check.doubt else "required"


@_bounded
def artifacts(attempt: Attempt) -> str:
    """What the checks have stored."""
    shown = [
        f"- [{inline(one.name, 100)}]({one.url})\n"
        if message_parts.plain_url(one.url)
        else f"- {inline(one.name, 100)}\n"
        for one in attempt.artifacts[:_ARTIFACTS]
    ]
    if len(attempt.artifacts) > _ARTIFACTS:
        shown.append(f"- and {len(attempt.artifacts) - _ARTIFACTS} more\n")
    return f"### What the checks made\n\n{''.join(shown)}" if shown else ""


def proof(attempt: Attempt) -> str:
    """Where candidates may go on by themselves: what the server itself has found, or why a person decides."""
    report = attempt.report
    if attempt.configuration.promotion.approve is not Approve.AUTO or report is None:
        return ""
    if report.candidate is None:
        return ""
    why, number = approval.unfit_for_auto(attempt), len(report.patches)
    if why is not None:
        return f"**A person has to decide**: {inline(why, 600)}."
    return f"**Proved by the server from GitHub's own diffs**: {number} of {number}."


# The decision ----------------------------------------------------------------------------------------


def on_approval(attempt: Attempt) -> str:
    """What asks for the promotion, what it does, and what must be so at that moment."""
    if attempt.candidate is None:
        return ""
    auto = attempt.configuration.promotion.approve is Approve.AUTO
    alone = auto and approval.unfit_for_auto(attempt) is None
    review = "an approving review on exactly this candidate by a person with write permission"
    wanted = [] if alone else [review]
    if attempt.configuration.promotion.required_checks:
        wanted.append("the required checks passed")
    if attempt.configuration.check:
        wanted.append("the configured checks passed")
    if attempt.configuration.promotion.lands:
        return (
            f"### To promote\n\n{_how(attempt)} Then a pull request onto {code(attempt.stack)} is opened, "
            f"with exactly the files of {commit(attempt, attempt.candidate)}. Its merge, by a merge commit, "
            f"is the promotion; {code(attempt.stack)} is never forced. The old stack stays at "
            f"{archive(attempt)}.\n\n"
            f"What must be so before it is opened: {'; '.join(wanted)}; nothing has moved in the meantime. "
            f"Whatever the rules of {code(attempt.stack)} ask for, GitHub asks of that pull request.\n"
        )
    return (
        "### To promote\n\n"
        f"{_how(attempt)} Then, in one atomic step, {code(attempt.stack)} moves from "
        f"{commit(attempt, attempt.stack_head)} to {commit(attempt, attempt.candidate)}, "
        f"and the branches of this pull request are removed. The old stack stays at "
        f"{archive(attempt)}; {code('/patch rollback')} asks for it back.\n\n"
        f"What must be so at that moment: {'; '.join(wanted)}; nothing has moved in the meantime; "
        f"and whatever the rules of {code(attempt.stack)} ask for.\n"
    )


def _how(attempt: Attempt) -> str:
    approve = "approve this pull request (Files changed, Review changes, Approve)"
    match attempt.configuration.promotion.approve:
        case Approve.REVIEW:
            return f"To go on, {approve}, or merge it once approved."
        case Approve.MERGE:
            return f"To go on, {approve}, and merge it: the merge is what asks."
        case Approve.COMMAND:
            return (
                f"To go on, {approve}; the approval alone promotes nothing here: comment "
                f"{code('/patch promote')}, or press Promote on the check run."
            )
        case Approve.AUTO:
            why = approval.unfit_for_auto(attempt)
            if why is None:
                return "Nobody has to ask: this goes on by itself once all of the below is so."
            return (
                f"This doesn't go on by itself, since {inline(why, 600)}. To go on, {approve}, and merge it."
            )
        case _:
            assert_never(attempt.configuration.promotion.approve)


def usage(attempt: Attempt) -> str:
    """All that can be asked for in a comment, folded."""
    if not attempt.open:
        return ""
    begin = "At the start of a line of a comment, by people with write permission:"
    return markdown.details("Commands", f"{begin}\n\n{commands.usage()}")
