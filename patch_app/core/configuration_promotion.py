"""`[promotion]` of a fork's configuration: what must be so before the maintained branch moves.

Says nothing of what a fork's own rules ask for: those are read on GitHub, at that moment.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, model_validator

from patch_app.core.configuration_values import quoted
from patch_app.core.model import Model


class Approve(StrEnum):
    """What asks for a promotion. Asking is never an approval: the conditions are the same."""

    REVIEW = "review"
    MERGE = "merge"
    COMMAND = "command"
    AUTO = "auto"


class Conclusion(StrEnum):
    """A result of a check that can be good enough."""

    SUCCESS = "success"
    NEUTRAL = "neutral"
    SKIPPED = "skipped"


class RequiredCheck(Model):
    """A check that must have passed on the candidate. Missing or skipped is no pass."""

    name: str = Field(
        min_length=1, max_length=200, description="Name of the check run, or context of the commit status."
    )
    app: str | None = Field(
        None,
        min_length=1,
        max_length=100,
        description="Slug of the App that must have made it: `github-actions`.",
    )
    workflow: str | None = Field(
        None,
        min_length=1,
        max_length=300,
        description="Path of the workflow file that must have made it. Without it each file counts that the "
        "maintained branch has too, and the worst of their jobs of that name decides.",
    )
    creator: str | None = Field(
        None,
        min_length=1,
        max_length=100,
        description="Login of the account that must have set it, an App's with `[bot]` behind it: then it is "
        "a commit status. Without a creator no commit status counts, since everybody with write permission "
        "may set one; `github-actions[bot]` is refused, since any workflow may.",
    )
    conclusions: tuple[Conclusion, ...] = Field(
        (Conclusion.SUCCESS,),
        min_length=1,
        description="Which results pass. Only `success` does, unless `neutral` or `skipped` are named.",
    )

    @model_validator(mode="after")
    def _of_somebody(self) -> Self:
        if self.creator is None:
            return self
        if self.app is not None or self.workflow is not None:
            raise ValueError(
                f"the check {quoted(self.name)} has a creator, as statuses have, and an app or workflow"
            )
        if same_login(self.creator, "github-actions[bot]") or same_login(self.creator, "github-actions"):
            raise ValueError(
                f"the status {quoted(self.name)} by github-actions[bot] proves nothing, since every workflow "
                "may set it: name the account of a person or of another App"
            )
        return self


def same_login(one: str | None, other: str) -> bool:
    """Whether two logins are one account's. An App's ends in `[bot]`, so that it is no person's."""
    return one is not None and one.strip().lower() == other.strip().lower()


class Move(StrEnum):
    """How the maintained branch gets to an approved candidate."""

    UPDATE = "update"
    PULL_REQUEST = "pull-request"


def _required(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


class Promotion(Model):
    """What must be so before the maintained branch moves to the candidate."""

    approve: Approve = Field(
        Approve.REVIEW,
        description="What asks for a promotion: an approving `review`, a `merge` of the pull request, or a "
        "`command` (`/patch promote` or the button Promote, which ask with any of these). The conditions are "
        "the same for each. `auto` asks by itself where every patch is `clean`, as the server itself has "
        "found by GitHub's own diffs, and checks passed, and needs no review but those that the branch's "
        "rules ask for; what can't be proved is a person's to decide; it wants `minimum_age` and a check.",
    )
    move: Move = Field(
        Move.UPDATE,
        description="How the branch gets to an approved candidate: `update` moves it there, by force where "
        "the patches were written anew; `pull-request` opens a pull request with the candidate's very files "
        "onto it, which people merge with a merge commit, so that the branch's own rules, reviews and merge "
        "queue decide. Not with the strategy `merge`, under which the branch only goes forward anyway.",
    )
    required_checks: tuple[
        Annotated[
            RequiredCheck,
            BeforeValidator(_required, json_schema_input_type=str | RequiredCheck),
        ],
        ...,
    ] = Field(
        (),
        max_length=50,
        description="Checks that must have passed on the candidate: names, or tables with `name`, "
        "`app`, `workflow`, `creator` and `conclusions`. A missing one is no pass, nor is a skipped, neutral "
        "or cancelled one. Of Actions a job of a run for the candidate counts; one of a workflow file that "
        "the candidate changes counts once that is trusted.",
    )

    @property
    def lands(self) -> bool:
        """Whether the maintained branch gets to a candidate by a pull request."""
        return self.move is Move.PULL_REQUEST

    @model_validator(mode="after")
    def _once(self) -> Self:
        seen = [(one.name, one.app, one.workflow, one.creator) for one in self.required_checks]
        for one in seen:
            if seen.count(one) > 1:
                raise ValueError(f"the check {quoted(one[0])} is required twice")
        return self
