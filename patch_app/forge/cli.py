"""`patch-app forge`: serve the local GitHub alone, for anybody who develops a GitHub App without GitHub.

Its job: start it on a port and a folder, say how to begin, end on Ctrl-C. It refuses to show a token
twice: they are kept as hashes only.
"""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from types import FrameType

from patch_app.forge.server import Forge
from patch_app.terminal import Terminal

FIRST = "octocat"


def serve_forge(port: int, data: Path, console: Terminal | None = None) -> int:
    """Serve until SIGINT or SIGTERM; the exit status. Errors: OSError when the port is taken."""
    out = console or Terminal()
    stop = threading.Event()

    def ask(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, ask)
    forge = Forge(data)
    with forge.running(port=port):
        out.print(f"A local GitHub is at {forge.url} (data in {data})")
        out.print(f"REST {forge.api_url}   GraphQL {forge.url}/api/graphql   Git {forge.url}/OWNER/NAME.git")
        if FIRST not in forge.core.state.accounts:
            person = forge.add_user(FIRST)
            # not wrapped: it is there to be copied
            out.print(f"First person: {FIRST}. Token, shown this once:")
            out.print(person.token, soft_wrap=True)
        out.print("To begin:")
        for line in _steps(forge.api_url, forge.url):
            out.print("  " + line, soft_wrap=True)
        stop.wait()
    return 0


def _steps(api: str, url: str) -> tuple[str, ...]:
    return (
        f"curl -H 'Authorization: Bearer TOKEN' -d '{{\"name\": \"tool\"}}' {api}/user/repos",
        f"git push http://{FIRST}:TOKEN@{url.removeprefix('http://')}/{FIRST}/tool.git main",
        f"register an App: post the form field `manifest` to {url}/settings/apps/new",
        f"install it: {url}/apps/SLUG/installations/new",
    )
