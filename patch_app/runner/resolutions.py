"""Resolutions of conflicts, learned from a person's tree and used again where the same conflict comes back.

A file with hunks is resolved as `git rerere` does. Conflicts without hunks (modify/delete, binary, symlink,
submodule, mode) are resolved together where their stages are exactly the same. A merge is resolved whole or
not at all, and nothing but its conflicting paths is touched. Who may teach is decided elsewhere.
"""

from __future__ import annotations

import hashlib
from typing import Callable, Dict, List, NamedTuple, Optional, Sequence, Set, Tuple

from . import diff, index, loose, rerere
from . import resolution_store as stored
from .conflict import changed
from .fetch import Fetcher, commit_objects
from .git import Git, GitError
from .records import GITLINK, Merge, Stage, Used, cut, text
from .resolution_store import GONE, Entry, Origin, Result, Text, Whole

MAX_PATHS = 200
"""Conflicting paths of one merge."""
MAX_DIFF = 60_000  # characters, of one path
MAX_SHOWN = 1_000_000  # characters, of one carry
REGULAR = ("100644", "100755")


class File(NamedTuple):
    """A path that rerere can resolve: its mode in the merge, marker size and normalised text."""

    mode: str
    size: int
    normalised: rerere.Normalised


class Conflicts(NamedTuple):
    """The conflicting paths of a merge: those with hunks, and the others, whose id is over all of them."""

    files: Dict[bytes, File]
    others: Tuple[bytes, ...]
    id: str
    sizes: Dict[bytes, int]


class Replayed(NamedTuple):
    """`tree` is None where not every path was resolved; `notes` say why, or what else there is to know."""

    tree: Optional[str]
    used: Tuple[Used, ...] = ()
    notes: Tuple[str, ...] = ()


def read(repository: Git, merged: Merge) -> Optional[Conflicts]:
    """The conflicts of an unclean merge, made with names instead of ids; attribute files must be in use.

    None where they are not about its files alone (a directory that was renamed two ways, for example), or
    too many. Raises GitError.
    """
    stages: Dict[bytes, Dict[int, Stage]] = {}
    for path, stage in merged.stages:
        stages.setdefault(path, {})[stage.stage] = stage
    if not 0 < len(stages) <= MAX_PATHS or set(merged.kinds) - set(stages):
        return None
    sizes = _marker_sizes(repository, list(stages))
    there = {path: (mode, oid) for mode, oid, path in diff.list_tree(repository, merged.tree, tuple(stages))}
    maybe = {
        path: (*there[path], *(stage.oid for stage in found.values()))
        for path, found in stages.items()
        if path in there and merged.kinds.get(path) == "contents" and _both_regular(found)
    }
    contents = commit_objects(repository, sorted({oid for ids in maybe.values() for oid in ids[1:]}))
    files: Dict[bytes, File] = {}
    for path, (mode, oid, *sides) in maybe.items():
        size = sizes[path]
        told = not any(rerere.looks_marked(contents[side], size) for side in sides)
        small = len(contents[oid]) <= stored.MAX_FILE and size <= rerere.MAX_MARKER_SIZE
        normalised = rerere.normalise(contents[oid], size, _digest(merged)) if told and small else None
        if normalised is not None:
            files[path] = File(mode, size, normalised)
    others = tuple(sorted(set(stages) - set(files)))
    hashed = hashlib.new(_digest(merged))
    for path in others:
        words = [merged.kinds.get(path, "")]
        words += ["%d %s %s" % stage for _, stage in sorted(stages[path].items())]
        hashed.update(path + b"\0" + "\0".join(words).encode() + b"\0\0")
    hashed.update("".join(sorted(file.normalised.id for file in files.values())).encode())
    return Conflicts(files, others, hashed.hexdigest(), sizes)


