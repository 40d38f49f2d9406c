"""Registers the App from its manifest: the form that a person sends, and the code that comes back.

Permissions are the least that the flow needs. `administration: read` (Actions policy, classic
protection) is left out: rulesets can be read without it, and what can't be read is refused with a
sentence. It refuses to store anything: credentials are handed to the caller.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode

from pydantic import SecretStr

from patch_app.github.client import Client
from patch_app.github.errors import Bug

MANIFEST: Final = "app-manifest.json"
WEBHOOK_PATH: Final = "/webhooks/github"
REDIRECT_PATH: Final = "/setup/callback"
# GitHub wants an address of the Internet even where nobody is to receive anything, and keeps deliveries
# only where it has tried one. Nobody can own a name under .invalid (RFC 2606), so nobody gets them.
UNREACHABLE: Final = "https://patch-app.invalid"
_HERE: Final = Path(__file__).resolve().parent.parent
_CODE: Final = re.compile(r"[A-Za-z0-9_-]{1,200}")


@dataclass(frozen=True, kw_only=True)
class AppCredentials:
    """What GitHub tells once about a new App."""

    id: int
    slug: str
    client_id: str
    client_secret: SecretStr
    # None where the manifest had no active hook
    webhook_secret: SecretStr | None
    private_key: SecretStr
    html_url: str


def manifest(base_url: str, *, name: str | None = None, reachable: bool = True) -> dict[str, Any]:
    """The manifest with this server's addresses in it.

    `base_url`: without a path, as the person's browser sees it. `reachable`: GitHub can deliver webhooks
    there; otherwise they go nowhere, and deliveries are polled.
    """
    for directory in (_HERE, _HERE.parent):
        if (directory / MANIFEST).is_file():
            found: dict[str, Any] = json.loads((directory / MANIFEST).read_text(encoding="utf-8"))
            break
    else:
        raise FileNotFoundError("the App's manifest isn't in the installed package")
    base = base_url.rstrip("/")
    public = base if reachable else UNREACHABLE
    found["url"] = public
    found["hook_attributes"] = {**found["hook_attributes"], "url": public + WEBHOOK_PATH}
    found["redirect_url"] = base + REDIRECT_PATH
    # where a person goes after the installation
    found["setup_url"] = base + "/"
    if not reachable:
        # unlike the redirect, nobody has said that GitHub takes a private address here
        del found["setup_url"]
    if name:
        found["name"] = name
    return found


def registration_url(web_url: str, state: str, *, organization: str | None = None) -> str:
    """Where the form with the field `manifest` is posted to. `state`: a random value, checked on return."""
    owner = f"/organizations/{quote(organization, safe='')}" if organization else ""
    return f"{web_url.rstrip('/')}{owner}/settings/apps/new?{urlencode({'state': state})}"


async def convert_code(client: Client, code: str) -> AppCredentials:
    """The credentials for the `code` that came back within an hour.

    `client`: one without a token. Raises NotFound (used or too old), Later, Refused, Bug.
    """
    if not _CODE.fullmatch(code):
        raise Bug("the code of a manifest has letters and digits only")
    row = await client.post(f"/app-manifests/{code}/conversions")
    try:
        secret = row.get("webhook_secret")
        return AppCredentials(
            id=int(row["id"]),
            slug=str(row["slug"]),
            client_id=str(row["client_id"]),
            client_secret=SecretStr(row["client_secret"]),
            webhook_secret=SecretStr(secret) if secret else None,
            private_key=SecretStr(row["pem"]),
            html_url=str(row["html_url"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        raise Bug("the answer to a manifest's code has not the expected form") from None
