"""Every REST answer of the local GitHub is held against GitHub's own OpenAPI description."""

from __future__ import annotations

from pathlib import Path

import pytest

from patch_app.forge import Forge
from patch_app.forge.rest import ROUTES, VERSIONS
from tests.contract.openapi import description
from tests.contract.tour import Exchange, Guide, convert_manifest, tour
from tests.forge.scripted import Script

pytestmark = [pytest.mark.network, pytest.mark.timeout(300)]


def _toured(folder: Path, version: str) -> list[Exchange]:
    script = Script()
    with Forge(folder, actions=script).running() as forge:
        log = tour(forge, script, version)
        guide = Guide(forge, version)
        with guide.client:
            convert_manifest(guide, forge, forge.person("alice").token)
        return log + guide.log


@pytest.mark.parametrize("version", VERSIONS)
def test_an_answer_that_github_would_never_give(tmp_path: Path, version: str) -> None:
    judge = description(version)
    faults = []
    for one in _toured(tmp_path, version):
        found = judge.answer_faults(one.method, one.path, one.status, one.body)
        found += judge.request_faults(one.method, one.path, one.query, one.sent)
        faults += [f"{one.method} {one.path} {one.status}: {fault}" for fault in found]
    assert not faults, "\n" + "\n".join(faults)


def test_a_route_that_the_tour_forgot(tmp_path: Path) -> None:
    log = _toured(tmp_path, VERSIONS[-1])
    good = [(o.method, o.path) for o in log if o.status < 400]
    missed = [
        f"{rule.method} {rule.pattern}"
        for rule in ROUTES
        if not any(m == rule.method and rule.regex.match(p.rstrip("/")) for m, p in good)
    ]
    expected = {
        "POST /app/hook/deliveries/{delivery_id}/attempts",
        "GET /app/hook/deliveries/{delivery_id}",
        "GET /repos/{owner}/{repo}/actions/runs/{run_id}/logs",
    }
    assert {m for m in missed if "/admin/" not in m} == expected
