"""What is in a blocked attempt's way, reported once where the fork can show it, and withdrawn when mended.

On the attempt's pull request or issue where there is one, else in an issue of its own, else (issues are
off, or GitHub refused one) as a check run on the maintained branch's head. The same sentence is not told
again before it was withdrawn. Refuses to report what passes by itself: a reading that failed is tried
again, and a repository that can't be read can't be written to either.
"""

from __future__ import annotations

from typing import Final, TypeAlias

from patch_app.core import names, notice_texts, plan
from patch_app.core.attempt import Attempt, Stage
from patch_app.core.effects import (
    Close,
    Comment,
    Effect,
    EffectState,
    OpenIssue,
    Performed,
    PutCheckRun,
    key,
)
from patch_app.core.facts import Facts

_Notice: TypeAlias = OpenIssue | Comment | PutCheckRun

# at the end of the marker of a withdrawal
_MENDED: Final = ":mended"


def due(attempt: Attempt, facts: Facts) -> tuple[Effect, ...]:
    """The notice that an attempt's stage asks for, or the withdrawal of those that no longer hold."""
    if facts.gone is not None:
        return ()
    standing = _standing(attempt, facts)
    if attempt.stage is Stage.BLOCKED:
        return _report(attempt, facts, standing)
    wishes = (wish for one in standing for wish in _withdrawal(attempt, facts, one))
    return tuple({key(wish): wish for wish in wishes}.values())


def _standing(attempt: Attempt, facts: Facts) -> list[Performed]:
    """Notices since the last withdrawal, in order; one that GitHub refused was never seen."""
    found: list[Performed] = []
    for one in facts.effects.values():
        if one.state in (EffectState.DROPPED, EffectState.REFUSED):
            continue
        match one.effect:
            case PutCheckRun(name=name) if name == names.notice_name(attempt.stack):
                found = [] if one.effect.conclusion == "neutral" else [*found, one]
            case OpenIssue(marker=marker) | Comment(marker=marker) if names.is_notice(marker):
                found = [] if marker.endswith(_MENDED) else [*found, one]
            case Close(marker=marker) if names.is_notice(marker):
                found = []
            case _:
                pass
    return found


def _report(attempt: Attempt, facts: Facts, standing: list[Performed]) -> tuple[Effect, ...]:
    if any(_says(one.effect, attempt) for one in standing):
        return ()
    told = _told(facts)
    marker = names.notice_marker(attempt.id, told + 1)
    title, body = notice_texts.issue(attempt)
    own = next((one for one in standing if isinstance(one.effect, OpenIssue)), None)
    number = own.outcome.get("number") if own else None
    place = attempt.pull_request or (attempt.issue if facts.has_issues else None)
    number = number or (place.number if place else None)
    if own is not None and number is None:
        return ()  # the issue is on its way
    comment = notice_texts.comment(attempt)
    wishes: list[_Notice] = []
    if number is not None:
        wishes.append(Comment(number=number, marker=marker, body=comment, seq=plan.again(facts, "comment")))
    elif facts.has_issues:
        wishes.append(OpenIssue(marker=marker, title=title, body=body, seq=plan.again(facts, "open_issue")))
    if not wishes or _refused(facts, wishes[0]):
        head = facts.ref(names.head(attempt.stack))
        if head == names.ZERO:
            return ()  # there is nothing that could show it; the attempt's record has it
        wishes = [_check_run(attempt, facts, head, "action_required", body)]
    return tuple(one for one in wishes if not _refused(facts, one))


def _withdrawal(attempt: Attempt, facts: Facts, one: Performed) -> tuple[Effect, ...]:
    marker = f"{names.notice_marker(attempt.id, _told(facts))}{_MENDED}"
    line = notice_texts.mended(attempt)
    match one.effect:
        case OpenIssue():
            if "number" not in one.outcome:
                return ()  # its number is known in the next pass
            number = one.outcome["number"]
            seq = plan.again(facts, "close")
            wish: Effect = Close(subject="issue", number=number, marker=marker, comment=line, seq=seq)
        case Comment(number=number):
            opened = {
                known.outcome.get("number")
                for known in facts.effects.values()
                if isinstance(known.effect, OpenIssue) and names.is_notice(known.effect.marker)
            }
            if number in opened:
                return ()  # it goes with the issue that it stands in
            wish = Comment(number=number, marker=marker, body=line, seq=plan.again(facts, "comment"))
        case PutCheckRun(commit=commit):
            wish = _check_run(attempt, facts, commit, "neutral", line)
        case _:
            return ()
    return () if _refused(facts, wish) else (wish,)


def _check_run(attempt: Attempt, facts: Facts, commit: str, conclusion: str, summary: str) -> PutCheckRun:
    title = notice_texts.title(attempt) if conclusion != "neutral" else "Mended"
    return PutCheckRun.model_validate(
        {
            "name": names.notice_name(attempt.stack),
            "commit": commit,
            "number": plan.check_run(facts, names.notice_name(attempt.stack), commit),
            "external_id": attempt.id,
            "status": "completed",
            "conclusion": conclusion,
            "title": title,
            "summary": summary,
            # what GitHub refused is the same wish still, and so is known as refused
            "seq": sum(
                isinstance(one.effect, PutCheckRun)
                and one.effect.name == names.notice_name(attempt.stack)
                and one.state is not EffectState.REFUSED
                for one in facts.effects.values()
            ),
        }
    )


def _says(effect: Effect, attempt: Attempt) -> bool:
    body = notice_texts.issue(attempt)[1]
    match effect:
        case OpenIssue():
            return effect.body == body
        case Comment():
            return effect.body == notice_texts.comment(attempt)
        case PutCheckRun():
            return (effect.title, effect.summary) == (notice_texts.title(attempt), body)
        case _:
            return False


def _told(facts: Facts) -> int:
    """How many notices there were, so that each has a marker of its own."""
    return sum(
        names.is_notice(one.effect.marker) and not one.effect.marker.endswith(_MENDED)
        for one in facts.effects.values()
        if isinstance(one.effect, OpenIssue | Comment)
        if one.state not in (EffectState.DROPPED, EffectState.REFUSED)
    )


def _refused(facts: Facts, wish: Effect) -> bool:
    """GitHub refused the same wish before: only a person's retry makes it again."""
    known = plan.same(facts, wish)
    return known is not None and known.state is EffectState.REFUSED
