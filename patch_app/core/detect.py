"""What a fork's configuration most likely is, from a few readings: proposed in the onboarding pull request.

A guess that a person reads before it counts for anything. Refuses to guess what changes nothing: what the
defaults say already is written as a comment.
"""

from __future__ import annotations

import re
from collections import Counter
from datetime import datetime
from typing import Final

from patch_app.core import refnames
from patch_app.core.configuration import MAX_STACKS, Upstream
from patch_app.core.model import Model
from patch_app.core.names import DEFAULT_PREFIX
from patch_app.core.versions import version

# file at the root of the tree, and the name and command of a check that nearly always exists with it
_CHECKS: Final = (
    ("Cargo.toml", "cargo", "cargo check --workspace --all-targets"),
    ("go.mod", "go", "go build ./... && go vet ./..."),
    ("package-lock.json", "npm", "npm ci && npm test"),
    ("pnpm-lock.yaml", "pnpm", "corepack enable && pnpm install --frozen-lockfile && pnpm test"),
    ("yarn.lock", "yarn", "corepack enable && yarn install --immutable && yarn test"),
    ("package.json", "npm", "npm install && npm test"),
    ("uv.lock", "uv", "pipx run uv run pytest"),
    (
        "pyproject.toml",
        "python",
        "python3 -m venv .venv && .venv/bin/pip install . pytest && .venv/bin/pytest",
    ),
    ("pom.xml", "maven", "mvn --batch-mode verify"),
    ("gradlew", "gradle", "./gradlew check"),
    ("Package.swift", "swift", "swift build"),
    ("mix.exs", "mix", "mix deps.get && mix test"),
    ("Gemfile", "bundle", "bundle install && bundle exec rake"),
    ("composer.json", "composer", "composer install && composer validate"),
    ("meson.build", "meson", "meson setup build && meson test -C build"),
    ("CMakeLists.txt", "cmake", "cmake -B build && cmake --build build"),
    ("Makefile", "make", "make"),
)
# these are ways of the same language; the first that is there is taken
_SAME: Final = ({"npm", "pnpm", "yarn"}, {"uv", "python"}, {"meson", "cmake", "make"})
_VERSION = re.compile(r"[0-9]+(?:[._][0-9]+)+|[0-9]+")
_DOTTED = re.compile(r"[0-9]+(?:[._][0-9]+)+")
MAX_PREFIX: Final = 100


class BranchReading(Model):
    """A branch of the fork, compared with the upstream."""

    name: str
    head: str
    # commits that the upstream lacks
    ahead: int
    # when the commit that it stands on was made; None where GitHub knows none in common
    based: datetime | None = None


class ReleaseReading(Model):
    """A release of the upstream (or a bare tag), newest first in a listing."""

    tag: str
    prerelease: bool = False
    # the tag's peeled commit, where the listing tells it
    commit: str | None = None


class Readings(Model):
    """What was read; bounded by whoever read it."""

    # owner/name of the parent, None where there is none
    upstream: str | None
    default_branch: str
    branches: tuple[BranchReading, ...] = ()
    # branches that were not looked at, since there are too many
    unread_branches: int = 0
    releases: tuple[ReleaseReading, ...] = ()
    # names at the root of the tree
    root: tuple[str, ...] = ()


class Check(Model):
    """A guessed check."""

    name: str
    run: str


class Detected(Model):
    """What is proposed."""

    upstream: str | None
    default_branch: str
    stack: str
    others: tuple[str, ...]
    unread_branches: int
    # None: the default does
    tags: str | None
    prereleases: bool
    # how many of the releases that count are prereleases
    counted: tuple[int, int]
    checks: tuple[Check, ...]


def detect(readings: Readings) -> Detected:
    """The proposal."""
    stack, others = _stacks(readings)
    prefix, several = _prefix(readings.releases)
    of_series = [one for one in readings.releases if prefix is None or _before(one.tag) == prefix]
    early = sum(one.prerelease or bool((found := version(one.tag)) and found.prerelease) for one in of_series)
    return Detected(
        upstream=readings.upstream,
        default_branch=readings.default_branch,
        stack=stack,
        others=others,
        unread_branches=readings.unread_branches,
        tags=_pattern(prefix, several),
        prereleases=early * 2 > len(of_series),
        counted=(early, len(of_series)),
        checks=_checks(set(readings.root)),
    )


def _stacks(readings: Readings) -> tuple[str, tuple[str, ...]]:
    """The maintained branch, and what may be others: branches with commits that upstream lacks.

    The default branch, if it has such commits; else the branch that stands on the newest upstream commit.
    """
    found = [one for one in readings.branches if one.ahead > 0 and _can_be_maintained(one.name)]
    found.sort(key=lambda one: one.name)
    found.sort(key=lambda one: one.based.timestamp() if one.based else 0.0, reverse=True)
    names = [one.name for one in found]
    default = readings.default_branch
    first = default if default in names or not names else names[0]
    return first, tuple(one for one in names if one != first)[: MAX_STACKS - 1]


