from __future__ import annotations

import httpx
import pytest
from pydantic import SecretStr

from patch_app.github.bundle import read_bundle
from patch_app.github.errors import Bug, Later, NotFound, RefMoved, Refused, Unknown, WorkflowsRefused
from patch_app.github.pktline import BadLine, demultiplex, pkt, pkts
from patch_app.github.receive_pack import ZERO, PackRefused, _read_report, push, read_refs

ONE, TWO = "refs/patch-app/candidates/x", "refs/patch-app/archive/x"


TOKEN = "ghs_token"


class Story:
    """A fork that has base; a candidate on top of it in a repository of its own."""

    def __init__(self, repository, fork, git_server, clock) -> None:
        self.repository, self.fork, self.server, self.clock = repository, fork, git_server, clock
        self.base = repository.commit("base", file="1\n")
        repository.git("push", "-q", str(fork.path), "HEAD:refs/heads/main")
        self.target = repository.commit("target", file="1\n2\n")
        self.tip = repository.commit("mine", mine="1\n")
        self.url = f"{git_server.url}/fork.git"

    def pack(self, *without: str) -> bytes:
        return bytes(
            read_bundle(
                self.repository.git_bytes("bundle", "create", "-q", "-", "main", *(f"^{w}" for w in without))
            ).pack
        )

    def refs(self) -> dict[str, str]:
        lines = self.fork.git("for-each-ref", "--format=%(refname) %(objectname)").splitlines()
        return dict(line.split() for line in lines)

    async def push(self, *commands, pack=None, token=TOKEN, url=None):
        async with httpx.AsyncClient() as http:
            return await push(http, url or self.url, SecretStr(token), commands, pack, sleep=self.clock.sleep)


@pytest.fixture
def story(repository, fork, git_server, clock) -> Story:
    return Story(repository, fork, git_server, clock)


async def test_a_pack_makes_two_refs_at_once(story):
    result = await story.push((ZERO, story.tip, ONE), (ZERO, story.base, TWO), pack=story.pack(story.base))
    assert result.refs == {ONE: story.tip, TWO: story.base}
    assert not result.already
    assert story.refs() == {"refs/heads/main": story.base, ONE: story.tip, TWO: story.base}


async def test_a_ref_to_what_the_fork_has_needs_no_pack(story):
    await story.push((ZERO, story.base, TWO))
    assert story.refs()[TWO] == story.base


async def test_a_ref_is_deleted_and_another_moved_back(story):
    await story.push((ZERO, story.tip, ONE), (ZERO, story.base, TWO), pack=story.pack(story.base))
    await story.push((story.tip, story.base, ONE), (story.base, ZERO, TWO))
    assert story.refs() == {"refs/heads/main": story.base, ONE: story.base}


async def test_deletes_alone_send_no_pack(story):
    await story.push((ZERO, story.base, TWO))
    await story.push((story.base, ZERO, TWO))
    assert TWO not in story.refs()


async def test_a_wrong_old_value_moves_nothing_and_sends_nothing(story):
    before = story.refs()
    with pytest.raises(RefMoved) as caught:
        await story.push(
            (ZERO, story.tip, ONE), (story.tip, story.tip, "refs/heads/main"), pack=story.pack(story.base)
        )
    assert (caught.value.ref, caught.value.actual) == ("refs/heads/main", story.base)
    assert story.refs() == before
    assert not any(request.startswith("POST") for request in story.server.requests)


async def test_a_ref_that_moves_while_we_push_moves_nothing(story, monkeypatch):
    """The list of refs was right when it was read; the server is the judge."""
    hook = story.fork.path / "hooks" / "pre-receive"
    other = story.repository.git("rev-parse", "HEAD~1")
    story.repository.git("push", "-q", str(story.fork.path), f"{other}:refs/heads/other")
    hook.write_text(f"#!/bin/sh\nunset GIT_QUARANTINE_PATH\ngit update-ref refs/heads/main {other}\n")
    hook.chmod(0o755)
    with pytest.raises(RefMoved) as caught:
        await story.push(
            (ZERO, story.tip, ONE), (story.base, story.tip, "refs/heads/main"), pack=story.pack(story.base)
        )
    assert caught.value.actual == other
    assert ONE not in story.refs()


async def test_a_pack_on_a_commit_that_the_fork_lacks_moves_nothing(story):
    before = story.refs()
    with pytest.raises(PackRefused):
        await story.push((ZERO, story.tip, ONE), pack=story.pack(story.target))
    assert story.refs() == before


async def test_a_ref_to_a_missing_commit_moves_nothing(story):
    before = story.refs()
    with pytest.raises(PackRefused, match="missing necessary objects"):
        await story.push((ZERO, story.base, TWO), (ZERO, story.tip, ONE))
    assert story.refs() == before


async def test_a_push_that_moved_only_a_part_is_completed(story):
    await story.push((ZERO, story.base, TWO))
    await story.push((ZERO, story.tip, ONE), (ZERO, story.base, TWO), pack=story.pack(story.base))
    assert story.refs() == {"refs/heads/main": story.base, ONE: story.tip, TWO: story.base}