def learn(repository: Git, merged: Merge, resolved_tree: str, origin: Origin) -> Tuple[Entry, ...]:
    """What a person's tree says about the conflicts of a merge; only where no marker is left.

    `merged` is as `read` wants it, `resolved_tree` what the person made of exactly this merge. Paths without
    hunks are learned only where nothing but conflicting paths was changed: else the patch's change may have
    gone elsewhere, and a replay would lose it. Raises GitError.
    """
    conflicts = read(repository, merged)
    if conflicts is None:
        return ()
    paths = (*conflicts.files, *conflicts.others)
    differing = [change.path for change in diff.raw(repository, merged.tree, resolved_tree, renames=False)]
    beside = tuple(path for path in differing if path not in paths)
    there = {path: (mode, oid) for mode, oid, path in diff.list_tree(repository, resolved_tree, paths)}
    blobs = sorted({oid for mode, oid in there.values() if mode != GITLINK})
    contents = commit_objects(repository, blobs)
    learned: List[Text] = []
    for path, file in conflicts.files.items():
        mode, oid = there.get(path, (GONE, ""))
        if mode == file.mode and _done(contents[oid], file):
            learned.append(
                Text(
                    file.normalised.id,
                    file.normalised.text,
                    contents[oid],
                    origin,
                    beside[: stored.MAX_BESIDE],
                )
            )
    # the same conflict in two files, resolved in two ways: neither is the resolution
    ways: Dict[bytes, Set[bytes]] = {}
    for one in learned:
        ways.setdefault(one.preimage, set()).add(one.postimage)
    found: List[Entry] = [one for one in dict.fromkeys(learned) if len(ways[one.preimage]) == 1]
    if conflicts.others and not beside and len(learned) == len(conflicts.files):
        results = []
        for path in conflicts.others:
            mode, oid = there.get(path, (GONE, ""))
            content = b"" if mode == GONE else oid.encode() if mode == GITLINK else contents[oid]
            results.append(Result(path, mode, content))
        if len(results) <= stored.MAX_WHOLE and not _marked(results, conflicts):
            found.append(Whole(conflicts.id, tuple(results), origin))
    return stored.bounded(found)


def replay(repository: Git, merged: Merge, recorded: Callable[[Set[str]], Sequence[Entry]]) -> Replayed:
    """The tree of a merge in which every conflicting path is resolved as recorded. Raises GitError, OSError.

    `merged` is as `read` wants it; `recorded` gives the entries of these ids, the preferred ones first.
    """
    conflicts = read(repository, merged)
    if conflicts is None:
        return Replayed(None)
    entries = recorded({conflicts.id, *(file.normalised.id for file in conflicts.files.values())})
    results: List[Tuple[Result, Entry]] = []
    notes: List[str] = []
    missing = False
    for path, file in conflicts.files.items():
        same = [one for one in entries if isinstance(one, Text) and one.id == file.normalised.id]
        tried = ((_again(repository, file, one), one) for one in same)
        fitting = next(((content, one) for content, one in tried if content is not None), None)
        if fitting is not None:
            results.append((Result(path, file.mode, fitting[0]), fitting[1]))
            continue
        missing = True
        if same:
            notes.append("%s was not used: in %s it does not fit" % (named(same[0]), text(path)))
    if conflicts.others:
        whole = next((one for one in entries if isinstance(one, Whole) and one.id == conflicts.id), None)
        if whole is None:
            missing = True
        elif tuple(one.path for one in whole.results) != conflicts.others or _marked(
            whole.results, conflicts
        ):
            missing = True
            notes.append("%s was not used: it is malformed" % named(whole))
        else:
            results += [(one, whole) for one in whole.results]
    if missing:
        if results:
            shown = ", ".join([text(one.path) for one, _ in results][:3])
            notes.append("a recorded resolution fits %s, but not every path has one" % shown)
        return Replayed(None, (), tuple(notes))
    tree = index.write_tree(
        repository, [_stored(repository, one, merged.tree) for one, _ in results], merged.tree
    )
    used = tuple(
        Used(entry.id, one.path, entry.origin.commit, changed(repository, merged.tree, tree, [one.path]))
        for one, entry in results
    )
    return Replayed(tree, used, _told(results))


