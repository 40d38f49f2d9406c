"""The request that a run gets: one JSON input, validated again by the runner itself.

Holds nothing secret: inputs of a run can be read by everybody who can read the fork.
"""

from __future__ import annotations

import json

from patch_app.core import configuration, names
from patch_app.core.attempt import Attempt

# GitHub's limit for all inputs of a dispatch together, in characters
INPUTS_LIMIT = 65_535


class RequestTooLargeError(ValueError):
    """The configured commands are longer than GitHub takes as input of a run (65,535 characters)."""


def request(attempt: Attempt, upstream_git_url: str, app: int) -> str:
    """The input `request` as JSON text, schema 1. Needs `target` and `stack_head` to be known.

    `app`: the App's id.
    Raises RequestTooLargeError where GitHub would refuse the dispatch.
    """
    if attempt.target is None or attempt.stack_head is None:
        raise ValueError("a request needs the target and the stack's head")
    # without what was built the runner looks at lines and messages: not as sure, but never too long
    text = _text(attempt, upstream_git_url, app, built=True)
    if len(text) > INPUTS_LIMIT - len(attempt.id):
        text = _text(attempt, upstream_git_url, app, built=False)
    if len(text) > INPUTS_LIMIT - len(attempt.id):
        raise RequestTooLargeError(
            f"the run's request has {len(text)} characters; shorten the commands of checks and resolver"
        )
    return text


def _text(attempt: Attempt, upstream_git_url: str, app: int, *, built: bool) -> str:
    stack = configuration.stack_of(attempt.configuration, attempt.stack)
    resolver = attempt.configuration.resolver
    return json.dumps(
        {
            "schema": 1,
            "attempt": attempt.id,
            "app": app,
            "stack": {"branch": attempt.stack, "sha": attempt.stack_head},
            "base": attempt.base,
            "target": {"name": attempt.tag, "sha": attempt.target},
            "upstream": upstream_git_url,
            "bundle_from": attempt.bundle_from,
            "date": int(attempt.created.timestamp()),
            "merges": stack.merges,
            "strategy": stack.strategy,
            "start": stack.start,
            "pushed": attempt.pushed,
            **({"drop": list(attempt.drop)} if attempt.drop else {}),
            # of use where the runner needn't find out the base
            **({"ahead": attempt.ahead} if attempt.base and attempt.ahead else {}),
            # a pull request's changes of the App's files are patches like any other
            "installed_paths": [] if attempt.carry_over else list(names.INSTALLED_PATHS),
            "installed_trailer": names.INSTALLED_TRAILER,
            "resolutions": attempt.resolutions,
            **_patches(attempt, built=built),
            **({"landing": attempt.landed.model_dump()} if attempt.landed else {}),
            "checks": [
                {
                    "name": check.name,
                    "run": check.run,
                    "working_directory": check.working_directory,
                    "timeout": check.timeout,
                    # a runner of before doesn't know the keys
                    **({"sparse": list(check.sparse)} if check.sparse else {}),
                    **({"artifacts": list(check.artifacts)} if check.artifacts else {}),
                }
                for check in attempt.configuration.check
            ],
            **({"resolver": resolver.model_dump()} if resolver else {}),
        },
        separators=(",", ":"),
    )


def _patches(attempt: Attempt, *, built: bool) -> dict[str, object]:
    """The patch branches, where the stack is built from such."""
    if not attempt.patches:
        return {}
    return {
        "patches": [one.model_dump() for one in attempt.patches],
        **({"built": attempt.built} if built and attempt.built else {}),
    }
