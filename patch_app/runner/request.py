"""Reads and checks a request. Refuses everything it doesn't know: what comes out is safe to hand to Git."""

from __future__ import annotations

import json
import re
from typing import Any, Dict, List, Optional, Tuple
from urllib.parse import urlsplit

from .records import FLATTEN, MERGE, PATCHES, PRESERVE, REBASE, Check, Problem, Request, Resolver

ATTEMPT = re.compile(r"[0-9a-z]{8,40}\Z")
OID = re.compile(r"(?:[0-9a-f]{40}|[0-9a-f]{64})\Z")
CHECK_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._+-]{0,79}\Z")
TRAILER = re.compile(r"[A-Za-z0-9-]+: [ -~]+\Z")

MAX_REQUEST = 65_535  # characters of all inputs of a dispatch, by GitHub's documentation
MAX_BRANCHES = 100
MAX_CHECK_SECONDS = 6 * 3600  # a job on a hosted runner ends after six hours

KEYS = {
    "schema": True,
    "attempt": True,
    "app": True,
    "stack": True,
    "base": True,
    "target": True,
    "upstream": True,
    "bundle_from": True,
    "date": True,
    "installed_paths": True,
    "installed_trailer": True,
    "resolutions": True,
    "checks": True,
    "merges": True,
    "strategy": True,
    "start": True,
    "pushed": True,
    "resolver": False,
    "ahead": False,
    "patches": False,
    "built": False,
    "drop": False,
    "landing": False,
}
RESOLVER_KEYS = {
    "name": True,
    "run": True,
    "timeout": True,
    "instructions": True,
    "paths": True,
    "hidden": True,
}
CHECK_KEYS = {
    "name": True,
    "run": True,
    "working_directory": False,
    "timeout": True,
    "sparse": False,
    "artifacts": False,
}


def _bad(message: str) -> Problem:
    return Problem("request", message)


def _object(value: Any, where: str, keys: Dict[str, bool]) -> Dict[str, Any]:
    if not isinstance(value, dict):
        raise _bad("%s must be an object" % where)
    unknown = sorted(str(key) for key in value if key not in keys)
    if unknown:
        raise _bad("%s has unknown keys: %s; allowed are %s" % (where, ", ".join(unknown), ", ".join(keys)))
    missing = [key for key, needed in keys.items() if needed and key not in value]
    if missing:
        raise _bad("%s lacks %s" % (where, ", ".join(missing)))
    return value


def _string(value: Any, where: str, limit: int = 1000) -> str:
    if not isinstance(value, str) or not value or len(value) > limit:
        raise _bad("%s must be a string of 1 to %d characters" % (where, limit))
    if any(ord(char) < 32 or ord(char) == 127 for char in value):
        raise _bad("%s has a control character" % where)
    return value


def _hint(value: Any) -> int:
    """A number of commits; 0 for null."""
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**31:
        raise _bad("ahead must be a number of commits or null")
    return value


def _app(value: Any) -> int:
    """The App's id."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**53:
        raise _bad("app must be the App's id")
    return value


def _drop(value: Any, strategy: str) -> Tuple[str, ...]:
    """Patches that a person wants left out."""
    if not isinstance(value, list) or len(value) > 2000:
        raise _bad("drop must be a list of at most 2000 commits")
    if value and strategy != REBASE:
        raise _bad("only a stack that is rebased can leave patches out")
    return tuple(oid(one, "drop") for one in value)


def _landing(value: Any, strategy: str) -> Optional[Tuple[str, str]]:
    """The commit by which a pull request brought the stack onto its branch, and what that was before."""
    if value is None:
        return None
    entry = _object(value, "landing", {"commit": True, "onto": True})
    if strategy == MERGE:
        raise _bad("a release that is merged into the stack has no landing")
    return oid(entry["commit"], "landing.commit"), oid(entry["onto"], "landing.onto")


def oid(value: Any, where: str) -> str:
    """A full object id in lower case hex; anything shorter could name something else."""
    if not isinstance(value, str) or not OID.match(value):
        raise _bad("%s must be a full commit id of 40 or 64 lower case hex digits" % where)
    return value


def ref_name(value: Any, where: str) -> str:
    """A short branch or tag name that git-check-ref-format(1) would take and that can't be an option."""
    name = _string(value, where, 255)
    parts = name.split("/")
    bad = (
        name.startswith("-")
        or any(char in name for char in " ~^:?*[\\")
        or ".." in name
        or "@{" in name
        or name == "@"
        or name.endswith(".")
        or any(not part or part.startswith(".") or part.endswith(".lock") for part in parts)
    )
    if bad:
        raise _bad("%s is not a name that Git allows for a branch or tag: %s" % (where, json.dumps(name)))
    return name


