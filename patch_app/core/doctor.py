"""What is wrong with a fork, or will be: `findings(health) -> (Finding, ...)`. Pure.

The preflight of an attempt and `patch-app doctor` ask this one function, so that they never differ. What
was not read is no finding, but for what was asked for and not shown.
"""

from __future__ import annotations

from collections.abc import Iterator

from patch_app.core import doctor_rules, names
from patch_app.core.findings import Code, Finding, Severity, finding
from patch_app.core.health import Branch, Checkout, Health, Upstream

_ORDER = {code: place for place, code in enumerate(Code)}
# GitHub's words for a workflow that nobody can start, explained
_DISABLED = {
    "disabled_fork": ", as in a fork where nobody has enabled workflows yet",
    "disabled_inactivity": ", since nothing happened in the repository for 60 days",
    "disabled_manually": ", by a person",
}


def findings(health: Health) -> tuple[Finding, ...]:
    """Everything that was found, what blocks first, the most fundamental of it before all."""
    found = [
        *_installation(health),
        *_configuration(health),
        *_workflow(health),
        *(_upstream(health.upstream) if health.upstream else ()),
        *(finding(Code.NAME_COLLISION, branch=one) for one in health.collisions[:5]),
        *(one for branch in health.branches for one in _branch(branch, health)),
        *_files(health),
        *(_checkout(health.checkout, health) if health.checkout else ()),
        *(finding(Code.UNREAD, what=one.what, why=one.why) for one in health.unread),
    ]
    return tuple(sorted(found, key=lambda one: (list(Severity).index(one.severity), _ORDER[one.code])))


def blocking(health: Health) -> tuple[Finding, ...]:
    """The findings that keep an attempt from being started, in order."""
    return tuple(one for one in findings(health) if one.severity is Severity.BLOCKS)


def _installation(health: Health) -> Iterator[Finding]:
    if health.suspended:
        yield finding(Code.SUSPENDED)
    if health.missing_permissions:
        wanted = ", ".join(f"`{name}: {level}`" for name, level in sorted(health.missing_permissions.items()))
        yield finding(Code.PERMISSION_MISSING, permissions=wanted)
    if health.archived:
        yield finding(Code.ARCHIVED)
    if health.has_issues is False:
        yield finding(Code.ISSUES_OFF)


def _configuration(health: Health) -> Iterator[Finding]:
    if health.configuration_problems:
        yield finding(Code.CONFIGURATION_ERROR, problems="; ".join(health.configuration_problems))
    elif health.stack_gone is not None:
        yield finding(Code.STACK_GONE, branch=health.stack_gone)


def _workflow(health: Health) -> Iterator[Finding]:
    workflow = health.workflow
    if workflow is None:
        return
    if workflow.blob is None:
        yield finding(Code.WORKFLOW_MISSING)
    elif workflow.blob == workflow.other_blob:
        uploads = health.configuration is not None and health.configuration.keeps_artifacts
        asked = (
            "a check asks for artifacts, which the workflow file on the default branch does not upload"
            if uploads
            else "the workflow file on the default branch uploads artifacts, which no check asks for any more"
        )
        yield finding(Code.WORKFLOW_OTHER, whether_artifacts_are_uploaded_and_asked_for=asked)
    elif workflow.blob != workflow.expected_blob:
        blob, expected = workflow.blob[:12], workflow.expected_blob[:12]
        yield finding(Code.WORKFLOW_CHANGED, blob=blob, expected=expected)
    if workflow.runner != workflow.expected_runner:
        ref = names.as_branch(names.RUNNER_REF) if workflow.on_branches else names.RUNNER_REF
        yield finding(Code.RUNNER_CHANGED, ref=ref)
    if workflow.on_branches:
        yield finding(Code.REFS_AS_BRANCHES)
    if workflow.blob is not None and workflow.state in (None, "deleted"):
        yield finding(Code.ACTIONS_OFF)
    elif workflow.blob is not None and workflow.state != "active":
        because = _DISABLED.get(workflow.state or "", "")
        yield finding(Code.WORKFLOW_DISABLED, state=workflow.state, because=because)


