"""The server behind a real nginx, with its default and with what the guide says: closed, and all works."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from patch_app.demo.process import ServerProcess, free_port
from tests import keys

from .conftest import SECRET
from .test_api import CLOSED_PATHS
from .test_webhook import BODY, PATH, body_of, headers

GUIDE = Path(__file__).parents[2] / "docs/guides/run-the-server.md"
HTML = {"accept": "text/html"}
DEFAULT = "server { listen 127.0.0.1:%d; location / { proxy_pass http://127.0.0.1:3000; } }"
# `user`: where root runs this, its workers have to get at the test's folder
AROUND = """daemon off; pid {folder}/pid; error_log {folder}/error.log; {user}
events {{}}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f;
    uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    {servers}
}}
"""


@pytest.fixture(autouse=True)
def _nginx() -> None:
    if shutil.which("nginx") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("nginx is missing: .ci/run installs Debian's nginx-light")
        pytest.skip("nginx is missing: on Debian, apt-get install nginx-light")


@dataclass
class Proxied:
    server: ServerProcess
    client: httpx.Client
    documented: bool

    def address(self) -> str:
        """The one in the log, as it is reached through the proxy."""
        said = [json.loads(line) for line in self.server.log.read_text().splitlines()]
        [url] = [one["url"] for one in said if one["event"] == "the pages, for one browser"]
        return str(
            httpx.URL(url).copy_with(scheme=self.client.base_url.scheme, port=self.client.base_url.port)
        )


def certificate(folder: Path) -> Path:
    """A certificate for localhost with its key, in two files."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    key, now = keys.key(), datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(Encoding.PEM))
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "cert.key").write_bytes(pem)
    return folder / "cert.pem"


def servers(folder: Path, documented: bool, outside: int, inside: int) -> str:
    if not documented:
        return (DEFAULT % outside).replace("3000", str(inside))
    [text] = re.findall(r"```nginx\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    certificate(folder)
    for said, here in (
        ("listen 443 ssl", f"listen 127.0.0.1:{outside} ssl"),
        ("/etc/ssl/patch.example.org", f"{folder}/cert"),
        ("127.0.0.1:3000", f"127.0.0.1:{inside}"),
    ):
        assert said in text
        text = text.replace(said, here)
    return text


@contextmanager
def proxied(folder: Path, documented: bool, **settings: str) -> Iterator[Proxied]:
    inside, outside = free_port(), free_port()
    url = f"https://localhost:{outside}" if documented else f"http://127.0.0.1:{outside}"
    given = {"DATA_DIR": str(folder / "data"), "GITHUB_URL": "http://127.0.0.1:9", **settings}
    if documented:
        given["PUBLIC_URL"] = url
    user = "user root;" if os.geteuid() == 0 else ""
    written = servers(folder, documented, outside, inside)
    (folder / "nginx.conf").write_text(AROUND.format(folder=folder, user=user, servers=written))
    program = (sys.executable, "-m", "patch_app", "serve")
    command = ["nginx", "-p", str(folder), "-e", f"{folder}/error.log", "-c", f"{folder}/nginx.conf"]
    verify = ssl.create_default_context(cafile=folder / "cert.pem") if documented else True
    with ServerProcess(inside, given, folder / "server.log", program) as server:
        nginx = subprocess.Popen(command)
        try:
            _listening(nginx, outside, folder / "error.log")
            with httpx.Client(base_url=url, verify=verify, trust_env=False, timeout=20) as client:
                yield Proxied(server, client, documented)
        finally:
            nginx.send_signal(signal.SIGTERM)
            nginx.wait(20)


def _listening(nginx: subprocess.Popen[bytes], port: int, log: Path) -> None:
    end = time.monotonic() + 20
    while time.monotonic() < end and nginx.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    pytest.fail(f"nginx did not start: {log.read_text()}")


@pytest.mark.parametrize("documented", [False, True], ids=["default", "documented"])
def test_server_behind_nginx_is_closed_and_opens_by_token_and_ticket(
    tmp_path: Path, documented: bool
) -> None:
    app = {"GITHUB_APP_ID": "5", "GITHUB_APP_PRIVATE_KEY": keys.pem(), "GITHUB_WEBHOOK_SECRET": SECRET}
    with proxied(tmp_path, documented, **app) as it:
        client, forged = it.client, {"x-forwarded-for": "127.0.0.1", "x-real-ip": "127.0.0.1"}
        for said in ({}, forged, {"host": "127.0.0.1"}, {"host": "localhost"}, {"authorization": "Bearer x"}):
            assert {client.get(path, headers=said).status_code for path in CLOSED_PATHS} == {401}
        assert client.get("/", headers=HTML).headers["location"] == "/login?next=/"
        assert client.get("/healthz").json() == {"status": "ok"}

        assert client.get("/maintenance-attempts", headers=it.server.token()).status_code == 200
        with client.stream("GET", "/stream", headers=it.server.token()) as answer:
            # the stream goes on: what is read has come through by itself
            lines = answer.iter_lines()
            assert [next(lines) for _ in range(3)] == ["retry: 2000", "", "event: change"]

        address = it.address()
        entered = client.get(address)
        assert (entered.status_code, entered.headers["location"]) == (303, "/")
        cookie = entered.headers["set-cookie"].lower()
        assert ("httponly" in cookie, "samesite=lax" in cookie) == (True, True)
        assert ("secure" in cookie) is documented
        assert client.get("/", headers=HTML).status_code == 200
        own = {"origin": str(client.base_url).rstrip("/"), "sec-fetch-site": "same-origin"}
        assert client.post("/attempts/x/sync", headers=own).status_code == 404
        assert client.post("/attempts/x/sync", headers={"origin": "https://evil.example"}).status_code == 403
        client.cookies.clear()
        assert client.get(address).status_code == 401, "the ticket served twice"

        _deliver(client, documented)


def _deliver(client: httpx.Client, documented: bool) -> None:
    assert client.post(PATH, content=BODY, headers=headers()).json()["status"] == "accepted"
    assert client.post(PATH, content=BODY + b" ", headers=headers()).status_code == 401
    large = body_of(5_000_000)
    answer = client.post(PATH, content=large, headers=headers(large, key="d-2"))
    # nginx itself takes no more than 1 MB where nothing is said
    assert answer.status_code == (202 if documented else 413)


@pytest.mark.parametrize("documented", [False, True], ids=["default", "documented"])
def test_app_is_registered_behind_nginx_and_github_is_told_the_public_address(
    tmp_path: Path, documented: bool
) -> None:
    with proxied(tmp_path, documented) as it:
        client = it.client
        said = [json.loads(line) for line in it.server.log.read_text().splitlines()]
        [code] = [one["code"] for one in said if one["event"] == "setup: no App yet"]
        public = str(client.base_url).rstrip("/")
        # what a browser on the internet would send through the default
        origin = public if documented else "https://patch.example.org"
        entered = client.post("/setup", data={"code": code}, headers={"origin": origin})
        if not documented:
            assert entered.status_code == 400
            assert "Set PUBLIC_URL" in entered.text
            return
        assert (entered.status_code, entered.headers["location"]) == (303, "/setup")
        page = client.get("/setup").text
        found = re.search(r'name="manifest" value="([^"]+)"', page)
        assert found is not None
        manifest: dict[str, Any] = json.loads(html.unescape(found[1]))
        assert manifest["redirect_url"] == f"{public}/setup/callback"
        assert manifest["hook_attributes"]["url"] == f"{public}/webhooks/github"
