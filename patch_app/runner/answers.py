"""What a resolver hands back, as one line of text: a job's output that the next job gets by its environment.

It comes out of a job that executed foreign code, so it is data: bounded, read with care, believed nothing.
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from typing import Any, List, NamedTuple, Optional, Sequence, Tuple

from .records import Problem

MAX_TEXT = 100_000
"""Characters: Linux takes at most 131,072 bytes for one variable, GitHub 1 MB for an output of a job."""
MAX_DATA = 10_000_000  # bytes, unpacked
MAX_ANSWERS = 50


class Answer(NamedTuple):
    """What was made of one conflict: that of `patch` with the tree `conflict`, which has the markers.

    Either a `problem`, or the difference from `conflict` to the tree `result` in Git's binary form, with the
    paths that were settled by leaving them as they are.
    """

    patch: str
    conflict: str
    problem: Optional[str] = None
    result: Optional[str] = None
    diff: bytes = b""
    kept: Tuple[bytes, ...] = ()


class Answers(NamedTuple):
    """All answers, and what the resolver said, bounded."""

    answers: Tuple[Answer, ...]
    said: str


def pack(answers: Sequence[Answer], said: str) -> str:
    """The answers on one line. A patch that is too large for it becomes a problem; what was said is cut."""
    kept = list(answers)
    while True:
        line = _packed(kept, said)
        if len(line) <= MAX_TEXT:
            return line
        largest = max(range(len(kept)), key=lambda number: len(kept[number].diff), default=0)
        if kept and kept[largest].diff:
            size = "its patch of %d bytes is too large to be handed on" % len(kept[largest].diff)
            kept[largest] = Answer(kept[largest].patch, kept[largest].conflict, size)
        elif said:
            said = said[: len(said) // 2]
        else:
            return _packed((), "")


def _packed(answers: Sequence[Answer], said: str) -> str:
    data = {
        "schema": 1,
        "said": said,
        "answers": [
            {
                **one._asdict(),
                "diff": one.diff.decode("latin-1"),
                "kept": [path.decode("latin-1") for path in one.kept],
            }
            for one in answers
        ],
    }
    return base64.b64encode(zlib.compress(json.dumps(data).encode("ascii"), 9)).decode("ascii")


def unpack(line: str) -> Answers:
    """The answers out of a line. Raises Problem for anything else."""
    try:
        if len(line) > MAX_TEXT:
            raise ValueError("it is too long")
        unpacker = zlib.decompressobj()
        raw = unpacker.decompress(base64.b64decode(line, validate=True), MAX_DATA)
        if not unpacker.eof:
            raise ValueError("it is cut off or too large")
        data = json.loads(raw)
        if data["schema"] != 1 or not isinstance(data["said"], str) or len(data["answers"]) > MAX_ANSWERS:
            raise ValueError("it is of another form")
        return Answers(tuple(_answer(one) for one in data["answers"]), data["said"][:MAX_TEXT])
    except (binascii.Error, zlib.error, ValueError, KeyError, TypeError, RecursionError) as error:
        raise Problem("resolver", "what the resolver handed back can't be read: %s" % error) from None


def _answer(data: Any) -> Answer:
    patch, conflict, problem, result, diff, kept = (data[name] for name in Answer._fields)
    texts: List[Any] = [patch, conflict, diff, *kept, *(one for one in (problem, result) if one is not None)]
    if not all(isinstance(one, str) for one in texts):
        raise ValueError("it is of another form")
    paths = tuple(path.encode("latin-1") for path in kept)
    # it gets into the report, where a lone surrogate or a control character has no place
    shown = "".join(char if char.isprintable() else " " for char in problem or "")[:500]
    return Answer(patch, conflict, shown or None, result, diff.encode("latin-1"), paths)
