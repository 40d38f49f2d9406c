"""What is said about the channels of a promoted candidate. Markdown; foreign text is escaped here."""

from __future__ import annotations

from collections.abc import Sequence

from patch_app.core import names
from patch_app.core.attempt import Attempt
from patch_app.core.channel import Channel, ChannelState
from patch_app.core.configuration_channels import FOLDER, ChannelName
from patch_app.core.markdown import code, inline


def starting(workflow: str, branch: str) -> str:
    """What the internal channel does."""
    return f"it starts {code(workflow)} on {code(branch)} with the candidate"


def looking(tag: str) -> str:
    """What the public channel does where the candidate has its tag already."""
    return f"the tag {code(tag)} is on the candidate already: what it has started is looked at again"


def releasing(attempt: Attempt, tag: str, starts: Sequence[str], waits: Sequence[str]) -> str:
    """What the public channel does: with all that the tag starts, since each of them may publish."""
    both = ", ".join(code(one.removeprefix(FOLDER)) for one in starts)
    line = f"it puts the tag {code(tag)} on {code(names.short(attempt.candidate))}, which starts {both}"
    if tuple(starts) == tuple(waits):
        return line
    return f"{line}; {', '.join(code(one.removeprefix(FOLDER)) for one in waits)} is waited for"


def offer(attempt: Attempt, lines: Sequence[str]) -> str:
    """The comment after a promotion."""
    listed = "".join(f"\n- {one}" for one in lines)
    return (
        f"{code(attempt.stack)} is the candidate now. It can go on, when somebody asks for it here:\n{listed}"
    )


def ended(attempt: Attempt, channel: Channel) -> str:
    """The comment at a channel's end."""
    who = f"{inline(channel.person)}: " if channel.person else ""
    urls = "".join(f"\n- {run.url}" for run in channel.runs if run.url.startswith(("https://", "http://")))
    match channel.state:
        case ChannelState.DONE if channel.name is ChannelName.PUBLIC:
            return f"{who}{code(channel.tag or '')} is released, with success of what it has started.{urls}"
        case ChannelState.DONE:
            return f"{who}`{channel.name}`: the workflow has succeeded.{urls}"
        case ChannelState.REFUSED:
            return f"{who}`{channel.name}`: nothing was done, since {channel.why}."
        case _:
            again = f"Once that is mended, `/patch promote {channel.name}` "
            if channel.name is ChannelName.PUBLIC:
                again += "looks at the same tag again; a run is started again by GitHub's own button."
            else:
                again += "starts it again."
            return f"{who}`{channel.name}` has failed: {channel.why}. {again}{urls}"
