"""Git's packet lines, as far as a push report needs them.

Its job: put GitHub's own reasons into the report of a refused push, where git says only `hook declined`. It
refuses to touch a report that it can't read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

FLUSH = b"0000"
BAND = 65515


def encode(data: bytes) -> bytes:
    """One packet line."""
    return f"{len(data) + 4:04x}".encode() + data


def split(data: bytes) -> Iterator[bytes | None]:
    """Packet lines; None is a flush. Errors: ValueError for what isn't packet lines."""
    at = 0
    while at < len(data):
        size = int(data[at : at + 4], 16)
        if size == 0:
            yield None
            at += 4
        elif size < 4 or at + size > len(data):
            raise ValueError("broken packet line")
        else:
            yield data[at + 4 : at + size]
            at += size


def _rewrite(report: bytes, reasons: Mapping[str, str]) -> bytes:
    out = b""
    for line in split(report):
        if line is None:
            out += FLUSH
            continue
        words = line.rstrip(b"\n").split(b" ", 2)
        if words[0] == b"ng" and words[2] == b"hook declined" and words[1].decode() in reasons:
            line = b"ng " + words[1] + b" " + reasons[words[1].decode()].encode() + b"\n"  # noqa: PLW2901
        out += encode(line)
    return out


def with_reasons(answer: bytes, reasons: Mapping[str, str]) -> bytes:
    """The answer of git-receive-pack with `hook declined` replaced by the reasons, by ref.

    The answer may be plain or in side bands; one that can't be read stays as it is.
    """
    try:
        lines = list(split(answer))
        if not any(line is not None and line[:1] in {b"\x01", b"\x02", b"\x03"} for line in lines):
            return _rewrite(answer, reasons)
        report = b"".join(line[1:] for line in lines if line is not None and line[:1] == b"\x01")
        out = b"".join(encode(line) for line in lines if line is not None and line[:1] != b"\x01")
        changed = _rewrite(report, reasons)
    except ValueError:
        return answer
    for at in range(0, len(changed), BAND):
        out += encode(b"\x01" + changed[at : at + BAND])
    return out + FLUSH
