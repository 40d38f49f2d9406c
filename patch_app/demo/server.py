"""The demo's server, `python -m patch_app.demo.server`: the real one, but its pages ask for no token.

Open to browsers of this machine, since a demo holds nothing of anybody's. It is a program of its own that
`patch-app demo` alone starts; no setting or option opens `patch-app serve`. Refuses to listen elsewhere than
on loopback, and to work for another GitHub than the local one.
"""

from __future__ import annotations

import sys
from typing import Final
from urllib.parse import urlsplit

from starlette.requests import Request

from patch_app import serve
from patch_app.settings import Settings, SettingsError, is_loopback, load
from patch_app.store import StoreError
from patch_app.web.auth import READING, Access, Admin

_NO_DEMO: Final = "the demo's server listens on loopback, for the local GitHub alone: run patch-app serve"


class Opened(Admin):
    """Lets in who asks this machine for this machine, and not through a page of somebody else's."""

    def access(self, request: Request) -> Access:
        """What this request may do."""
        # a foreign name that leads to this machine (DNS rebinding) shows in the Host header
        host = _host(request.headers.get("host", ""))
        if not is_loopback(host):
            return super().access(request)
        return Access.OPEN if request.method in READING or self.own_page(request) else Access.FOREIGN


def demo_settings() -> Settings:
    """The settings. Raises SettingsError for any that are no demo's."""
    settings = load()
    hosts = (
        settings.host,
        *(urlsplit(url).hostname for url in (settings.github_url, settings.github_api_url)),
    )
    if settings.public_url is not None or not all(is_loopback(one or "") for one in hosts):
        raise SettingsError((_NO_DEMO,))
    return settings


def _host(header: str) -> str:
    try:
        return urlsplit(f"//{header}").hostname or ""
    except ValueError:
        return ""


if __name__ == "__main__":
    try:
        sys.exit(serve.serve(demo_settings(), Opened))
    except (SettingsError, StoreError) as error:
        sys.exit(str(error))