async def test_a_damaged_pack_moves_nothing(story):
    pack = bytearray(story.pack(story.base))
    pack[40] ^= 1
    with pytest.raises(PackRefused):
        await story.push((ZERO, story.tip, ONE), pack=bytes(pack))
    assert ONE not in story.refs()


async def test_a_push_whose_answer_is_lost_is_recognised_when_it_is_tried_again(story):
    story.server.lose_answers = 1
    commands = [(ZERO, story.tip, ONE), (ZERO, story.base, TWO)]
    with pytest.raises(Unknown):
        await story.push(*commands, pack=story.pack(story.base))
    assert (await story.push(*commands, pack=story.pack(story.base))).already
    assert sum(request.startswith("POST") for request in story.server.requests) == 1


async def test_a_hook_that_says_no_is_quoted(story):
    hook = story.fork.path / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\necho 'GH013: Repository rule violations' >&2\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(Refused, match="GH013"):
        await story.push((ZERO, story.base, TWO))


async def test_a_hook_that_misses_the_workflows_permission_has_its_own_error(story):
    hook = story.fork.path / "hooks" / "pre-receive"
    hook.write_text(
        "#!/bin/sh\necho 'refusing to allow a GitHub App to create or update workflow"
        " `.github/workflows/a.yml` without `workflows` permission' >&2\nexit 1\n"
    )
    hook.chmod(0o755)
    with pytest.raises(WorkflowsRefused, match=r"a\.yml"):
        await story.push((ZERO, story.base, TWO))


async def test_a_wrong_token_is_a_refusal_that_shows_no_token(story):
    with pytest.raises(Refused, match="401") as caught:
        await story.push((ZERO, story.base, TWO), token="ghs_wrong")
    assert "ghs_wrong" not in repr(caught.value) + str(caught.value)
    assert len(story.clock.slept) == 3


async def test_a_fresh_token_that_is_refused_at_first_is_tried_again(story):
    story.server.refuse = [401, 403]
    await story.push((ZERO, story.base, TWO))
    assert story.refs()[TWO] == story.base


async def test_a_repository_that_is_not_there_is_not_found(story):
    with pytest.raises(NotFound):
        await story.push((ZERO, story.base, TWO), url=f"{story.server.url}/gone.git")


async def test_a_server_in_trouble_is_later(story):
    story.server.refuse = [503]
    with pytest.raises(Later):
        await story.push((ZERO, story.base, TWO))


async def test_a_renamed_repository_is_followed_but_another_host_is_not(story):
    story.server.redirect["old.git"] = "/fork.git"
    await story.push((ZERO, story.base, TWO), url=f"{story.server.url}/old.git")
    assert story.refs()[TWO] == story.base
    story.server.redirect["old.git"] = "http://127.0.0.2:1/fork.git"
    with pytest.raises(Bug, match="redirects"):
        await story.push((ZERO, story.base, ONE), url=f"{story.server.url}/old.git")


async def test_a_server_without_atomic_is_refused(story):
    story.fork.git("config", "receive.advertiseAtomic", "false")
    with pytest.raises(Refused, match="atomically"):
        await story.push((ZERO, story.base, TWO))


async def test_an_empty_fork_can_be_pushed_to(story, tmp_path):
    story.fork.git("init", "-q", "--bare", str(tmp_path / "served" / "new.git"))
    story.fork.git("-C", str(tmp_path / "served" / "new.git"), "config", "http.receivepack", "true")
    url = f"{story.server.url}/new.git"
    await story.push((ZERO, story.tip, ONE), pack=story.pack(), url=url)
    async with httpx.AsyncClient() as http:
        assert await read_refs(http, url, SecretStr("ghs_token")) == {ONE: story.tip}


@pytest.mark.parametrize(
    "commands",
    [
        [],
        [(ZERO, "main", ONE)],
        [(ZERO, "a" * 40, "main")],
        [(ZERO, "a" * 40, "refs/a\nb")],
        [(ZERO, "a" * 40, ONE), (ZERO, "b" * 40, ONE)],
    ],
)
async def test_a_malformed_command_is_our_bug(story, commands):
    with pytest.raises(Bug):
        await story.push(*commands)


@pytest.mark.parametrize(
    "answer",
    [b"", b"zzzz", b"0009ab", pkt(b"\x04odd"), pkt(b"\x01" + pkt(b"unpack ok\n") + b"0000") + b"0000"],
)
def test_a_report_that_is_cut_off_leaves_the_push_unknown(answer):
    assert isinstance(_read_report(answer, True, [ONE]).failure, Unknown)


def test_pkt_lines_are_framed_with_their_length():
    assert pkt(b"a\n") == b"0006a\n"
    assert list(pkts(b"0006a\n0000")) == [b"a\n", None]
    assert demultiplex(pkt(b"\x01ab") + pkt(b"\x02cd") + pkt(b"\x03e")) == (b"ab", b"cde")
    with pytest.raises(BadLine):
        list(pkts(b"0003"))
    with pytest.raises(ValueError, match="too long"):
        pkt(b"x" * 70_000)
