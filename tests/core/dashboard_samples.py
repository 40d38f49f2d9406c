"""What a fork's dashboard issue is made from, for the tests of what it shows and obeys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from patch_app.core import dashboard, names
from patch_app.core.attempt import Attempt, Link, Stage
from patch_app.core.configuration import Configuration, Promotion, Upstream
from patch_app.core.dashboard import Ignored, Known, Page
from tests.core import samples
from tests.core.samples import NOW

UPSTREAM = "upstream-org/tool"
POLICY = Configuration(
    upstream=Upstream.model_validate({"minimum_age": "7d"}),
    promotion=Promotion.model_validate({"required_checks": ["ci"]}),
)


def identity(tag: str) -> str:
    return names.event_id(UPSTREAM, tag)


def told(tag: str, days: float = 30, **more: Any) -> Known:
    """A release that was told of, published so many days ago."""
    fields = {"id": identity(tag), "tag": tag, "published": NOW - timedelta(days=days), "told": True}
    return Known(**{**fields, **more})


def attempt(tag: str, stage: Stage, **more: Any) -> Attempt:
    return samples.attempt(None, tag=tag, stage=stage, event=identity(tag), **more)


def page(
    *releases: Known,
    attempts: Sequence[Attempt] = (),
    seen: Mapping[str, bool] | None = None,
    configuration: Configuration = POLICY,
    **more: Any,
) -> Page:
    fields: dict[str, Any] = {
        "upstream": UPSTREAM,
        "default_branch": "main",
        "configuration": configuration,
        "problem": None,
        "attempts": attempts,
        "releases_known": dashboard.known(UPSTREAM, seen or {}, releases),
        "ignored": {},
        "now": NOW,
    }
    return dashboard.page(**{**fields, **more})


def busy() -> Page:
    """A promoted release, an open attempt, a young release, an ignored one."""
    waiting = attempt(
        "v2.0.0",
        Stage.REVIEWING,
        message="waits for: 1 approving review(s) on b10000000000 by people with write permission",
        pull_request=Link(number=7, url="https://github.com/alice/tool/pull/7"),
    )
    return page(
        told("v1.9.0"),
        told("v2.0.0"),
        told("v2.0.1"),
        told("v2.1.0", days=1, url="https://github.com/upstream-org/tool/releases/tag/v2.1.0"),
        attempts=[attempt("v1.9.0", Stage.PROMOTED), waiting],
        ignored={identity("v2.0.1"): Ignored(tag="v2.0.1", person="bob")},
    )


def hostile() -> Page:
    """Names, messages and a configuration's error written by somebody who means harm."""
    bad = "v3.0.0`@everyone#1|<b>"
    forged = f"x\n- [x] {dashboard.box(dashboard.Action.CARRY, identity('v2.0.0'))}"
    return page(
        told(bad, url="javascript:alert(1)"),
        told("v2.0.0"),
        attempts=[attempt(bad, Stage.BLOCKED, stack="a|b<c>", message=f"{samples.NASTY} {forged}")],
        ignored={identity("v9"): Ignored(tag=bad, person="@bob")},
        problem=f"{samples.NASTY} {forged}",
    )