class Resolutions:
    """The recorded resolutions that a request names. They are fetched at the first conflict, never before."""

    def __init__(self, fetcher: Fetcher, repository: Git, name: Optional[str]) -> None:
        self.fetcher = fetcher
        self.repository = repository
        self._name = name
        self._fetched = False
        self._told = False
        self._notes: Tuple[str, ...] = ()
        self._room = MAX_SHOWN

    def replay(self, merged: Merge) -> Replayed:
        """As the function of this name. A store that can't be used is as if it weren't there, with a note."""
        if self._name is None:
            return Replayed(None)
        try:
            found = replay(self.repository, merged, self._recorded)
        except GitError as error:
            return Replayed(
                None, (), (*self._take(), "the recorded resolutions could not be used: %s" % error)
            )
        return found._replace(used=self.bounded(found.used), notes=(*found.notes, *self._take()))

    def everything(self) -> Sequence[Entry]:
        """All that is recorded, to go on with; nothing where it can't be used. Raises GitError."""
        return self._recorded(None)

    def _recorded(self, ids: Optional[Set[str]]) -> Sequence[Entry]:
        name, self._name = self._name, None
        if name is None:
            return ()
        if not self._fetched:
            # the root tree alone: what is in it is fetched for the conflicts that there are
            options = ("--depth=1", "--filter=tree:1")
            self.fetcher.fetch(
                self.repository, "fork", [name], *options, config=("fetch.negotiationAlgorithm=noop",)
            )
            self._fetched = True
        try:
            store = stored.read(self.repository, name, ids, self._fetch)
        except ValueError as error:
            self._notes = ("the recorded resolutions were not used: %s" % error,)
            return ()
        self._name = name  # not asked again after a failure
        if store.malformed and not self._told:
            self._notes, self._told = ("%d malformed resolutions were left out" % store.malformed,), True
        return store.entries

    def _fetch(self, folders: List[str]) -> None:
        missing = sorted(set(folders) - set(self.repository.objects()))
        if missing:
            limit = "blob:limit=%d" % (stored.MAX_FILE + 1)
            self.fetcher.objects(self.repository, "fork", missing, limit)

    def _take(self) -> Tuple[str, ...]:
        notes, self._notes = self._notes, ()
        return notes

    def bounded(self, used: Sequence[Used]) -> Tuple[Used, ...]:
        """The same with diffs that leave room for those to come in this carry."""
        shown = []
        for one in used:
            shown.append(one._replace(diff=cut(one.diff, min(MAX_DIFF, self._room))))
            self._room = max(0, self._room - len(shown[-1].diff))
        return tuple(shown)


def named(entry: Entry) -> str:
    """A resolution in a note: its id, by which commit, of which patch."""
    origin = entry.origin
    return "resolution %s by %s of patch %s %s" % (
        entry.id[:10], origin.commit[:10], origin.patch[:10], origin.subject,
    )  # fmt: skip


def _told(results: Sequence[Tuple[Result, Entry]]) -> Tuple[str, ...]:
    notes = []
    for entry in dict.fromkeys(entry for _, entry in results):
        paths = [text(one.path) for one, by in results if by is entry]
        more = " and %d more" % (len(paths) - 3) if len(paths) > 3 else ""
        note = "%s%s: %s" % (", ".join(paths[:3]), more, named(entry))
        if isinstance(entry, Text) and entry.beside:
            note += ", which also changed %s; that is not replayed" % ", ".join(map(text, entry.beside))
        notes.append(note)
    return tuple(notes[:5]) + (("%d more resolutions" % (len(notes) - 5),) if len(notes) > 5 else ())


def _again(repository: Git, file: File, entry: Text) -> Optional[bytes]:
    if not rerere.is_preimage(entry.preimage, entry.id, file.size):
        return None
    found = rerere.replay(repository, file.normalised.text, entry.preimage, entry.postimage)
    return found if found is not None and _done(found, file) else None


def _done(content: bytes, file: File) -> bool:
    return (
        len(content) <= stored.MAX_FILE
        and b"\0" not in content
        and not rerere.unresolved(content, file.normalised.text, file.size)
    )


def _marked(results: Sequence[Result], conflicts: Conflicts) -> bool:
    return any(
        one.mode in REGULAR and rerere.looks_marked(one.content, conflicts.sizes[one.path]) for one in results
    )


def _stored(repository: Git, result: Result, tree: str) -> index.Entry:
    if result.mode == GONE:
        return GONE, "0" * len(tree), result.path
    if result.mode == GITLINK:
        return GITLINK, result.content.decode("ascii"), result.path
    return result.mode, loose.write(repository, "blob", result.content, len(tree)), result.path


def _both_regular(stages: Dict[int, Stage]) -> bool:
    """Whether rerere would look at it: regular files on both sides, and Git could tell which mode it has."""
    modes = {number: stage.mode for number, stage in stages.items()}
    if not {2, 3} <= set(modes) or not set(modes.values()) <= set(REGULAR):
        return False
    return modes[2] == modes[3] or 1 in modes


def _marker_sizes(repository: Git, paths: Sequence[bytes]) -> Dict[bytes, int]:
    """Marker size by path, as the attributes in use have it."""
    out = repository.run(
        "check-attr", "-z", "--stdin", "conflict-marker-size", stdin=b"".join(path + b"\0" for path in paths)
    )
    fields = out.split(b"\0")
    values = dict(zip(fields[0::3], fields[2::3]))
    found = {}
    for path in paths:
        value = values.get(path, b"")
        found[path] = int(value) if value.isdigit() and len(value) < 9 and int(value) else rerere.MARKER_SIZE
    return found


def _digest(merged: Merge) -> str:
    return "sha256" if len(merged.tree) == 64 else "sha1"
