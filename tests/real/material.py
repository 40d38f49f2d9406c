"""A real upstream and a real fork: release archives as history, a Debian patch series as the stack on it.

`material(WERKZEUG, directory)` builds both as bare repositories below `directory`. Each release is one commit
on upstream's `main` and one tag; the fork has one branch and nothing else.
"""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from tests.real import archives, dep3, edits
from tests.real.git import FIRST_DAY, WHO, Failed, Repository

DAY = 86_400
BRANCH = "main"


class Origin(StrEnum):
    """Where the stack comes from."""

    DEBIAN = "Debian's patch series"
    EDITS = "made-up edits"


@dataclass(frozen=True, kw_only=True)
class Package:
    """A package and its successive releases. The first is the one that Debian's series is made for."""

    name: str
    debian: str
    versions: tuple[str, ...]


URLLIB3 = Package(
    name="urllib3",
    debian="python-urllib3",
    # 2.0.0 and 2.0.1 were taken back by their makers
    versions=(*(f"1.26.{number}" for number in range(12, 21)), "2.0.2"),
)
WERKZEUG = Package(
    name="werkzeug",
    debian="python-werkzeug",
    versions=(
        "2.2.2", "2.2.3",
        *(f"2.3.{number}" for number in range(9)),
        *(f"3.0.{number}" for number in range(4)),
    ),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Material:
    """What was built. `tags` are in order, the stack sits on the first; `base` is that tag's commit."""

    package: Package
    origin: Origin
    why: str
    """Why these patches, where they aren't Debian's."""
    source_version: str | None
    """Version of Debian's source package."""
    upstream: Path
    fork: Path
    branch: str
    tags: tuple[str, ...]
    base: str
    subjects: tuple[str, ...]
    left_out: tuple[str, ...]
    """Patches of the series that don't apply to the release archive."""


def material(package: Package, directory: Path, origin: Origin = Origin.DEBIAN) -> Material:
    """Builds both repositories in `directory`.

    Where Debian's series can't be had, the stack is made of edits; not so in CI, where it must be there.

    Raises:
        archives.NotToBeHad: where an archive can't be downloaded.
    """
    series, why = None, "asked for"
    if origin is Origin.DEBIAN:
        try:
            series = _series(package)
        except archives.NotToBeHad as error:
            if os.environ.get("CI") == "true":
                raise
            origin, why = Origin.EDITS, str(error)
    files = archives.releases(package.name, package.versions)
    upstream = Repository.made(directory / "upstream.git", bare=True)
    tags = tuple(_import(upstream, files))
    work = Repository(directory / "work")
    upstream.git("clone", "-q", "--shared", ".", str(work.path))
    work.git("checkout", "-q", "-B", BRANCH, tags[0])
    left_out: list[str] = []
    if series is not None:
        subjects, left_out = _apply(work, series)
    else:
        subjects = edits.make(work, tags[0], tags[3])
    fork = Repository.made(directory / "fork.git", bare=True)
    work.git("push", "-q", str(fork.path), f"HEAD:refs/heads/{BRANCH}")
    return Material(
        package=package, origin=origin, why="" if series else why,
        source_version=series.version if series else None,
        upstream=upstream.path, fork=fork.path, branch=BRANCH,
        tags=tags, base=upstream.rev(tags[0] + "^{commit}"),
        subjects=tuple(subjects), left_out=tuple(left_out),
    )  # fmt: skip


def _series(package: Package) -> archives.Series:
    series = archives.series(package.debian)
    if series.upstream != package.versions[0]:
        raise archives.NotToBeHad(
            f"apt has {package.debian} {series.version}, but the series for {package.versions[0]} is needed"
        )
    return series


def _import(upstream: Repository, files: dict[str, Path]) -> Iterator[str]:
    """One commit and one tag a release. Every other tag is annotated, so that peeling is needed."""
    stream = bytearray()
    for number, (version, path) in enumerate(files.items()):
        date = FIRST_DAY + number * 7 * DAY
        who = f"{WHO} <releases@example.org> {date} +0000"
        stream += f"commit refs/heads/{BRANCH}\ncommitter {who}\n".encode()
        stream += _data(f"Release {version}\n".encode()) + b"deleteall\n"
        for name, mode, content in _files(path):
            stream += f"M {mode} inline {name}\n".encode() + _data(content)
    upstream.git("fast-import", "--quiet", stdin=bytes(stream))
    commits = upstream.git("rev-list", "--reverse", BRANCH).split()
    for number, (version, commit) in enumerate(zip(files, commits, strict=True)):
        tag = "v" + version
        upstream.git("tag", *(["-a", "-m", f"Release {version}"] if number % 2 else []), tag, commit)
        yield tag


def _data(content: bytes) -> bytes:
    return b"data %d\n" % len(content) + content + b"\n"


def _files(path: Path) -> Iterator[tuple[str, str, bytes]]:
    """Path, mode and content of every file and link of an archive, without the folder that it is all in."""
    with tarfile.open(path) as archive:
        for member in archive:
            name = member.name.partition("/")[2]
            if member.issym():
                yield name, "120000", os.fsencode(member.linkname)
            elif member.isfile():
                file = archive.extractfile(member)
                assert file is not None
                with file:
                    yield name, "100755" if member.mode & 0o100 else "100644", file.read()


def _apply(work: Repository, series: archives.Series) -> tuple[list[str], list[str]]:
    """Commits each patch that applies, as who its header says."""
    subjects, left_out = [], []
    for patch in series.patches:
        try:
            work.git("apply", "--index", "--whitespace=nowarn", "-", stdin=patch.content)
        except Failed:
            left_out.append(patch.name)
            continue
        header = dep3.read(patch.content, patch.name)
        more = {"GIT_AUTHOR_NAME": header.name, "GIT_AUTHOR_EMAIL": header.email}
        if header.date:
            more["GIT_AUTHOR_DATE"] = header.date
        work.git("commit", "-q", "--cleanup=verbatim", "-F", "-", stdin=header.message.encode(), **more)
        subjects.append(header.message.split("\n", 1)[0])
    return subjects, left_out