def _can_be_maintained(name: str) -> bool:
    return refnames.problem(name) is None and not f"{name}/".startswith(f"{DEFAULT_PREFIX}/")


def _before(tag: str) -> str | None:
    """What stands before the version: `rust-v` of `rust-v0.132.0`."""
    found = _DOTTED.search(tag) or _VERSION.search(tag)
    return tag[: found.start()] if found else None


def _prefix(releases: tuple[ReleaseReading, ...]) -> tuple[str | None, bool]:
    """The commonest beginning of version tags, of equally common ones the newest; whether there are
    others.
    """
    seen = Counter(before for one in releases if (before := _before(one.tag)) is not None)
    return (seen.most_common(1)[0][0] if seen else None), len(seen) > 1


def _pattern(prefix: str | None, several: bool) -> str | None:
    if prefix is None or (prefix in ("", "v") and not several) or len(prefix) > MAX_PREFIX:
        return None
    pattern = re.sub(r"([*?\[])", r"[\1]", prefix) + ("*" if prefix else "[0-9]*")
    try:
        return Upstream(tags=pattern).tags
    except ValueError:
        return None


def _checks(root: set[str]) -> tuple[Check, ...]:
    out: dict[str, Check] = {}
    for file, name, run in _CHECKS:
        taken = any(set(out) & same for same in _SAME if name in same)
        if file in root and name not in out and not taken:
            out[name] = Check(name=name, run=run)
    return tuple(out.values())


# The file's text -----------------------------------------------------------------------------------


def text(detected: Detected) -> str:
    """`.github/patch-app.toml`, which `configuration.parse` takes whatever the names are."""
    parts = [_HEAD, _upstream(detected), _stack(detected), _other_stacks(detected), _check(detected)]
    return "\n".join(part for part in parts if part)


_HEAD: Final = """\
# What patch_app found out about this fork; change what is wrong before you merge. Every key has a default,
# and unknown keys are errors. All keys: docs/reference/configuration.md of patch_app.
"""


def quoted(value: str) -> str:
    """A TOML string on one line, in ASCII, whatever the value holds."""
    plain = (
        f"\\{one}" if one in '"\\' else one if " " <= one <= "~" else f"\\U{ord(one):08X}" for one in value
    )
    return '"' + "".join(plain) + '"'


def _upstream(detected: Detected) -> str:
    lines = ["[upstream]"]
    line = f"repository = {quoted(detected.upstream or 'owner/name')}"
    try:
        known = bool(detected.upstream and Upstream(repository=detected.upstream))
    except ValueError:
        known = False  # the default means the same
    lines += ["# Where releases come from: this fork's parent.", line if known else f"# {line}"]
    if detected.tags is not None:
        lines += ["# Which tags are releases. Upstream has others too, or puts something before the version."]
        lines += [f"tags = {quoted(detected.tags)}"]
    else:
        lines += ["# Which tags are releases. Default: any tag that reads as a version.", '# tags = "v*"']
    early, whole = detected.counted
    if detected.prereleases:
        lines += [
            f"# {early} of the last {whole} releases are prereleases: without them you would "
            "seldom hear of one."
        ]
        lines += ["prereleases = true"]
    else:
        if whole:
            lines += [f"# {early} of the last {whole} releases are prereleases."]
        lines += ["# prereleases = false"]
    lines += ['# How long a release must be out before it is taken: "12h", "3d".', '# minimum_age = "0s"', ""]
    return "\n".join(lines)


def _stack(detected: Detected) -> str:
    branch = f"branch = {quoted(detected.stack)}"
    if detected.stack == detected.default_branch:
        return f"[[stack]]\n# Your patches. Default: the default branch.\n# {branch}\n"
    return (
        f"[[stack]]\n# Your patches: the branch that stands on the newest commit of upstream's.\n{branch}\n"
    )


def _other_stacks(detected: Detected) -> str:
    if not detected.others and not detected.unread_branches:
        return ""
    lines = [
        "# Other branches with commits that upstream lacks. Take the signs off for those to be carried too."
    ]
    if detected.unread_branches:
        lines += [f"# {detected.unread_branches} more branches were not looked at."]
    for one in detected.others:
        lines += ["# [[stack]]", f"# branch = {quoted(one)}"]
    return "\n".join([*lines, ""])


def _check(detected: Detected) -> str:
    lines = ["# Commands that are run on the carried tree, in jobs of their own without permissions."]
    for one in detected.checks or (Check(name="build", run="make test"),):
        lines += [
            "# [[check]]",
            f"# name = {quoted(one.name)}",
            f"# run = {quoted(one.run)}",
            '# timeout = "30m"',
        ]
    return "\n".join([*lines, ""])