def _upstream(upstream: Upstream) -> Iterator[Finding]:
    if upstream.changed is not None:
        yield finding(
            Code.UPSTREAM_CHANGED,
            which_other_repository_it_is=upstream.changed.sentence,
            how_to_say_what_is_meant=upstream.changed.remedy,
        )
    elif upstream.name is None:
        yield finding(Code.UPSTREAM_UNKNOWN)
    elif upstream.private:
        yield finding(Code.UPSTREAM_PRIVATE, upstream=upstream.name)
    elif upstream.reachable is False:
        yield finding(Code.UPSTREAM_UNREACHABLE, upstream=upstream.name)
    elif upstream.has_tag is False:
        yield finding(Code.TAG_MISSING, upstream=upstream.name, tag=upstream.tag)
    for tag in upstream.differing_tags[:5]:
        yield finding(Code.TAG_DIFFERS, tag=tag)


def _branch(branch: Branch, health: Health) -> Iterator[Finding]:
    if branch.exists is False:
        yield finding(Code.BRANCH_MISSING, branch=branch.name)
    for sentence, _, remedy in (one.partition(": ") for one in branch.patch_problems):
        yield finding(
            Code.PATCH_BRANCHES, what_is_wrong_with_patch_branches=sentence, what_to_do_about_it=remedy
        )
    yield from doctor_rules.of_branch(branch, health.prefix)
    if branch.taken_tag is not None:
        yield finding(Code.TAG_TAKEN, tag=branch.taken_tag)
    for one in branch.required:
        if not one.workflows:
            yield finding(Code.CHECK_UNKNOWN, check=one.name, branch=branch.name)
        elif one.never:
            yield finding(Code.CHECK_NEVER_STARTS, check=one.name, why=one.never, prefix=health.prefix)
    if branch.lfs:
        yield finding(Code.LFS, branch=branch.name)
    if branch.submodules:
        yield finding(Code.SUBMODULES, branch=branch.name)


def _files(health: Health) -> Iterator[Finding]:
    if health.mirrors_upstream:
        yield finding(Code.DEFAULT_BRANCH_MIRRORS, branch=health.default_branch)
    for one in health.exposed:
        what = ", ".join(one.what[:10]) + (f" and {len(one.what) - 10} more" if len(one.what) > 10 else "")
        yield finding(Code.WORKFLOW_EXPOSED, path=one.path, event=one.event, what=what, prefix=health.prefix)


def _checkout(checkout: Checkout, health: Health) -> Iterator[Finding]:
    path = checkout.path
    if checkout.problem is not None:
        yield finding(Code.CHECKOUT_UNREADABLE, path=path, why=checkout.problem)
        return
    if checkout.dirty:
        yield finding(Code.CHECKOUT_DIRTY, path=path, number=_counted(checkout.dirty, "path"))
    for branch, number in sorted(checkout.unpushed.items()):
        yield finding(Code.CHECKOUT_UNPUSHED, path=path, number=_counted(number, "commit"), branch=branch)
    if checkout.added is not None:
        yield finding(Code.CHECKOUT_UPSTREAM_ADDED, path=path, added=checkout.added)
    elif checkout.upstream_remote is None and health.upstream and health.upstream.name:
        yield finding(Code.CHECKOUT_NO_UPSTREAM, path=path, upstream=health.upstream.name)


def _counted(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def gone(repository: str, status: int, message: str) -> str:
    """Why an attempt's repository can't be read at all, as GitHub's refusal tells."""
    if status == 422:  # a token is refused where it asks for more than the owner has granted
        return (
            f"the App may not read {repository} as it must: the owner of the installation accepts its "
            f"permissions under Settings, Applications, Review request ({message})"
        )
    return f"the App can no longer read {repository}: {message}"
