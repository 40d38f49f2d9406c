"""Commands in comments: `/patch NAME [ARGUMENT]` at the start of a line, outside code and quotes.

Reads text alone: who may ask for what, and whether it happens, is decided elsewhere. A command only
asks.
"""

from __future__ import annotations

import difflib
import re
from enum import StrEnum
from typing import Final, TypeAlias

from patch_app.core.configuration_channels import ChannelName
from patch_app.core.model import Model

# more than this in one comment is no conversation
MAX_COMMANDS: Final = 10


class Name(StrEnum):
    """What can be asked for."""

    RETRY = "retry"
    REPLAY = "replay"
    HOLD = "hold"
    RESUME = "resume"
    PROMOTE = "promote"
    TRUST_WORKFLOWS = "trust-workflows"
    GO_BACK = "go-back"
    DROP = "drop"
    ABANDON = "abandon"
    ROLLBACK = "rollback"
    ONBOARD = "onboard"
    CARRY_OVER = "carry-over"
    HELP = "help"


class Command(Model):
    """A command as it was written; a commit is in lower case."""

    name: Name
    # full commit id for trust-workflows and go-back, or its beginning for drop; a full one or a channel for
    # promote;
    # free text for hold and abandon
    argument: str | None = None


class Unknown(Model):
    """A `/patch` line that is no command: what was written, what is wrong, what it may have meant."""

    text: str
    problem: str
    nearest: Name | None = None


Parsed: TypeAlias = Command | Unknown

# what each command does, for `/patch help`, and the argument it takes
USAGE: Final[dict[Name, tuple[str, str]]] = {
    Name.RETRY: ("", "run this attempt again"),
    Name.REPLAY: ("", "carry the same release in a new attempt, from the stack as it is now"),
    Name.HOLD: ("[reason]", "do nothing more until `/patch resume`"),
    Name.RESUME: ("", "go on after a hold"),
    Name.PROMOTE: (
        "[commit|channel]",
        "ask for the promotion of the candidate; the conditions stay the same. Once it is promoted, "
        "`internal` or `public` sends it there",
    ),
    Name.TRUST_WORKFLOWS: ("<commit>", "let this candidate's workflow files run; for admin and maintain"),
    Name.GO_BACK: (
        "<commit>",
        "let go what leaves the branch with this release: commits of upstream that it lacks; the release's "
        "commit",
    ),
    Name.DROP: ("<commit>", "leave a patch out of the stack from the next carry on"),
    Name.ABANDON: ("[reason]", "end this attempt without a promotion"),
    Name.ROLLBACK: ("", "ask for the maintained branch's old head back"),
    Name.ONBOARD: ("", "on the installation pull request: open it again, or make it anew"),
    Name.CARRY_OVER: (
        "",
        "on your own pull request onto a maintained branch: put its commits onto what was promoted",
    ),
    Name.HELP: ("", "this list"),
}
_TAKES_COMMIT: Final = frozenset({Name.TRUST_WORKFLOWS, Name.GO_BACK, Name.DROP, Name.PROMOTE})
_FULL_COMMIT: Final = frozenset({Name.TRUST_WORKFLOWS, Name.GO_BACK, Name.PROMOTE})
_TAKES_TEXT: Final = frozenset({Name.HOLD, Name.ABANDON})
_MAX_TEXT: Final = 200

# Markdown takes a fence after up to three spaces; four make a block of code
_FENCE = re.compile(r" {0,3}(`{3,}(?=[^`]*$)|~{3,})")
_COMMAND = re.compile(r"/patch(?=\s|$)\s*(.*)")


def parse(text: str) -> tuple[Parsed, ...]:
    """The commands of a comment in their order, each once; at most MAX_COMMANDS."""
    out: list[Parsed] = []
    for one in _plain_lines(text):
        match = _COMMAND.fullmatch(one.rstrip())
        if match is not None and (found := _command(match[1])) not in out:
            out.append(found)
    return tuple(out[:MAX_COMMANDS])


def usage() -> str:
    """All commands as a Markdown list."""
    return "".join(
        f"- `/patch {name}{' ' + argument if argument else ''}`: {meaning}\n"
        for name, (argument, meaning) in USAGE.items()
    )


def _plain_lines(text: str) -> list[str]:
    """Lines outside fences and HTML comments. Quotes and indented code don't start with a slash."""
    out = []
    fence = ""
    # an HTML comment is what people don't see: templates and hidden text ask for nothing
    for one in re.sub(r"<!--.*?(?:-->|\Z)", _blank, text, flags=re.DOTALL).split("\n"):
        match = _FENCE.match(one)
        if fence:
            if match and match[1][0] == fence[0] and len(match[1]) >= len(fence) and one.strip() == match[1]:
                fence = ""
        elif match:
            fence = match[1]
        else:
            out.append(one)
    return out


def _blank(match: re.Match[str]) -> str:
    # a space, so that `<!-- -->/patch` does not come to stand at the start of a line
    return " " + "\n " * match[0].count("\n")


def _command(written: str) -> Parsed:
    word, _, rest = written.partition(" ")
    rest = " ".join(rest.split())
    shown = written[:_MAX_TEXT]
    try:
        name = Name(word.lower())
    except ValueError:
        near = difflib.get_close_matches(word.lower()[:40], list(Name), n=1, cutoff=0.5)
        problem = "there is no such command" if word else "the command's name is missing"
        return Unknown(text=shown, problem=problem, nearest=Name(near[0]) if near else None)
    if (wrong := _problem(name, rest)) is not None:
        return Unknown(text=shown, problem=wrong, nearest=name)
    return Command(name=name, argument=(rest.lower() if name in _TAKES_COMMIT else rest) or None)


def _problem(name: Name, rest: str) -> str | None:
    if name in _TAKES_COMMIT:
        if not rest and name is not Name.PROMOTE:
            return "it needs a commit id"
        if name is Name.PROMOTE and rest.lower() in list(ChannelName):
            return None
        # what may run secrets or move a branch is said in full, so that nothing else can match it
        pattern = r"(?:[0-9a-fA-F]{40}|[0-9a-fA-F]{64})" if name in _FULL_COMMIT else r"[0-9a-fA-F]{7,64}"
        if rest and not re.fullmatch(pattern, rest):
            channel = " or a channel: " + ", ".join(ChannelName) if name is Name.PROMOTE else ""
            return f"it needs a {'full ' if name in _FULL_COMMIT else ''}commit id{channel}"
        return None
    if name in _TAKES_TEXT:
        return f"a reason has at most {_MAX_TEXT} characters" if len(rest) > _MAX_TEXT else None
    return "it takes no argument" if rest else None
