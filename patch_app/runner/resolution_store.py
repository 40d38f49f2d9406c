"""Recorded resolutions as a Git tree, laid out as rr-cache is: read, bounded and written.

    <conflict id>/preimage, postimage, meta.json    a file's conflict; its variants end in .1, .2, ...
    whole-<id>/meta.json, 0, 1, ...                 paths that have no hunks, and what became of each

Whoever can write to a fork may write such a tree. So no name in it is ever a path on disk, only these names
are read, everything has a bound, and what is malformed is left out with a note.
"""

from __future__ import annotations

import json
import re
from typing import (
    Any,
    Callable,
    Container,
    Dict,
    Iterable,
    List,
    NamedTuple,
    Optional,
    Sequence,
    Tuple,
    Union,
)

from . import commit, index, loose
from .fetch import commit_objects
from .git import Git
from .records import GITLINK, SYMLINK, text
from .treewalk import FOLDER as TREE_MODE
from .treewalk import parse_tree

MAX_ENTRIES = 500
MAX_BYTES = 8_000_000
MAX_FILE = 1_000_000
MAX_VARIANTS = 10
MAX_WHOLE = 50
"""Paths of one whole resolution."""
MAX_BESIDE = 20

FILE_MODE = "100644"
WHOLE = "whole-"
GONE = "0"
MODES = frozenset({GONE, "100644", "100755", SYMLINK, GITLINK})
ID = r"(?:[0-9a-f]{40}|[0-9a-f]{64})"
FOLDER = re.compile(r"(?:whole-)?%s\Z" % ID)
FILE = re.compile(r"(preimage|postimage|meta\.json|[0-9]{1,2})(?:\.([1-9]))?\Z")

Files = Dict[str, bytes]


class Origin(NamedTuple):
    """Where a resolution comes from: the commit that had it, the patch (old id and subject) whose conflict it
    was, and when it was recorded, in unix seconds."""

    commit: str
    patch: str
    subject: str
    when: int


class Text(NamedTuple):
    """A file's conflict, resolved: rerere's id, preimage and postimage. `beside` are paths without a conflict
    that the same commit changed, which this resolution does not have."""

    id: str
    preimage: bytes
    postimage: bytes
    origin: Origin
    beside: Tuple[bytes, ...]


class Result(NamedTuple):
    """What became of a path: its mode (GONE where it is not there) and content, for a submodule its commit
    id."""

    path: bytes
    mode: str
    content: bytes


class Whole(NamedTuple):
    """Conflicts that have no hunks, resolved together. `id` is over their exact stages."""

    id: str
    results: Tuple[Result, ...]
    origin: Origin


Entry = Union[Text, Whole]


class Store(NamedTuple):
    """The entries, newest first, and how many malformed ones were left out."""

    entries: Tuple[Entry, ...]
    malformed: int


def bounded(entries: Sequence[Entry]) -> Tuple[Entry, ...]:
    """Newest first, one of each kind, within the limits: the oldest go first. The order of `entries` does
    not matter."""
    kept: Dict[Tuple[str, bytes], Entry] = {}
    variants: Dict[str, int] = {}
    size = 0
    for entry in sorted(entries, key=lambda one: (-one.origin.when, sorted(_files(one, "").items()))):
        key = (entry.id, entry.preimage if isinstance(entry, Text) else b"")
        content = _files(entry, "")
        if key in kept or variants.get(entry.id, 0) == MAX_VARIANTS or _too_large(content):
            continue
        size += sum(map(len, content.values()))
        if size > MAX_BYTES or len(kept) == MAX_ENTRIES:
            break
        kept[key] = entry
        variants[entry.id] = variants.get(entry.id, 0) + 1
    return tuple(kept.values())


def write(repository: Git, entries: Sequence[Entry], date: int) -> str:
    """Id of a commit without parents that holds the entries, bounded. The same ones give the same id.

    Raises:
        GitError, OSError: where the objects can't be stored.
    """
    width = len(repository.line("hash-object", "-t", "tree", "--stdin"))
    listed: List[index.Entry] = []
    variants: Dict[str, int] = {}
    for entry in bounded(entries):
        number = variants.get(entry.id, 0)
        variants[entry.id] = number + 1
        for name, content in _files(entry, ".%d" % number if number else "").items():
            oid = loose.write(repository, "blob", content, width)
            listed.append(("100644", oid, name.encode()))
    tree = index.tree_of(repository, listed, width)
    return commit.write(repository, commit.plain(tree, (), "Recorded resolutions", date))


def nothing(names: List[str]) -> None:
    """Fetches nothing: the objects are at hand."""


