"""A release that takes commits of upstream out of the branch waits for a person's word. Pure.

The word is on exactly one commit of upstream and on the branch as it was read; it is no approval, and `auto`
never promotes such a candidate. Where the release is merged into the branch nothing leaves.
"""

from __future__ import annotations

from patch_app.core import leaving_text, plan, telling
from patch_app.core.attempt import Attempt
from patch_app.core.facts import Ask, Facts
from patch_app.core.leaving import LetGo
from patch_app.core.markdown import code
from patch_app.core.plan import Decision


def step(attempt: Attempt, facts: Facts) -> Decision | None:
    """Holds the attempt, and says why; None where nothing leaves, or a person lets it."""
    if not attempt.goes_back:
        return None
    held = plan.held(attempt, leaving_text.line(attempt, issues=facts.has_issues)).attempt
    return Decision(attempt=held, effects=telling.going_back_notice(held, facts))


def how(attempt: Attempt) -> str:
    """How it goes on, as an answer."""
    return f"{code(leaving_text.command(attempt))} lets go what leaves {code(attempt.stack)}."


def let(attempt: Attempt, ask: Ask, commit: str) -> tuple[Attempt, str, bool]:
    """The attempt with a person's word, a line for them, and whether it was one on this release."""
    if attempt.leaving is None:
        return attempt, "no commit of upstream leaves with this release, as far as is known yet.", False
    if commit != attempt.target:
        line = f"that is not the commit of {code(attempt.tag)}, which is {code(attempt.target or '')}."
        return attempt, line, False
    word = LetGo(
        person=ask.person,
        permission=ask.permission,
        target=commit,
        stack_head=attempt.stack_head or "",
    )
    what = leaving_text.counted(attempt.leaving)
    line = f"{what} may leave {code(attempt.stack)}; nothing is promoted without a review."
    return attempt.model_copy(update={"let_go": word}), line, True
