"""What people read of commits of upstream that leave a branch with a release. Pure.

Their subjects are upstream's: escaped, and few.
"""

from __future__ import annotations

from typing import Final

from patch_app.core import markdown, message_parts
from patch_app.core.attempt import Attempt
from patch_app.core.leaving import Leaving
from patch_app.core.markdown import code, inline

# named in one line
_FEW: Final = 3


def counted(leaving: Leaving) -> str:
    """`5 commits of upstream`."""
    if leaving.number is None:
        return "commits of upstream (GitHub can't say how many)"
    return f"{leaving.number} commit{'' if leaving.number == 1 else 's'} of upstream"


def command(attempt: Attempt) -> str:
    """What lets them go, in full."""
    return f"/patch go-back {attempt.target}"


def title(attempt: Attempt) -> str:
    """Of an issue and of the check run."""
    what = counted(attempt.leaving) if attempt.leaving else "commits of upstream"
    return f"{attempt.tag} would take {what} out of {attempt.stack}"


def line(attempt: Attempt, *, issues: bool) -> str:
    """What a held attempt says."""
    leaving = attempt.leaving
    few = [markdown.line(f"{one.sha[:10]} {one.subject}", 80) for one in leaving.commits] if leaving else []
    more = ", ..." if len(few) > _FEW or (leaving and leaving.number != len(few)) else ""
    which = f" ({'; '.join(few[:_FEW])}{more})" if few else ""
    where = "" if issues else "; turn the fork's issues on, there is no other place to say it"
    return (
        f"{title(attempt)}, which stands on them{which}: `{command(attempt)}` by a person with write "
        f"permission lets them go{where}"
    )


def written(attempt: Attempt) -> str:
    """The part of a pull request, an issue and a check run; empty where nothing leaves."""
    leaving = attempt.leaving
    if leaving is None:
        return ""
    what = counted(leaving)
    compared = f" ([the comparison]({leaving.url}))" if message_parts.plain_url(leaving.url) else ""
    rows = "".join(
        f"- {message_parts.commit(attempt, one.sha)} {inline(one.subject, 200)}\n" for one in leaving.commits
    )
    more = (leaving.number or 0) - len(leaving.commits)
    rest = f"- and {more} more\n" if more > 0 else ""
    return (
        f"### What would leave {code(attempt.stack)}\n\n"
        f"{code(attempt.stack)} stands on {what} that {code(attempt.tag, 200)} lacks{compared}. On this "
        f"release the branch would be without them, whatever became of its own patches:\n\n{rows}{rest}\n"
        f"{_word(attempt)}"
    )


def _word(attempt: Attempt) -> str:
    if not attempt.goes_back and attempt.let_go is not None:
        who = code(attempt.let_go.person) if attempt.let_go.person else "The person who runs the server"
        return f"{who} lets them go. No such candidate is promoted without a review.\n"
    return (
        "Nothing more happens before a person has decided. To stay on what there is, end this attempt with "
        "`/patch abandon`, or wait for a release that has these commits. A person with write permission lets "
        "them go, for exactly this release and for the branch as it is now, with a comment of this line:\n\n"
        f"{markdown.fenced(command(attempt))}"
    )