def http_url(value: Any, where: str) -> str:
    """An http(s) URL without user, query or fragment."""
    url = _string(value, where, 2000)
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise _bad("%s must be an http or https URL of a Git repository" % where)
    if parts.username is not None or parts.password is not None:
        raise _bad("%s must not hold a user name or password" % where)
    return url


def relative_path(value: Any, where: str) -> str:
    """A path inside the repository, never above it nor inside `.git`."""
    path = _string(value, where, 1000)
    parts = path.split("/")
    if path != "." and any(part in ("", ".", "..") or part.lower() == ".git" for part in parts):
        raise _bad("%s must be a path inside the repository" % where)
    return path


def _patches(value: Any, strategy: str, merges: str) -> Tuple[Tuple[str, str], ...]:
    """The patch branches, which the strategy of that name has and no other."""
    if not isinstance(value, list) or len(value) > MAX_BRANCHES:
        raise _bad("patches must be a list of at most %d branches" % MAX_BRANCHES)
    found = []
    for number, one in enumerate(value):
        where = "patches[%d]" % number
        entry = _object(one, where, {"branch": True, "sha": True})
        found.append((ref_name(entry["branch"], where + ".branch"), oid(entry["sha"], where + ".sha")))
    if bool(found) != (strategy == PATCHES):
        raise _bad("the strategy %s needs patch branches, and no other has any" % PATCHES)
    if len({name for name, _ in found}) != len(found):
        raise _bad("a patch branch is named twice")
    if found and merges == PRESERVE:
        raise _bad("merges must be %s with patch branches" % FLATTEN)
    return tuple(found)


def _built(value: Any) -> Tuple[Tuple[str, str], ...]:
    if not isinstance(value, dict):
        raise _bad("built must be an object")
    return tuple((oid(new, "built"), oid(source, "built")) for new, source in value.items())


def relative_paths(value: Any, where: str) -> Tuple[str, ...]:
    """Paths inside the repository, or patterns of such."""
    if not isinstance(value, list) or len(value) > 50:
        raise _bad("%s must be a list of at most 50 paths" % where)
    return tuple(relative_path(path, where) for path in value)


def _name(value: Any, where: str) -> str:
    if not isinstance(value, str) or not CHECK_NAME.match(value):
        raise _bad("%s.name must be 1 to 80 letters, digits, spaces or . _ + -" % where)
    return value