def read(
    repository: Git,
    name: str,
    ids: Optional[Container[str]] = None,
    fetch: Callable[[List[str]], None] = nothing,
) -> Store:
    """The entries of a commit, all or those of these ids. The commit and its root tree must be at hand.

    `fetch` gets the ids of the folders that will be read and brings them with their blobs. A blob that isn't
    there afterwards is taken for one that is too large.

    Raises:
        GitError: where `name` is no commit at hand, and whatever `fetch` raises.
        ValueError: for a tree that is larger than any that is written here, or no tree at all.
    """
    root = repository.line("rev-parse", "--verify", "--quiet", "--end-of-options", name + "^{tree}")
    listed = parse_tree(commit_objects(repository, [root])[root], len(root) // 2)
    if len(listed) > MAX_ENTRIES:
        raise ValueError("they are more than %d" % MAX_ENTRIES)
    folders: Dict[str, str] = {}
    malformed = 0
    for entry, (mode, oid) in listed.items():
        folder = text(entry)
        if FOLDER.match(folder) is None or mode != TREE_MODE:
            malformed += 1
        elif ids is None or folder.rpartition("-")[2] in ids:
            folders[folder] = oid
    if folders:
        fetch(sorted(set(folders.values())))
    groups = _files_of(repository, folders)
    found = [_entry(folder, files) for (folder, _), files in groups.items()]
    entries = [entry for entry in found if entry is not None]
    return Store(bounded(entries), malformed + len(found) - len(entries))


def _files_of(repository: Git, folders: Dict[str, str]) -> Dict[Tuple[str, str], Files]:
    """The files of each folder and variant that are regular, at hand and not too large. Raises ValueError."""
    trees = commit_objects(repository, sorted(set(folders.values()))) if folders else {}
    groups: Dict[Tuple[str, str], Dict[str, str]] = {}
    for folder, oid in folders.items():
        groups[folder, ""] = {}
        for name, (mode, blob) in parse_tree(trees[oid], len(oid) // 2).items():
            match = FILE.match(text(name))
            if match is not None and mode == FILE_MODE:
                groups.setdefault((folder, match.group(2) or ""), {})[match.group(1)] = blob
    sizes = _sizes(repository, {blob for files in groups.values() for blob in files.values()})
    if sum(sizes.get(blob, 0) for files in groups.values() for blob in files.values()) > 2 * MAX_BYTES:
        raise ValueError("they are larger than %d bytes" % (2 * MAX_BYTES))
    wanted = sorted(blob for blob, size in sizes.items() if size <= MAX_FILE)
    contents = commit_objects(repository, wanted) if wanted else {}
    return {
        key: {name: contents[blob] for name, blob in files.items() if blob in contents}
        for key, files in groups.items()
    }


def _sizes(repository: Git, wanted: Iterable[str]) -> Dict[str, int]:
    """Sizes of those blobs that are at hand. Asking for another one would fetch it."""
    present = sorted(set(wanted) & set(repository.objects()))
    out = repository.run("cat-file", "--batch-check", stdin="".join(oid + "\n" for oid in present).encode())
    words = [line.split(" ") for line in out.decode("ascii").splitlines()]
    return {word[0]: int(word[2]) for word in words if len(word) == 3 and word[1] == "blob"}


def _too_large(files: Files) -> bool:
    return any(len(content) > MAX_FILE for content in files.values())


def _files(entry: Entry, suffix: str) -> Files:
    """The entry's files by their path in the tree."""
    about: Dict[str, Any] = dict(entry.origin._asdict())
    if isinstance(entry, Text):
        about["beside"] = [_name(path) for path in entry.beside[:MAX_BESIDE]]
        files = {"preimage" + suffix: entry.preimage, "postimage" + suffix: entry.postimage}
        return {
            entry.id + "/" + name: body
            for name, body in {**files, "meta.json" + suffix: _json(about)}.items()
        }
    about["files"] = [{"path": _name(one.path), "mode": one.mode} for one in entry.results]
    contents = {str(number): one.content for number, one in enumerate(entry.results) if one.mode != GONE}
    return {
        "whole-%s/%s" % (entry.id, name): body
        for name, body in {**contents, "meta.json": _json(about)}.items()
    }


def _entry(folder: str, files: Files) -> Optional[Entry]:
    """The entry that the files of one folder are, None where they are malformed."""
    try:
        about = json.loads(files.pop("meta.json").decode("ascii"))
        origin = Origin(*(about[key] for key in Origin._fields))
        if not _sound(origin):
            return None
        one_line = "".join(char if char.isprintable() else " " for char in origin.subject)
        origin = origin._replace(subject=one_line)
        if not folder.startswith(WHOLE):
            beside = tuple(_path(path) for path in about["beside"][:MAX_BESIDE])
            return Text(folder, files["preimage"], files["postimage"], origin, beside)
        results = tuple(
            Result(_path(one["path"]), one["mode"], b"" if one["mode"] == GONE else files[str(number)])
            for number, one in enumerate(about["files"])
        )
        usable = 0 < len(results) <= MAX_WHOLE and all(map(_usable, results))
        return Whole(folder[len(WHOLE) :], results, origin) if usable else None
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError):
        return None


def _sound(origin: Origin) -> bool:
    """Raises TypeError, AttributeError or ValueError for some that are not."""
    origin.subject.encode()  # half a surrogate would make the report unreadable
    return (
        bool(re.fullmatch(ID, origin.commit) and re.fullmatch(ID, origin.patch))
        and len(origin.subject) <= 500
        and type(origin.when) is int
        and 0 <= origin.when < 2**40
    )


def _usable(result: Result) -> bool:
    """Raises TypeError for a mode that is no text."""
    if result.mode == GITLINK:
        return bool(re.fullmatch(ID.encode(), result.content))
    return result.mode in MODES


def _json(about: Dict[str, Any]) -> bytes:
    return json.dumps(about, sort_keys=True, ensure_ascii=True).encode() + b"\n"


def _name(path: bytes) -> str:
    return path.decode("utf-8", "surrogateescape")


def _path(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")
