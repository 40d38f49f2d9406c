"""Git over smart HTTP on loopback, by `git http-backend`: for the runner's tests and its bench."""

from __future__ import annotations

import gzip
import os
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit


class GitServer(ThreadingHTTPServer):
    """Serves every repository below `root`. `latency` seconds are added to each request, and to each
    connection twice. While `hold` is set, requests wait for `go_on`, and `held` tells that one does."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, root: Path, latency: float = 0.0) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.root = root
        self.latency = latency
        self.private: dict[str, str] = {}
        """Path of a repository to the Authorization header that it asks for."""
        self.sent_to_others = 0
        self.hold = threading.Event()
        self.held = threading.Event()
        self.go_on = threading.Event()
        self.sent = 0
        self.received = 0
        """Bytes of bodies, each way."""
        self.requests = 0
        self.counting = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_COUNT": "4",
            "GIT_CONFIG_KEY_0": "http.receivepack",
            "GIT_CONFIG_VALUE_0": "true",
            "GIT_CONFIG_KEY_1": "uploadpack.allowFilter",
            "GIT_CONFIG_VALUE_1": "true",
            "GIT_CONFIG_KEY_2": "uploadpack.allowAnySHA1InWant",
            "GIT_CONFIG_VALUE_2": "true",
            "GIT_CONFIG_KEY_3": "safe.directory",
            "GIT_CONFIG_VALUE_3": "*",
        }


class Handler(BaseHTTPRequestHandler):
    """One request, handed to `git http-backend` as CGI."""

    server: GitServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        time.sleep(self.server.latency * 2)

    def do_GET(self) -> None:
        self.answer(b"")

    def do_POST(self) -> None:
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = b""
            while size := int(self.rfile.readline().strip() or b"0", 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        with self.server.counting:
            self.server.received += len(body)
        self.answer(gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body)

    def answer(self, body: bytes) -> None:
        time.sleep(self.server.latency)
        if self.server.hold.is_set():
            self.server.held.set()
            self.server.go_on.wait(60)
        authorization = self.headers.get("Authorization", "")
        parts = urlsplit(self.path)
        wanted = next(
            (v for path, v in self.server.private.items() if parts.path.startswith(path + "/")), None
        )
        if wanted is None and authorization:
            self.server.sent_to_others += 1
        if wanted is not None and authorization != wanted:
            self.reply(401, [("WWW-Authenticate", 'Basic realm="git"')], ())
            return
        environment = {
            **self.server.environment(),
            "REQUEST_METHOD": self.command,
            "PATH_INFO": parts.path,
            "QUERY_STRING": parts.query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "REMOTE_USER": "someone",
            "REMOTE_ADDR": "127.0.0.1",
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
        }
        pipe = subprocess.PIPE
        with subprocess.Popen(
            ["git", "http-backend"], stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, env=environment
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            with suppress(BrokenPipeError):  # it answers a bad request before it has read it
                process.stdin.write(body)
                process.stdin.close()
            head = {}
            while line := process.stdout.readline().strip():
                name, _, value = line.decode("latin-1").partition(": ")
                head[name] = value
            status = int(head.pop("Status", "200").split()[0])
            self.reply(status, list(head.items()), iter(lambda: process.stdout.read1(1 << 16), b""))

    def reply(self, status: int, headers: list[tuple[str, str]], content: Iterable[bytes]) -> None:
        """Answers piece by piece, as a server does: the client works on a pack while it comes."""
        with self.server.counting:
            self.server.requests += 1
        self.send_response(status)
        for name, value in [*headers, ("Transfer-Encoding", "chunked")]:
            self.send_header(name, value)
        try:
            self.end_headers()
            for piece in content:
                self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                with self.server.counting:
                    self.server.sent += len(piece)
            self.wfile.write(b"0\r\n\r\n")
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the client was killed

    def log_message(self, *args: object) -> None:
        """Silent."""


@contextmanager
def serving(root: Path, latency: float = 0.0) -> Iterator[GitServer]:
    with GitServer(root, latency) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
