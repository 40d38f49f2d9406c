"""The App's webhook deliveries as GitHub remembers them: to catch up without a public address.

GitHub keeps them for 3 days (7 on Enterprise Server). What is read here carries no signature to check,
and needs none: it is the answer to our own request, with the App's key, over TLS to GitHub's API. It
refuses to decide what is new: the inbox knows deliveries by their guid.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from patch_app.github.client import PAGE, JwtClient
from patch_app.github.errors import Bug
from patch_app.github.transport import next_page, parse

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
    """A delivery with the event itself. `headers`: as they were sent, none where nothing was."""

    delivery: Delivery
    headers: dict[str, str]
    payload: dict[str, Any] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Listing:
    """Deliveries, oldest first. `etag`: of the list as it was, to ask whether it has changed."""

    deliveries: list[Delivery]
    etag: str | None
    # more than the limit: the oldest are left out
    cut: bool


async def deliveries_since(
    client: JwtClient, since: float, *, limit: int = 1000, etag: str | None = None
) -> Listing | None:
    """Deliveries from `since` (unix seconds, less two minutes' overlap) on; None: as when it had `etag`.

    Of more than `limit` the newest: an event is only a hint, and open attempts are looked at anyway.
    Raises Later, Refused, Bug.
    """
    response = await client.changed("/app/hook/deliveries", etag, {"per_page": PAGE})
    if response is None:
        return None
    etag, found = response.headers.get("etag"), list[Delivery]()
    while True:
        rows = parse(response)
        if not isinstance(rows, list):
            raise Bug("GET /app/hook/deliveries: the answer is no listing")
        for row in rows:
            delivery = _delivery(row)
            if delivery.delivered_at < since - OVERLAP:
                return Listing(deliveries=found[::-1], etag=etag, cut=False)
            if len(found) >= limit:
                return Listing(deliveries=found[::-1], etag=etag, cut=True)
            found.append(delivery)
        url = next_page(response)
        if url is None:
            return Listing(deliveries=found[::-1], etag=etag, cut=False)
        response = await client.request("GET", url)


async def read_delivery(client: JwtClient, delivery_id: int) -> FullDelivery:
    """The delivery with its payload. Raises NotFound where GitHub has forgotten it, Later, Refused, Bug."""
    row = await client.get(f"/app/hook/deliveries/{delivery_id}")
    request = row.get("request") if isinstance(row, dict) else None
    if not isinstance(request, dict) or not isinstance(request.get("payload"), dict):
        raise Bug("a hook delivery without a payload")
    headers = request.get("headers")
    return FullDelivery(
        delivery=_delivery(row),
        headers={str(k): str(v) for k, v in headers.items()} if isinstance(headers, dict) else {},
        payload=request["payload"],
    )


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
