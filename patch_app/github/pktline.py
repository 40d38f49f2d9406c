"""Git's pkt-line framing and side bands. It refuses frames that don't add up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

FLUSH: Final = b"0000"
# git help gitprotocol-v2: between a command's capabilities and its arguments
DELIMITER: Final = b"0001"
# git help gitprotocol-common: a line is at most 65520 bytes with its length
_LONGEST: Final = 65516


class BadLine(Exception):  # noqa: N818
    """The bytes are no pkt-lines."""


def pkt(payload: bytes) -> bytes:
    """One line. Raises ValueError where it is too long."""
    if len(payload) > _LONGEST:
        raise ValueError("a pkt-line is too long")
    return b"%04x" % (len(payload) + 4) + payload


def pkts(data: bytes) -> Iterator[bytes | None]:
    """The payloads, None for a flush. Raises BadLine."""
    position = 0
    while position < len(data):
        try:
            length = int(data[position : position + 4].decode("ascii"), 16)
        except ValueError:
            raise BadLine("a line without a length") from None
        if length == 0:
            yield None
            position += 4
            continue
        if length < 4 or position + length > len(data):
            raise BadLine("a line that is cut off")
        yield data[position + 4 : position + length]
        position += length


def demultiplex(data: bytes) -> tuple[bytes, bytes]:
    """Band 1, and bands 2 (progress) and 3 (fatal) together. Raises BadLine."""
    bands = {1: bytearray(), 2: bytearray()}
    for line in pkts(data):
        if line is None:
            break
        if not line or line[0] not in (1, 2, 3):
            raise BadLine("a line of an unknown band")
        bands[min(line[0], 2)] += line[1:]
    return bytes(bands[1]), bytes(bands[2])
