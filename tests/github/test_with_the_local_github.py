"""The whole layer over real HTTP: tokens, REST, GraphQL, push, installation, deliveries, releases."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import pytest
from pydantic import SecretStr

from patch_app.core import names
from patch_app.core.effects import Annotation, Hide, PutCheckRun
from patch_app.forge import Forge, ForgeOptions, Mood
from patch_app.forge.apps import CreatedApp
from patch_app.github.client import GitHubApp, GitHubSettings
from patch_app.github.deliveries import deliveries_since, read_delivery, redeliver
from patch_app.github.errors import Later, RefMoved, Refused, Unknown
from patch_app.github.footprint import runner_commit
from patch_app.github.install import store_runner
from patch_app.github.ls_refs import ls_refs
from patch_app.github.reading import ref
from patch_app.github.receive_pack import ZERO, push
from patch_app.github.setup import manifest
from patch_app.github.speaking import hide, put_check_run
from patch_app.upstream.poller import new_releases
from patch_app.upstream.releases import read_releases, read_releases_rest, read_tags

READ = {"contents": "read"}


@dataclass
class Place:
    forge: Forge
    app: CreatedApp
    installation: int
    repository_id: int
    head: str

    def github(self, sleep=asyncio.sleep) -> GitHubApp:
        return GitHubApp(
            GitHubSettings(
                issuer=str(self.app.id),
                private_key=SecretStr(self.app.pem),
                web_url=self.forge.url,
                api_url=self.forge.api_url,
            ),
            sleep=sleep,
        )


@pytest.fixture
def place(tmp_path, request) -> Iterator[Place]:
    options = ForgeOptions(**getattr(request, "param", {}))
    wanted = manifest("http://127.0.0.1:9")
    with Forge(tmp_path / "forge", options=options).running() as forge:
        forge.add_user("alice")
        forge.add_user("maker")
        forge.add_repository("maker/tool")
        forge.commit("maker/tool", "main", {"file": "1\n"}, "one")
        fork = forge.add_fork("maker/tool", "alice/tool", issues=True)
        head = forge.commit("alice/tool", "main", {"mine": "1\n"}, "mine")
        app = forge.create_app(
            owner="alice",
            name="patch app",
            webhook_url=None,
            permissions=wanted["default_permissions"],
            events=wanted["default_events"],
        )
        installation = forge.install(app, account="alice", repositories=["alice/tool"])
        yield Place(forge, app, installation, fork.id, head)


async def test_refs_are_pushed_from_their_expected_values_or_not_at_all(place):
    async with place.github() as github:
        writer = await github.installation(place.installation, place.repository_id, {"contents": "write"})
        url, archive = github.git_url("alice/tool"), names.archive_ref("abc12345")
        done = await push(github.http, url, await writer.token(), [(ZERO, place.head, archive)])
        assert not done.already
        commands = [(ZERO, place.head, names.candidate_ref("abc12345")), (ZERO, "a" * 40, archive)]
        with pytest.raises(RefMoved):
            await push(github.http, url, await writer.token(), commands)
        refs = await writer.get("/repos/alice/tool/git/matching-refs/patch-app/")
        assert [row["ref"] for row in refs] == [archive]
        reader = await github.installation(place.installation, place.repository_id, READ)
        with pytest.raises(Refused):
            await push(github.http, url, await reader.token(), [(place.head, ZERO, archive)], sleep=_at_once)


async def _at_once(seconds: float) -> None:
    """No wait: the refusal is for good here."""


async def test_a_read_token_cannot_write_and_a_revoked_one_is_replaced(place):
    async with place.github() as github:
        client = await github.installation(place.installation, place.repository_id, READ)
        assert (await client.get("/repos/alice/tool"))["id"] == place.repository_id
        with pytest.raises(Refused) as caught:
            await client.post("/repos/alice/tool/git/refs", {"ref": "refs/heads/x", "sha": place.head})
        assert caught.value.status == 403
        await client.revoke()
        assert (await client.get("/repos/alice/tool"))["id"] == place.repository_id


async def test_releases_are_read_in_one_query_and_the_new_one_is_told_once(place):
    place.forge.publish_release("maker/tool", "v1")
    async with place.github() as github:
        client = await github.installation(place.installation, place.repository_id, READ)
        first, missing = await read_releases(client, ["maker/tool", "maker/gone"])
        assert missing.problem
        cursor = new_releases(None, first.releases).cursor
        place.forge.publish_release("maker/tool", "v2")
        (second,) = await read_releases(client, ["maker/tool"])
        poll = new_releases(cursor, second.releases)
        assert [release.tag for release in poll.events] == ["v2"]
        assert poll.events[0].tag_commit is not None
        assert new_releases(poll.cursor, second.releases).events == ()
        rest = await read_releases_rest(client, "maker/tool")
        assert {release.tag for release in rest.releases} == {"v1", "v2"}
        assert {release.tag for release in (await read_tags(client, "maker/tool")).releases} == {"v1", "v2"}


async def test_lost_deliveries_are_read_and_asked_for_again(place):
    place.forge.set_webhook_url(place.app, "http://127.0.0.1:9/webhooks/github")
    place.forge.commit("alice/tool", "main", {"mine": "2\n"}, "more")
    place.forge.settle()
    async with place.github() as github:
        client = github.jwt_client()
        listing = await deliveries_since(client, 0)
        assert listing is not None
        found = [d for d in listing.deliveries if d.event == "push"]
        assert [d.succeeded for d in found] == [False]
        full = await read_delivery(client, found[0].id)
        assert json.dumps(full.payload["ref"]) == '"refs/heads/main"'
        await redeliver(client, found[0].id)
        place.forge.settle()
        listing = await deliveries_since(client, 0)
        assert listing is not None
        again = [d for d in listing.deliveries if d.event == "push"]
        assert len(again) == 2
        assert {d.guid for d in again} == {found[0].guid}


@pytest.mark.parametrize("place", [{"fresh_refusals": 2}], indirect=True)
async def test_a_token_that_parts_of_github_do_not_know_yet(place):
    async with place.github(sleep=_at_once) as github:
        reader = await github.installation(place.installation, place.repository_id, READ)
        url = github.git_url("alice/tool")
        heads = await reader.git(
            lambda token, sleep: ls_refs(github.http, url, token, ["refs/heads/"], sleep=sleep)
        )
        assert heads == {"refs/heads/main": place.head}
        writer = await github.installation(place.installation, place.repository_id, {"issues": "write"})
        made = await writer.post("/repos/alice/tool/issues", {"title": "x"})
        assert [one["id"] for one in await writer.get("/repos/alice/tool/issues")] == [made["id"]]
        other = await github.installation(place.installation, place.repository_id, {"metadata": "read"})
        assert (await other.graphql("query { rateLimit { cost } }")).data == {"rateLimit": {"cost": 1}}


async def test_limits_and_pages_of_html_are_for_later_and_a_lost_write_is_unknown(place):
    moods = place.forge.moods
    async with place.github() as github:
        client = await github.installation(place.installation, place.repository_id, {"issues": "write"})
        for mood, wait in ((Mood.SECONDARY, 60.0), (Mood.TOO_MANY, 60.0), (Mood.BROKEN, None)):
            moods.next(mood, "/issues", times=2)
            with pytest.raises(Later) as told:
                await client.get("/repos/alice/tool/issues")
            assert told.value.retry_after == wait
            with pytest.raises(Later):
                await client.post("/repos/alice/tool/issues", {"title": mood})
            moods.next(mood, "graphql")
            with pytest.raises(Later):
                await client.graphql("query { rateLimit { cost } }")
        assert await client.get("/repos/alice/tool/issues") == []
        moods.next(Mood.LOST, "POST .*/issues")
        with pytest.raises(Unknown):
            await client.post("/repos/alice/tool/issues", {"title": "once"})
        assert [one["title"] for one in await client.get("/repos/alice/tool/issues")] == ["once"]


@pytest.mark.parametrize("place", [{"list_lag": 5.0}], indirect=True)
async def test_what_was_made_is_there_at_once_and_in_lists_only_seconds_later(place):
    now = [place.forge.core.now()]
    place.forge.moods.clock = lambda: now[0]
    async with place.github() as github:
        client = await github.installation(place.installation, place.repository_id, {"issues": "write"})
        made = await client.post("/repos/alice/tool/issues", {"title": "x"})
        assert (await client.get(f"/repos/alice/tool/issues/{made['number']}"))["id"] == made["id"]
        assert await client.get("/repos/alice/tool/issues") == []
        now[0] += timedelta(seconds=5)
        assert [one["id"] for one in await client.get("/repos/alice/tool/issues")] == [made["id"]]


@pytest.mark.parametrize("place", [{"custom_refs": False}], indirect=True)
async def test_a_server_that_takes_branches_and_tags_alone_gets_the_runner_as_a_branch(place):
    branch = names.as_branch(names.RUNNER_REF)
    async with place.github() as github:
        writer = await github.installation(
            place.installation, place.repository_id, {"contents": "write", "workflows": "write"}
        )
        for _ in range(2):
            await store_runner(github, writer, "alice/tool")
            assert await ref(writer, "alice/tool", branch) == runner_commit()[0]
            assert await ref(writer, "alice/tool", names.RUNNER_REF) == ZERO
        body = {"ref": names.target_ref("abc12345"), "sha": place.head}
        with pytest.raises(Refused) as told:
            await writer.post("/repos/alice/tool/git/refs", body)
        assert told.value.status == 422
        # a person's branch of that name is nothing that an installation may overwrite
        body = {"sha": place.head, "force": True}
        place.forge.person("alice").api("PATCH", f"/repos/alice/tool/git/{branch}", body)
        with pytest.raises(Refused, match="patch-app/runner exists and isn't the App's: rename or delete it"):
            await store_runner(github, writer, "alice/tool")
        assert await ref(writer, "alice/tool", branch) == place.head


async def test_annotations_are_sent_once_whatever_became_of_the_answer(place):
    async with place.github() as github:
        client = await github.installation(place.installation, place.repository_id, {"checks": "write"})
        wish = PutCheckRun(
            name="patch-app / main",
            commit=place.head,
            external_id="attempt00001",
            status="completed",
            conclusion="action_required",
            title="a conflict",
            summary="x",
            annotations=(
                Annotation(path="mine", start_line=1, end_line=1, title="contents", message="here"),
            ),
        )
        made = await put_check_run(client, "alice/tool", place.app.slug, wish, again=False)
        # the answer was lost; then the run is brought up to date
        lost = await put_check_run(client, "alice/tool", place.app.slug, wish, again=True)
        later = wish.model_copy(update={"number": made["id"], "annotations": (), "title": "again", "seq": 1})
        await put_check_run(client, "alice/tool", place.app.slug, later, again=False)
        assert lost["id"] == made["id"]
        told = await client.get(f"/repos/alice/tool/check-runs/{made['id']}/annotations")
        assert [(one["path"], one["message"], one["annotation_level"]) for one in told] == [
            ("mine", "here", "failure")
        ]


async def test_a_comment_is_folded_once_and_one_that_is_gone_is_refused(place):
    alice = place.forge.person("alice")
    alice.api("PATCH", "/repos/alice/tool", {"has_issues": True})
    issue = alice.api("POST", "/repos/alice/tool/issues", {"title": "x"})["number"]
    comment = alice.api("POST", f"/repos/alice/tool/issues/{issue}/comments", {"body": "news"})
    async with place.github() as github:
        client = await github.installation(place.installation, place.repository_id, {"issues": "write"})
        for _ in range(2):
            await hide(client, Hide(comment=comment["node_id"]))
        asked = "query($id: ID!) { node(id: $id) { ... on IssueComment { isMinimized minimizedReason } } }"
        shown = (await client.graphql(asked, {"id": comment["node_id"]})).need()
        assert shown == {"node": {"isMinimized": True, "minimizedReason": "outdated"}}
        reader = await github.installation(place.installation, place.repository_id, {"issues": "read"})
        other = alice.api("POST", f"/repos/alice/tool/issues/{issue}/comments", {"body": "more"})
        with pytest.raises(Refused):
            await hide(reader, Hide(comment=other["node_id"]))
        alice.api("DELETE", f"/repos/alice/tool/issues/comments/{other['id']}")
        with pytest.raises(Refused):
            await hide(client, Hide(comment=other["node_id"]))
