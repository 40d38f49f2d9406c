"""What the App does on a fork for one attempt, as far as it may start workflows. Pure.

Each branch that it makes has workflow files of its own: the base branch upstream's, the maintenance branch
the candidate's; once promoted, so have the maintained branch and the tags. What stands for the App's own
refs where GitHub takes branches alone has no files and starts nothing.
"""

from __future__ import annotations

from patch_app.core import names, release_tag
from patch_app.core.attempt import Attempt
from patch_app.core.configuration_channels import FOLDER, filled
from patch_app.core.workflow_events import ANY, CHAIN, Deed

# others may deploy a commit once it is on a branch, and tell of it (GitHub: "Events", `deployment`)
_WHEREVER = (Deed(event="deployment"), Deed(event="deployment_status"), ANY)
_REVIEWED = ("pull_request", "pull_request_review", "pull_request_review_comment")


def of_candidate(attempt: Attempt) -> tuple[Deed, ...]:
    """Everything that is done with the candidate's own workflow files, to the end of its channels."""
    config, prefix = attempt.configuration, attempt.configuration.branches.prefix
    base = names.base_branch(attempt.stack, attempt.tag, prefix)
    deeds = [
        *_pushed(names.maintenance_branch(attempt.stack, attempt.tag, prefix)),
        *(Deed(event=event, branch=base) for event in _REVIEWED),
        Deed(event="push", branch=attempt.stack),
        *_tagged(names.candidate_tag(attempt.stack, attempt.tag, prefix)),
        *_WHEREVER,
    ]
    if config.promotion.lands:
        deeds += _pushed(names.landing_branch(attempt.stack, attempt.tag, prefix))
        deeds += (Deed(event=event, branch=attempt.stack) for event in _REVIEWED)
        # its end runs the base branch's file, which is the candidate's by then
        deeds.append(Deed(event="pull_request_target", branch=attempt.stack))
    if (public := config.channels.public) is not None:
        plain = release_tag.plain_tag(attempt)
        deeds += _tagged(plain)
        if public.suffix is not None:
            # other numbers than the first end like it
            deeds += _tagged(plain + filled(public.suffix, {"n": "1"}))
    if (internal := config.channels.internal) is not None:
        deeds.append(Deed(event="workflow_dispatch", path=f"{FOLDER}{internal.workflow}"))
    if attempt.default_branch in ("", attempt.stack):
        # what runs behind another workflow, or when the App's branches go, is the default branch's
        # (GitHub, since December 2025: `pull_request_target` too, also where one is closed then)
        deeds += (CHAIN, Deed(event="delete"), Deed(event="pull_request_target", branch=base))
    return tuple(deeds)


def of_target(attempt: Attempt) -> tuple[Deed, ...]:
    """What is done with upstream's workflow files: the base branch has them.

    `pull_request_target` runs the base branch's file, on newer GitHubs the default branch's.
    """
    base = names.base_branch(attempt.stack, attempt.tag, attempt.configuration.branches.prefix)
    return (*_pushed(base), Deed(event="pull_request_target", branch=base), *_WHEREVER)


def of_carry_over(branch: str, into: str) -> tuple[Deed, ...]:
    """What is done with a person's pull request that the App moves onto what was promoted."""
    deeds = [Deed(event=event, branch=into) for event in _REVIEWED]
    return (Deed(event="push", branch=branch), *deeds, *_WHEREVER)


def _pushed(branch: str) -> tuple[Deed, ...]:
    return (Deed(event="push", branch=branch), Deed(event="create", branch=branch))


def _tagged(tag: str) -> tuple[Deed, ...]:
    return (Deed(event="push", tag=tag), Deed(event="create", tag=tag))
