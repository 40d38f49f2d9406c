"""actions/upload-artifact as the local GitHub has it, in jobs that are run for real."""

from __future__ import annotations

import io
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx

from patch_app.forge import Forge, ForgeOptions
from patch_app.forge.actions_api import Conclusion
from patch_app.forge.state_runs import Artifact, Job
from tests.forge.scripted import Script

ID = "actions/upload-artifact@043fb46d1a93c77aae656e7c1c64a875d1fc6a0a"
FLOW = f"""
on: push
jobs:
  fine:
    runs-on: ubuntu-latest
    permissions: {{}}
    steps:
      - id: made
        run: |
          mkdir -p out/in; echo one > out/one; echo two > out/in/.two
          ln -s in out/again; ln -s .. out/in/up
          echo path=$PWD/out >> $GITHUB_OUTPUT
          test -z "$ACTIONS_RUNTIME_TOKEN"
          exit 3
      - uses: {ID} # v7.0.1
        if: ${{{{ !cancelled() && steps.made.outputs.path != '' }}}}
        with: {{name: "all of it", path: "${{{{ steps.made.outputs.path }}}}", include-hidden-files: true}}
      - uses: actions/upload-artifact@v4
        if: always()
        continue-on-error: true
        id: shown
        with: {{path: out, retention-days: 3}}
      - if: always()
        run: echo "url ${{{{ steps.shown.outputs.artifact-url }}}}"
      - uses: actions/upload-artifact@v4
        if: always()
        with: {{path: out/one}}
      - uses: actions/upload-artifact@v4
        if: always()
        with: {{name: "a:b", path: out}}
      - uses: actions/upload-artifact@v4
        if: always()
        with: {{name: none, path: out/nothing, if-no-files-found: ignore}}
  old:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/upload-artifact@v3
        with: {{path: .}}
"""


def stored(forge: Forge) -> dict[str, Artifact]:
    return {row.name: row for row in forge.repository("alice/tool").artifacts.values()}


def test_a_job_stores_what_it_names_and_is_refused_what_github_refuses(tmp_path: Path) -> None:
    with Forge(tmp_path).running() as forge:
        alice = forge.add_user("alice")
        forge.add_repository("alice/tool", private=True)
        forge.commit("alice/tool", "main", {".github/workflows/flow.yml": FLOW}, "Flow")
        forge.settle()
        (run,) = forge.repository("alice/tool").runs.values()
        jobs: dict[str, Job] = {job.key: job for job in run.jobs}
        rows = stored(forge)
        names = {}
        for name, row in rows.items():
            answer = alice.request("GET", f"/repos/alice/tool/actions/artifacts/{row.id}/zip")
            content = httpx.get(answer.headers["location"], trust_env=False).content
            assert len(content) == row.size
            names[name] = sorted(zipfile.ZipFile(io.BytesIO(content)).namelist())
        # what is behind a link is stored as if it were there, what leads in a circle isn't
        assert names == {"all of it": ["again/.two", "in/.two", "one"], "artifact": ["one"]}
        assert (rows["artifact"].expires_at - rows["artifact"].created_at).days == 3
        log = jobs["fine"].log
        assert f"url {forge.url}/alice/tool/actions/runs/{run.id}/artifacts/{rows['artifact'].id}" in log
        assert "(409) Conflict: an artifact with this name already exists" in log
        assert "is not valid: 'a:b'" in log
        assert [step["conclusion"] for step in jobs["fine"].steps].count("failure") == 3
        assert "Unable to resolve action actions/upload-artifact@v3" in jobs["old"].log
        assert "_artifacts/upload" not in log


def test_an_address_to_store_at_ends_with_its_job_and_an_artifact_with_its_days(tmp_path: Path) -> None:
    script, now = Script(), [datetime(2026, 1, 1, tzinfo=UTC)]
    options = ForgeOptions(clock=lambda: now[0])
    with (
        Forge(tmp_path, actions=script, options=options).running() as forge,
        httpx.Client(trust_env=False) as anybody,
    ):
        alice, bob = forge.add_user("alice"), forge.add_user("bob")
        forge.add_repository("alice/tool", private=True)
        forge.commit("alice/tool", "main", {".github/workflows/flow.yml": FLOW}, "Flow")
        (run,) = script.runs
        url = script.start_job(run).upload_url
        assert anybody.post(url, params={"name": "../x"}, content=b"zip").status_code == 400
        made = anybody.post(url, params={"name": "x", "days": "1"}, content=b"zip").json()
        assert anybody.post(url, params={"name": "x"}, content=b"other").status_code == 409
        script.sink.run_completed(run, Conclusion.SUCCESS)
        assert anybody.post(url, params={"name": "y"}, content=b"zip").status_code == 404
        at = f"/repos/alice/tool/actions/artifacts/{made['id']}"
        address = alice.request("GET", f"{at}/zip").headers["location"]
        assert anybody.get(address).content == b"zip"
        asked = [(alice, ""), (alice, "/tar"), (bob, ""), (bob, "/zip")]
        assert [who.request("GET", f"{at}{end}").status_code for who, end in asked] == [200, 404, 404, 404]
        now[0] += timedelta(days=2)
        assert alice.api("GET", at)["expired"]
        assert alice.request("GET", f"{at}/zip").status_code == 410
        assert anybody.get(address).status_code == 404
