"""Looks at repositories that aren't as one would wish, over HTTP: each has a defined end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from patch_app.core import configuration, names
from patch_app.core.onboarding import Standing
from patch_app.engine.onboarding import Look, Onboarding
from patch_app.forge.core import ForgeOptions
from patch_app.forge.server import Forge
from patch_app.github.client import GitHubApp, GitHubSettings
from patch_app.github.errors import Refused
from patch_app.github.footprint import workflow_file
from patch_app.github.setup import manifest
from tests import keys

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


class Counting(httpx.AsyncHTTPTransport):
    """Counts what is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: Counter[str] = Counter()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.seen[f"{request.method} {request.url.path}"] += 1
        return await super().handle_async_request(request)


class Place:
    """An upstream, some forks of it, and the App on all of them."""

    def __init__(self, forge: Forge) -> None:
        self.forge = forge
        self.alice = forge.add_user("alice")
        for login in ("maker", "bob"):
            forge.add_user(login)
        forge.add_repository("maker/tool")
        forge.commit("maker/tool", "main", {"file": "1\n", "Cargo.toml": ""}, "one")
        forge.publish_release("maker/tool", "v1.0.0")
        wanted = manifest("http://127.0.0.1:9")
        self.app = forge.create_app(
            owner="alice",
            name="patch app",
            webhook_url=None,
            permissions=wanted["default_permissions"],
            events=wanted["default_events"],
        )
        self.transport = Counting()

    def install(self, *repositories: str) -> None:
        self.installation = self.forge.install(self.app, account="alice", repositories=list(repositories))

    async def look(self, repository: str, *, asked: bool = False, configuration: bytes | None = None) -> Look:
        settings = GitHubSettings(
            issuer=str(self.app.id),
            private_key=SecretStr(self.app.pem),
            web_url=self.forge.url,
            api_url=self.forge.api_url,
        )
        self.transport = Counting()
        async with GitHubApp(settings, transport=self.transport) as app:
            part = Onboarding(app=app, app_slug="patch-app", clock=lambda: NOW)
            found = self.forge.repository(repository).id
            return await part.look(self.installation, found, asked=asked, configuration=configuration)

    def file(self, repository: str, ref: str, path: str) -> str:
        git = self.forge.core.git(self.forge.repository(repository))
        return git.text("show", f"{ref}:{path}")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with Forge(tmp_path / "forge", options=ForgeOptions(new_key=keys.key)).running() as forge:
        yield Place(forge)


async def test_repositories_that_nothing_is_offered_to(place: Place) -> None:
    forge = place.forge
    forge.add_repository("alice/own")
    forge.commit("alice/own", "main", {"a": "1"}, "mine")
    forge.add_repository("alice/empty")
    forge.add_fork("maker/tool", "alice/old")
    place.alice.api("PATCH", "/repos/alice/old", {"archived": True})
    place.install("alice/own", "alice/empty", "alice/old")
    assert (await place.look("alice/own")).standing is Standing.NOTHING
    assert (await place.look("alice/empty")).standing is Standing.EMPTY
    assert (await place.look("alice/old", asked=True)).standing is Standing.ARCHIVED
    for name in ("own", "empty", "old"):
        repository = forge.repository(f"alice/{name}")
        assert repository.issues == {}
        refs = forge.core.git(repository).refs()
        assert not [ref for ref in refs if "patch-app" in ref]
    forge.uninstall(place.installation, by="alice")
    with pytest.raises(Refused):
        await place.look("alice/own")


async def test_a_configuration_makes_a_repository_ours_and_stays_as_it_is(place: Place) -> None:
    forge = place.forge
    forge.add_repository("alice/own")
    text = '[upstream]\nrepository = "maker/gone"\n'
    head = forge.commit("alice/own", "main", {names.CONFIGURATION_PATH: text}, "Configure")
    place.install("alice/own")
    found = await place.look("alice/own")
    assert (found.standing, found.pending) == (Standing.OFFER, False)
    git = forge.core.git(forge.repository("alice/own"))
    assert git.text("diff", "--name-only", head, names.INSTALL_BRANCH).split() == [names.WORKFLOW_PATH]
    body = forge.repository("alice/own").issues[1].body or ""
    assert "`maker/gone` could not be read" in body
    assert "There is none, since what it needs could not be read." in body
    again = await place.look("alice/own")
    assert again.standing is Standing.OFFERED
    assert not [one for one in place.transport.seen if one.split()[0] in ("PATCH", "PUT")]


