"""The order of version tags: by numbers and by words like `rc`, never by letters.

Understands semver, PEP 440-like and dated tags with any prefix. Refuses to order what has no number.
"""

from __future__ import annotations

import re
from typing import Final, TypeAlias

from patch_app.core.model import Model

# tokens of a version, each comparable with any other: (kind, number or weight, word)
Key: TypeAlias = tuple[tuple[int, ...], tuple[tuple[int, int, str], ...]]

# the end of a version stands between the words that come before a release and all that comes after
_BEFORE_END, _END, _NUMBER, _WORD = 0, 1, 2, 3

_NUMBERS: Final = r"[0-9]{1,30}(?:[._][0-9]{1,30})*"
# where the version begins, the surest sign first: at the start, after a separator, at a dotted number
_BEGINS: Final = (
    re.compile(rf"^[vV]?(?P<numbers>{_NUMBERS})"),
    re.compile(r"(?:^|[-_/@ ])[A-Za-z]?(?P<numbers>[0-9]{1,30}(?:[._][0-9]{1,30})+)"),
    re.compile(r"(?<![0-9])(?P<numbers>[0-9]{1,30}(?:[._][0-9]{1,30})+)"),
    re.compile(rf"[-_/@][vVrR]?(?P<numbers>{_NUMBERS})"),
    re.compile(rf"(?P<numbers>{_NUMBERS})"),
)
_SUFFIX = re.compile(r"[A-Za-z]+|[0-9]{1,30}")
_ALIASES: Final = {"a": "alpha", "b": "beta", "c": "rc", "m": "milestone", "preview": "pre"}
# words for what is not released yet, in their order
_WEIGHTS: Final = {
    "dev": 0,
    "nightly": 0,
    "snapshot": 0,
    "canary": 0,
    "alpha": 2,
    "milestone": 3,
    "beta": 3,
    "next": 4,
    "pre": 4,
    "rc": 4,
}
_UNKNOWN_WEIGHT: Final = 1
# words that say nothing but "released", and those for what comes after a release
_RELEASED: Final = frozenset({"final", "release", "ga", "stable", "lts"})
_LATER: Final = frozenset({"post", "p", "r", "rev", "patch", "sp", "hotfix"})


class Version(Model):
    """What a tag says about its version."""

    # what stands before it, without the `v`: tags of different series have no order
    series: str
    key: Key
    prerelease: bool
    # a word that is not known: it may be a prerelease or a variant of the release
    odd: str | None = None


def version(tag: str) -> Version | None:
    """The tag's version, or None where it has none. Trailing zeros don't count: v1.2 is v1.2.0."""
    start = next((match for begins in _BEGINS if (match := begins.search(tag))), None)
    if start is None:
        return None
    numbers = [int(part) for part in re.split(r"[._]", start["numbers"])]
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    # semver: what follows a plus says nothing about the order
    suffix = tag[start.end("numbers") :].partition("+")[0]
    words = [_ALIASES.get(word.lower(), word.lower()) for word in _words(suffix)]
    first = next((word for word in words if not word.isdigit()), None)
    lead = words[0] if words else ""
    odd = first if first is not None and lead == first and not _known(first) else None
    return Version(
        series=re.sub(r"[-_/@ ]*v?$", "", tag[: start.start("numbers")].lower()),
        key=(tuple(numbers), _suffix_key(words)),
        prerelease=lead in _WEIGHTS or "dev" in words,
        odd=odd,
    )


def bare(tag: str) -> str:
    """The tag without what stands before its version's number; whole where it has none."""
    start = next((match for begins in _BEGINS if (match := begins.search(tag))), None)
    return tag[start.start("numbers") :] if start else tag


def version_key(tag: str) -> Key | None:
    """What tags of one series are sorted by; None for a tag without a version."""
    found = version(tag)
    return found.key if found else None


def newer(a: str, b: str) -> bool:
    """Whether tag `a` is a later version than tag `b`. Tags without an order are not newer."""
    first, second = version(a), version(b)
    return (
        first is not None and second is not None and first.series == second.series and first.key > second.key
    )


def _words(suffix: str) -> list[str]:
    words = [word for word in _SUFFIX.findall(suffix) if word.lower() not in _RELEASED]
    # a lone letter right behind the number is a revision (1.1.1w), not the first alpha or beta
    if len(words) == 1 and re.fullmatch(r"[A-Za-z]", suffix):
        return ["post", str(ord(words[0].lower()) - ord("a") + 1)]
    return words


def _known(word: str) -> bool:
    return word in _WEIGHTS or word in _LATER


def _suffix_key(words: list[str]) -> tuple[tuple[int, int, str], ...]:
    out: list[tuple[int, int, str]] = []
    for word in words:
        if word.isdigit():
            out.append((_NUMBER, int(word), ""))
        elif word == "dev" or (not out and word not in _LATER):
            # semver: after the first identifier a word is more than nothing, and more than a number
            weight = _WEIGHTS.get(word, _UNKNOWN_WEIGHT)
            out.append((_BEFORE_END, weight, word))
        else:
            out.append((_WORD, _WEIGHTS.get(word, _UNKNOWN_WEIGHT), word))
    return (*out, (_END, 0, ""))
