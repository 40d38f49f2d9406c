"""What `patch-app doctor` shows: nothing is called good that was not read, and foreign text stays text."""

from __future__ import annotations

import io

from patch_app import doctor_view
from patch_app.core import doctor
from patch_app.core.findings import Code
from patch_app.core.health import Health, Unread, Upstream
from patch_app.terminal import Terminal
from tests.core.test_doctor import CASES, fork


def shown(health: Health) -> list[str]:
    said = io.StringIO()
    console = Terminal(file=said, width=300)
    doctor_view.show(console, health, doctor.findings(health), "the newest release is v1")
    return said.getvalue().splitlines()


def test_a_healthy_fork_is_three_calm_lines() -> None:
    assert shown(fork()) == [
        "alice/pot: nothing is in the way of an attempt",
        "as it should be: permissions, configuration, workflow and runner, upstream, maintained branches, "
        "rules, secrets, required checks",
        "the newest release is v1",
    ]


def test_a_finding_is_its_sentence_and_its_remedy() -> None:
    lines = shown(CASES[Code.ARCHIVED][0])
    assert lines[0] == "alice/pot: 1 in the way of any attempt"
    assert "blocks archived: the fork is archived." in lines
    assert "       -> un-archive it in its settings" in lines


def test_what_was_not_read_is_not_called_good() -> None:
    why = "Resource not accessible by integration"
    wanted = ["the rules of main", "workflow files of main", "the branch main", "the App's workflow"]
    health = fork(
        missing_permissions=None,
        upstream=Upstream(name="tea/pot"),
        unread=tuple(Unread(what=one, why=why) for one in wanted),
    )
    assert shown(health)[1] == "as it should be: configuration"
    assert not any("as it should be" in line for line in shown(Health(repository="a/b", suspended=True)))


def test_text_of_strangers_moves_nothing_in_the_terminal() -> None:
    health = fork(collisions=("patch-app/\x1b[2J[red]\u202e",), missing_permissions={})
    text = "\n".join(shown(health))
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "[red]" in text
    found = doctor_view.as_data(health, doctor.findings(health), "none")
    assert (found["blocks"], found["findings"][0]["code"]) == (True, "name-collision")