async def test_a_private_fork_with_issues_off_and_many_branches_is_read_in_few_requests(place: Place) -> None:
    forge = place.forge
    forge.add_fork("maker/tool", "alice/tool", issues=False)
    place.alice.api("PATCH", "/repos/alice/tool", {"private": True})
    git = forge.core.git(forge.repository("alice/tool"))
    base = git.text("rev-parse", "refs/heads/main")
    git.run("update-ref", "refs/heads/topic", base)
    patched = forge.commit("alice/tool", "topic", {"file": "2\n"}, "two", by="alice")
    refs = "".join(f"create refs/heads/b/{number} {patched}\n" for number in range(300))
    git.run("update-ref", "--stdin", stdin=refs.encode())
    place.install("alice/tool")
    found = await place.look("alice/tool")
    assert found.standing is Standing.OFFER
    assert sum(place.transport.seen.values()) <= 45, place.transport.seen
    proposed = configuration.parse(place.file("alice/tool", names.INSTALL_BRANCH, names.CONFIGURATION_PATH))
    assert (proposed.stack[0].branch or "").startswith("b/")
    wanted = workflow_file(True).decode().rstrip("\n")
    assert place.file("alice/tool", names.INSTALL_BRANCH, names.WORKFLOW_PATH) == wanted
    assert git.text("rev-parse", "refs/heads/main") == base


async def test_rules_of_the_default_branch_and_a_renamed_repository_are_in_nobodys_way(place: Place) -> None:
    forge = place.forge
    forge.add_fork("maker/tool", "alice/tool")
    forge.set_rules("alice/tool", "main", [{"type": "pull_request", "parameters": {}}, {"type": "update"}])
    place.install("alice/tool")
    place.alice.api("PATCH", "/repos/alice/tool", {"name": "renamed"})
    found = await place.look("alice/renamed")
    assert (found.standing, found.repository) == (Standing.OFFER, "alice/renamed")
    first = forge.core.git(forge.repository("alice/renamed")).refs()
    assert (await place.look("alice/renamed")).standing is Standing.OFFERED
    assert forge.core.git(forge.repository("alice/renamed")).refs() == first


async def test_a_given_configuration_comes_along_and_is_recognised_once_merged(place: Place) -> None:
    forge = place.forge
    forge.add_fork("maker/tool", "alice/tool")
    place.install("alice/tool")
    mine = b'[[check]]\nname = "a"\nrun = "make"\nartifacts = ["dist"]\n'
    found = await place.look("alice/tool", asked=True, configuration=mine)
    assert found.url is not None
    assert place.file("alice/tool", names.INSTALL_BRANCH, names.CONFIGURATION_PATH) == mine.decode().rstrip()
    assert "actions/upload-artifact" in place.file("alice/tool", names.INSTALL_BRANCH, names.WORKFLOW_PATH)
    place.alice.api("PUT", "/repos/alice/tool/pulls/1/merge", {"merge_method": "squash"})
    again = await place.look("alice/tool", asked=True, configuration=mine)
    assert again.standing is Standing.INSTALLED
    # the configuration asks for no artifacts any more: the file follows
    forge.commit("alice/tool", "main", {names.CONFIGURATION_PATH: "# none\n"}, "Less", by="alice")
    assert (await place.look("alice/tool")).standing is Standing.UPDATE
    assert "upload-artifact" not in place.file("alice/tool", names.INSTALL_BRANCH, names.WORKFLOW_PATH)


async def test_a_look_that_was_cut_off_after_each_write_ends_as_one_that_was_not(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    forge = place.forge
    forge.add_fork("maker/tool", "alice/tool")
    place.install("alice/tool")
    real, left = Counting.handle_async_request, 0

    async def cut_off(self: Counting, request: httpx.Request) -> httpx.Response:
        nonlocal left
        answer = await real(self, request)
        if request.method != "GET" and "graphql" not in request.url.path and "access" not in request.url.path:
            left -= 1
            if left == 0:
                raise httpx.ReadError("cut off", request=request)
        return answer

    monkeypatch.setattr(Counting, "handle_async_request", cut_off)
    cuts = 0
    for left in range(1, 12):  # noqa: B007
        try:
            found = await place.look("alice/tool")
        except Exception:  # noqa: BLE001 - whatever it becomes, the next look goes on
            cuts += 1
        else:
            break
    assert cuts > 2
    assert found.standing in (Standing.OFFER, Standing.OFFERED)
    assert [one.state for one in forge.repository("alice/tool").issues.values()] == ["open"]
    assert (await place.look("alice/tool")).standing is Standing.OFFERED
