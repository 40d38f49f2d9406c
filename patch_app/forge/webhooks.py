"""Webhooks: who hears what, signed and sent by a thread of their own, recorded as deliveries.

Its job: choose the Apps, sign, send within 10 s, keep the record, and let a test lose, hold, repeat or
reorder deliveries. It refuses to retry: GitHub never redelivers by itself (docs: "Handling failed
webhook deliveries").
"""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx

from patch_app.forge import views
from patch_app.forge.core import Core
from patch_app.forge.state import App, Delivery, Installation, Json, Repository

TIMEOUT = 10.0
CAP = 25 * 1024 * 1024


@dataclass(kw_only=True)
class _Rule:
    """What shall happen to matching deliveries; `left` None: all of them."""

    effect: str
    event: str | None
    action: str | None
    left: int | None
    times: int = 1

    def takes(self, row: Delivery) -> bool:
        if self.left == 0 or self.event not in {None, row.event} or self.action not in {None, row.action}:
            return False
        if self.left is not None:
            self.left -= 1
        return True


class Webhooks:
    """The worker and its controls. All methods may be called from any thread."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._queue: deque[Delivery] = deque()
        self._held: list[Delivery] = []
        self._rules: list[_Rule] = []
        self._busy = False
        self._stopping = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._work, name="forge-webhooks", daemon=True)

    # -- sending -------------------------------------------------------------------------------------------

    def emit(
        self, event: str, repo: Repository, sender: str, payload: Json, *, app_id: int | None = None
    ) -> None:
        """Queue an event of a repository for every App (or that one) that is installed and subscribed."""
        core = self._core
        base = {"repository": views.repository(core, repo), "sender": views.user(core, sender)}
        if core.account(repo.owner).type == "Organization":
            base["organization"] = views.organization(core, repo.owner)
        for row in core.state.installations.values():
            if row.account.lower() != repo.owner.lower() or row.suspended_at is not None:
                continue
            if row.repositories is not None and repo.id not in row.repositories:
                continue
            if app_id not in {None, row.app_id}:
                continue
            self.emit_to(row, event, payload | base, repo)

    def emit_to(self, row: Installation, event: str, payload: Json, repo: Repository | None = None) -> None:
        """Queue an event for one installation. Installation events reach every App without a subscription."""
        app = self._core.state.apps[row.app_id]
        own = event in {"installation", "installation_repositories"}
        if not app.webhook_url or not (own or event in row.events):
            return
        brief = {"id": row.id, "node_id": views.node("Installation", row.id)}
        full = {"installation": views.installation(self._core, row) if own else brief}
        delivery = Delivery(
            id=self._core.state.new_id(),
            guid=str(uuid.uuid4()),
            app_id=app.id,
            event=event,
            action=payload.get("action"),
            installation_id=row.id,
            repository_id=repo.id if repo else None,
            delivered_at=self._core.now(),
            redelivery=False,
            payload=payload | full,
        )
        self._core.state.deliveries[delivery.id] = delivery
        self._enqueue(delivery)

    def redeliver(self, row: Delivery) -> Delivery:
        """Queue a delivery again, with the same guid."""
        with self._core.transaction() as state:
            again = Delivery(
                id=state.new_id(),
                guid=row.guid,
                app_id=row.app_id,
                event=row.event,
                action=row.action,
                installation_id=row.installation_id,
                repository_id=row.repository_id,
                delivered_at=self._core.now(),
                redelivery=True,
                payload=row.payload,
            )
            state.deliveries[again.id] = again
        self._enqueue(again)
        return again

    def _enqueue(self, row: Delivery) -> None:
        with self._changed:
            self._queue.append(row)
            self._changed.notify_all()

    # -- controls ------------------------------------------------------------------------------------------

    def drop(self, event: str | None = None, action: str | None = None, *, times: int | None = 1) -> None:
        """Lose the next `times` matching deliveries, or all (None).

        They are recorded as failed, with status code 0.
        """
        self._add(_Rule(effect="drop", event=event, action=action, left=times))

    def hold(self, event: str | None = None, action: str | None = None, *, times: int | None = None) -> None:
        """Keep matching deliveries back until `release`."""
        self._add(_Rule(effect="hold", event=event, action=action, left=times))

    def repeat(self, event: str | None = None, action: str | None = None, *, times: int = 1) -> None:
        """Send the next matching delivery `times` more, with the same guid, right after the first."""
        self._add(_Rule(effect="repeat", event=event, action=action, left=1, times=times))

    def release(self, order: Callable[[Sequence[Delivery]], Sequence[Delivery]] | None = None) -> int:
        """Send what is held, in the order that `order` gives (e.g. `reversed`); end holding. How many."""
        with self._changed:
            self._rules = [r for r in self._rules if r.effect != "hold"]
            rows = list(order(self._held)) if order else list(self._held)
            self._held = []
            for row in rows:
                row.status = "released"
                self._queue.append(row)
            self._changed.notify_all()
            return len(rows)

    def clear(self) -> None:
        """Forget all drops, holds and repeats that are still to come; held deliveries stay held."""
        with self._changed:
            self._rules = []

    def held(self) -> list[Delivery]:
        """What is kept back, oldest first."""
        with self._changed:
            return list(self._held)

    def deliveries(self, event: str | None = None) -> list[Delivery]:
        """What was sent or lost, oldest first."""
        with self._core.lock:
            rows = list(self._core.state.deliveries.values())
        return [r for r in rows if event in {None, r.event}]

    def _add(self, rule: _Rule) -> None:
        with self._changed:
            self._rules.append(rule)

    # -- the thread ----------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin sending."""
        self._thread.start()

    def stop(self) -> None:
        """End after the delivery that is under way; the rest is lost, as in a GitHub outage."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._thread.join(TIMEOUT + 5)

    def wait_idle(self, timeout: float) -> bool:
        """Block until nothing waits or is under way (held ones don't count). False: time ran out."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._queue and not self._busy, timeout)

    def _work(self) -> None:
        with httpx.Client(timeout=TIMEOUT, trust_env=False) as client:
            while True:
                with self._changed:
                    self._busy = False
                    self._changed.notify_all()
                    self._changed.wait_for(lambda: self._queue or self._stopping)
                    if self._stopping:
                        return
                    row = self._queue.popleft()
                    self._busy = True
                    effects = self._effects(row)
                if effects is not None:
                    self._deliver(client, row, effects)

    def _effects(self, row: Delivery) -> int | None:
        """How many more times to send; None: not now or never."""
        more = 0
        for rule in self._rules:
            if row.status == "released" and rule.effect == "hold":
                continue
            if not rule.takes(row):
                continue
            match rule.effect:
                case "drop":
                    row.status = "failed to connect to host"
                    return None
                case "hold":
                    self._held.append(row)
                    return None
                case _:
                    more += rule.times
        return more

    def _deliver(self, client: httpx.Client, row: Delivery, more: int) -> None:
        with self._core.lock:
            app = self._core.state.apps.get(row.app_id)
        if app is None or not app.webhook_url:
            return
        body = json.dumps(row.payload, separators=(",", ":")).encode()
        row.request_headers = headers_of(app, row, body)
        if len(body) > CAP:
            row.status = "payload too large"
            return
        started = time.monotonic()
        if (urlsplit(app.webhook_url).hostname or "").endswith(".invalid"):
            # a name that never resolves (RFC 6761), so nobody is asked for it
            row.status = "failed to connect to host"
            more = -1
        for _ in range(more + 1):
            try:
                answer = client.post(app.webhook_url, content=body, headers=row.request_headers)
            except httpx.TimeoutException:
                row.status, row.status_code = "timed out", 0
            except httpx.TransportError:
                row.status, row.status_code = "failed to connect to host", 0
            else:
                row.status = (
                    "OK" if answer.status_code < 400 else "Invalid HTTP Response: " + str(answer.status_code)
                )
                row.status_code = answer.status_code
                row.response_headers = dict(answer.headers)
                row.response_body = answer.text[:4096]
        row.duration = round(time.monotonic() - started, 2)
        self._core.dirty.set()


def headers_of(app: App, row: Delivery, body: bytes) -> dict[str, str]:
    """The headers of a delivery (docs: "Webhook events and payloads", delivery headers)."""
    headers = {
        "User-Agent": "GitHub-Hookshot/0000000",
        "Content-Type": "application/json",
        "Accept": "*/*",
        "X-GitHub-Delivery": row.guid,
        "X-GitHub-Event": row.event,
        "X-GitHub-Hook-ID": str(app.id),
        "X-GitHub-Hook-Installation-Target-ID": str(app.id),
        "X-GitHub-Hook-Installation-Target-Type": "integration",
    }
    if app.webhook_secret:
        key = app.webhook_secret.encode()
        headers["X-Hub-Signature"] = "sha1=" + hmac.new(key, body, hashlib.sha1).hexdigest()
        headers["X-Hub-Signature-256"] = "sha256=" + hmac.new(key, body, hashlib.sha256).hexdigest()
    return headers
