"""Every webhook of the local GitHub is held against GitHub's own description of its payload."""

from __future__ import annotations

from pathlib import Path

import pytest

from patch_app.forge import Forge
from tests.contract import tour as tours
from tests.contract.openapi import description, webhook_faults
from tests.forge.scripted import Script

pytestmark = [pytest.mark.network, pytest.mark.timeout(300)]

ALL = [
    *(
        "push",
        "create",
        "delete",
        "release",
        "pull_request",
        "pull_request_review",
        "issues",
        "issue_comment",
    ),
    *("check_run", "check_suite", "workflow_run", "workflow_job", "status"),
]


def test_a_payload_that_github_would_never_send(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tours, "EVENTS", ALL)
    script = Script()
    # nothing listens there: the payloads are read from the record of deliveries
    monkeypatch.setattr(tours, "WEBHOOK_URL", "http://127.0.0.1:9/hook")
    with Forge(tmp_path, actions=script).running() as forge:
        tours.tour(forge, script, "2022-11-28")
        forge.settle()
        rows = forge.webhooks.deliveries()
    judge = description("2022-11-28")
    assert {r.event for r in rows} == {*ALL, "installation"}
    faults = {
        f"{row.event}.{row.action}: {fault}"
        for row in rows
        for fault in webhook_faults(judge, row.event, row.payload)
    }
    assert not faults, "\n" + "\n".join(sorted(faults))
