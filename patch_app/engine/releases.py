"""What is recorded of channels: history, and the event of a release in the step in which it has succeeded."""

from __future__ import annotations

from datetime import datetime

from patch_app.core import names
from patch_app.core.attempt import Attempt
from patch_app.core.channel import ChannelState
from patch_app.core.configuration_channels import ChannelName
from patch_app.core.events import DOWNSTREAM_RELEASE
from patch_app.store.flow_events import FlowEvent


def released(before: Attempt, after: Attempt, now: datetime) -> tuple[FlowEvent, ...]:
    """`downstream.release` for what this step has brought to its end."""
    known = {one.name for one in before.channels if one.state is ChannelState.DONE}
    return tuple(
        FlowEvent(
            id=names.release_id(after.repository_id, channel.tag),
            type=DOWNSTREAM_RELEASE,
            upstream=after.upstream,
            tag=channel.tag,
            payload={
                "repository": after.repository,
                "stack": after.stack,
                "tag": channel.tag,
                "commit": after.candidate,
                "upstream": after.upstream,
                "upstream_tag": after.tag,
                "upstream_event": after.event,
                "attempt": after.id,
                "asked_by": channel.person,
                "runs": [run.model_dump(mode="json") for run in channel.runs],
            },
            received=now,
            source="release workflow",
        )
        for channel in after.channels
        if channel.name is ChannelName.PUBLIC and channel.name not in known
        if channel.state is ChannelState.DONE and channel.tag
    )


def lines(before: Attempt, after: Attempt) -> list[str]:
    """What the history says of the channels."""
    known = {one.name: (one.state, one.ask) for one in before.channels}
    return [
        "".join((f"channel {one.name}: {one.state}", tag and f" ({tag})", one.why and f": {one.why}"))
        for one in after.channels
        for tag in (one.tag or "",)
        if known.get(one.name) != (one.state, one.ask)
    ]
