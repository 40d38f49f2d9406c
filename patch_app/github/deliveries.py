"""The App's webhook deliveries as GitHub remembers them: to catch up without a public address.

GitHub keeps them for 3 days (7 on Enterprise Server). It refuses to decide what is new: the inbox
knows deliveries by their guid.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from patch_app.github.client import JwtClient
from patch_app.github.errors import Bug

# Listings lag behind; what is read twice is recognised by its guid.
OVERLAP: Final = 120.0


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One attempt to deliver an event. `guid` is the X-GitHub-Delivery header; a redelivery keeps it."""

    id: int
    guid: str
    event: str
    action: str | None
    # unix seconds
    delivered_at: float
    redelivery: bool
    # what our server answered, 0 for none
    status_code: int
    installation_id: int | None
    repository_id: int | None

    @property
    def succeeded(self) -> bool:
        """Whether our server took it."""
        return 200 <= self.status_code < 300


@dataclass(frozen=True, kw_only=True)
class FullDelivery:
    """A delivery with the event itself."""

    delivery: Delivery
    payload: dict[str, Any] = field(repr=False)


async def deliveries_since(client: JwtClient, since: float, *, limit: int = 1000) -> list[Delivery]:
    """Deliveries from `since` (unix seconds, less two minutes' overlap) on, oldest first.

    Of more than `limit` the newest: an event is only a hint, and open attempts are looked at anyway.
    Raises Later, Refused, Bug.
    """
    found: list[Delivery] = []
    async for row in client.each("/app/hook/deliveries"):
        delivery = _delivery(row)
        if delivery.delivered_at < since - OVERLAP or len(found) >= limit:
            break
        found.append(delivery)
    return found[::-1]


async def read_delivery(client: JwtClient, delivery_id: int) -> FullDelivery:
    """The delivery with its payload. Raises NotFound where GitHub has forgotten it, Later, Refused, Bug."""
    row = await client.get(f"/app/hook/deliveries/{delivery_id}")
    payload = (row.get("request") or {}).get("payload")
    if not isinstance(payload, dict):
        raise Bug("a hook delivery without a payload")
    return FullDelivery(delivery=_delivery(row), payload=payload)


async def redeliver(client: JwtClient, delivery_id: int) -> None:
    """Ask GitHub to deliver it again, with the same guid. Raises Later, Unknown, Refused, Bug."""
    await client.post(f"/app/hook/deliveries/{delivery_id}/attempts")


def _delivery(row: Any) -> Delivery:
    try:
        return Delivery(
            id=int(row["id"]),
            guid=str(row["guid"]),
            event=str(row["event"]),
            action=row.get("action"),
            delivered_at=datetime.fromisoformat(str(row["delivered_at"]).replace("Z", "+00:00")).timestamp(),
            redelivery=bool(row.get("redelivery")),
            status_code=int(row.get("status_code") or 0),
            installation_id=row.get("installation_id"),
            repository_id=row.get("repository_id"),
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        raise Bug("a hook delivery has not the expected form") from None