def _command(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > 20_000 or "\0" in value:
        raise _bad("%s.run must be a shell command" % where)
    return value


def _timeout(value: Any, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_CHECK_SECONDS:
        raise _bad("%s.timeout must be 1 to %d seconds" % (where, MAX_CHECK_SECONDS))
    return value


def checks(value: Any) -> Tuple[Check, ...]:
    """The configured checks. Names are unique, since a job of the workflow is named after each."""
    if not isinstance(value, list) or len(value) > 50:
        raise _bad("checks must be a list of at most 50")
    found: List[Check] = []
    for number, item in enumerate(value):
        where = "checks[%d]" % number
        entry = _object(item, where, CHECK_KEYS)
        directory = relative_path(entry.get("working_directory", "."), where + ".working_directory")
        sparse, artifacts = (
            relative_paths(entry.get(key, []), "%s.%s" % (where, key)) for key in ("sparse", "artifacts")
        )
        name, command = _name(entry["name"], where), _command(entry["run"], where)
        found.append(Check(name, command, directory, _timeout(entry["timeout"], where), sparse, artifacts))
    if len({check.name for check in found}) != len(found):
        raise _bad("two checks have the same name")
    return tuple(found)


def resolver(value: Any) -> Optional[Resolver]:
    """The configured resolver, if there is one."""
    if value is None:
        return None
    entry = _object(value, "resolver", RESOLVER_KEYS)
    instructions = entry["instructions"]
    if not isinstance(instructions, str) or len(instructions) > 20_000 or "\0" in instructions:
        raise _bad("resolver.instructions must be a text")
    return Resolver(
        _name(entry["name"], "resolver"),
        _command(entry["run"], "resolver"),
        _timeout(entry["timeout"], "resolver"),
        instructions,
        relative_paths(entry["paths"], "resolver.paths"),
        relative_paths(entry["hidden"], "resolver.hidden"),
    )


def attempt_id(value: Any) -> str:
    """The attempt's id, which becomes a part of a ref's name."""
    if not isinstance(value, str) or not ATTEMPT.match(value):
        raise _bad("attempt must be 8 to 40 lower case letters and digits")
    return value


def parse(raw: str, expected_attempt: Optional[str] = None) -> Request:
    """The request, checked.

    Raises:
        Problem: with stage `request` and what is wrong, for anything that isn't exactly schema 1.
    """
    if len(raw) > MAX_REQUEST:
        raise _bad("the request is longer than %d characters" % MAX_REQUEST)
    try:
        data = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise _bad("the request is no JSON: %s" % error) from None
    data = _object(data, "the request", KEYS)
    if data["schema"] != 1 or isinstance(data["schema"], bool):
        raise _bad("this runner knows schema 1 only")
    attempt = attempt_id(data["attempt"])
    if expected_attempt is not None and attempt != expected_attempt:
        raise _bad("the request is for another attempt than the run's input says")
    stack = _object(data["stack"], "stack", {"branch": True, "sha": True})
    target = _object(data["target"], "target", {"name": True, "sha": True})
    if data["bundle_from"] not in ("target", "base"):
        raise _bad("bundle_from must be target or base")
    date = data["date"]
    if isinstance(date, bool) or not isinstance(date, int) or not 0 <= date < 2**40:
        raise _bad("date must be a number of seconds since 1970")
    paths = data["installed_paths"]
    if not isinstance(paths, list) or len(paths) > 20:
        raise _bad("installed_paths must be a list of at most 20 paths")
    if data["merges"] not in (FLATTEN, PRESERVE):
        raise _bad("merges must be %s or %s" % (FLATTEN, PRESERVE))
    if data["strategy"] not in (REBASE, MERGE, PATCHES):
        raise _bad("strategy must be %s, %s or %s" % (REBASE, MERGE, PATCHES))
    patches = _patches(data.get("patches", []), data["strategy"], data["merges"])
    trailer = _string(data["installed_trailer"], "installed_trailer", 200)
    if not TRAILER.match(trailer):
        raise _bad("installed_trailer must look like `Key: value`")
    request = Request(
        attempt=attempt,
        app=_app(data["app"]),
        branch=ref_name(stack["branch"], "stack.branch"),
        stack=oid(stack["sha"], "stack.sha"),
        base=None if data["base"] is None else oid(data["base"], "base"),
        target_name=ref_name(target["name"], "target.name"),
        target=oid(target["sha"], "target.sha"),
        upstream=http_url(data["upstream"], "upstream"),
        bundle_from=data["bundle_from"],
        date=date,
        installed_paths=tuple(relative_path(path, "installed_paths").encode() for path in paths),
        installed_trailer=trailer,
        resolutions=None if data["resolutions"] is None else oid(data["resolutions"], "resolutions"),
        checks=checks(data["checks"]),
        merges=data["merges"],
        strategy=data["strategy"],
        start=None if data["start"] is None else oid(data["start"], "start"),
        pushed=None if data["pushed"] is None else oid(data["pushed"], "pushed"),
        resolver=resolver(data.get("resolver")),
        ahead=_hint(data.get("ahead")),
        patches=patches,
        built=_built(data.get("built", {})),
        drop=_drop(data.get("drop", []), data["strategy"]),
        landing=_landing(data.get("landing"), data["strategy"]),
    )
    others = [request.base, request.start, request.pushed, request.resolutions]
    others += [*request.drop, *(request.landing or ())]
    others += [name for pair in request.built for name in pair] + [sha for _, sha in patches]
    lengths = {len(value) for value in (request.stack, request.target, *others) if value}
    if len(lengths) != 1:
        raise _bad("commit ids of different lengths: a SHA-1 and a SHA-256 repository can't be mixed")
    return request
