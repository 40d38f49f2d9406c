"""Builds the report, schema 1. A report is made for every ending, a failure too; nothing unscrubbed gets
in."""

from __future__ import annotations

from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from . import branches, commit
from .bundle import Bundle
from .network import Traffic
from .records import (
    ADJUSTED,
    ALREADY_UPSTREAM,
    CARRIED,
    CLEAN,
    DROPPED,
    EMPTY,
    MERGE,
    NOT_TRIED,
    RESOLVED,
    Carried,
    History,
    Outcome,
    Patch,
    Problem,
    Recorded,
    Request,
    text,
)

SCHEMA = 1
MAX_PATHS = 300
MAX_NOTE = 2000
MAX_LEAVING = 20
MAX_MESSAGE = 4000
DONE = frozenset({CLEAN, ADJUSTED, RESOLVED, ALREADY_UPSTREAM, EMPTY, DROPPED})

Report = Dict[str, Any]


class Facts(NamedTuple):
    """What is known when the report is written; what isn't known yet is None."""

    attempt: Optional[str] = None
    run: Optional[Dict[str, int]] = None
    request: Optional[Request] = None
    history: Optional[History] = None
    patches: Optional[List[Patch]] = None
    merges: Optional[Tuple[str, ...]] = None
    carried: Optional[Carried] = None
    sources: Optional[branches.Sources] = None
    candidate_tree: Optional[str] = None
    recorded: Optional[Recorded] = None
    resolver: Optional[Dict[str, Any]] = None
    range_diff: Optional[str] = None
    bundle: Optional[Bundle] = None
    checks: Optional[List[Dict[str, Any]]] = None
    traffic: Optional[Traffic] = None
    seconds: Optional[Dict[str, float]] = None
    git_version: Optional[str] = None


def candidate_ref(attempt: Optional[str]) -> str:
    """The ref that the candidate gets on the fork."""
    return "refs/patch-app/candidates/" + (attempt or "preview")


def build(facts: Facts, problem: Optional[Problem] = None) -> Report:
    """The report as JSON-ready data. With a problem its status is `error`, whatever else is known."""
    status = status_of(facts, problem)
    carried, request, history = facts.carried, facts.request, facts.history
    whole = carried is not None and all(outcome.verdict in DONE for outcome in carried.outcomes)
    traffic = facts.traffic or Traffic(0, 0, 0)
    ref = candidate_ref(facts.attempt)
    candidate = partial = None
    if carried is not None and request is not None and status in ("clean", "checks_failed") and whole:
        candidate = {"sha": carried.tip, "tree": facts.candidate_tree, "ref": ref}
    if carried is not None and request is not None and status == "conflict" and carried.tip != request.target:
        partial = {"sha": carried.tip, "ref": ref}
    return {
        "schema": SCHEMA,
        "status": status,
        "attempt": facts.attempt,
        "run": facts.run,
        "stack": None
        if request is None
        else {
            "branch": request.branch,
            "sha": request.stack,
            "ahead": None if history is None else len(history.stack),
            "behind": None if history is None else history.behind,
        },
        "base": history.base if history else None,
        "other_bases": list(history.others[:20]) if history else [],
        "start": history.start if history else None,
        "target": None if request is None else {"name": request.target_name, "sha": request.target},
        "patches": _patches(facts, status),
        "branches": [
            {"branch": one.name, "sha": one.sha, "base": one.base}
            for one in (history.branches if history else ())
        ],
        "drift": branches.drift(facts.sources) if facts.sources else None,
        "candidate": candidate,
        "partial": partial,
        "conflict": _conflict(carried) if status == "conflict" else None,
        "installed": None
        if carried is None or carried.installed is None
        else {"commits": list(carried.installed.commits), "new": carried.installed.new},
        "merges": list(facts.merges or ()),
        "leaving": _leaving(history, request, status),
        "notes": [note[:MAX_NOTE] for note in history.notes] if history else [],
        "added": [{"sha": c.sha, "subject": c.subject[:500]} for c in carried.added] if carried else [],
        "resolutions": facts.recorded._asdict() if facts.recorded and status != "error" else None,
        "resolver": facts.resolver if status != "error" else None,
        "range_diff": facts.range_diff,
        "bundle": _bundle(facts.bundle) if status != "error" else None,
        "checks": facts.checks or [],
        "network": traffic._asdict(),
        "seconds": {stage: round(value, 3) for stage, value in (facts.seconds or {}).items()},
        "git_version": facts.git_version,
        "error": None
        if problem is None
        else {"stage": problem.stage, "message": problem.message[:MAX_MESSAGE]},
    }


def status_of(facts: Facts, problem: Optional[Problem]) -> str:
    """The report's status in one place."""
    if problem is not None:
        return "error"
    if facts.history is not None and is_noop(facts.history):
        return "noop"
    if facts.carried is not None and facts.carried.conflict is not None:
        return "conflict"
    if any(check["exit"] != 0 for check in facts.checks or []):
        return "checks_failed"
    return "clean"


def is_noop(history: History) -> bool:
    """Nothing to carry: no commit of its own, or the release is in the branch already."""
    return history.contained or is_empty(history)


def is_empty(history: History) -> bool:
    """Whether neither the branch nor a patch branch has a commit of its own."""
    return not history.stack and not any(branch.commits for branch in history.branches)


def _patches(facts: Facts, status: str) -> List[Dict[str, Any]]:
    if facts.carried is not None:
        origins = facts.sources.origins if facts.sources else {}
        return [_patch(outcome, origins.get(outcome.patch.old)) for outcome in facts.carried.outcomes]
    patches = facts.patches or []
    if status == "noop":
        note = "it already sits on this release"
        return [_patch(Outcome(patch, CLEAN, patch.old, note)) for patch in patches]
    return [_patch(Outcome(patch, NOT_TRIED)) for patch in patches]


def _patch(outcome: Outcome, origin: Optional[branches.Origin] = None) -> Dict[str, Any]:
    patch = outcome.patch
    origin = origin or branches.Origin(None, None, None)
    paths = [text(change.path) for change in patch.changes]
    note = outcome.note
    if len(paths) > MAX_PATHS:
        more = "%d more paths are not listed" % (len(paths) - MAX_PATHS)
        note = "; ".join(part for part in (note, more) if part)
    return {
        "old": patch.old,
        "new": outcome.new if outcome.verdict in CARRIED else None,
        "subject": patch.subject,
        "author": patch.author,
        "verdict": outcome.verdict,
        "paths": paths[:MAX_PATHS],
        "upstream_commits": [{"sha": c.sha, "subject": c.subject[:500]} for c in outcome.upstream_commits],
        "note": note[:MAX_NOTE] if note else None,
        "merge": len(commit.parse(patch.raw).all(b"parent")) > 1,
        "resolution": [{**used._asdict(), "path": text(used.path)} for used in outcome.resolution],
        "range_diff": outcome.range_diff,
        "branch": origin.branch,
        "source": origin.source,
        "built": origin.built,
    }


def _conflict(carried: Optional[Carried]) -> Optional[Dict[str, Any]]:
    if carried is None or carried.conflict is None:
        return None
    found = carried.conflict
    files = [
        {"path": file.path, "kind": file.kind, "stages": [stage._asdict() for stage in file.stages]}
        for file in found.files
    ]
    return {"patch": found.patch, "files": files, "diff": found.diff}


def _leaving(history: Optional[History], request: Optional[Request], status: str) -> Optional[Dict[str, Any]]:
    """What a release would take out of the branch; a merge takes nothing."""
    if history is None or request is None or request.strategy == MERGE or status == "noop":
        return None
    if not history.leaving:
        return None
    shown = [{"sha": c.sha, "subject": c.subject[:500]} for c in history.leaving[:MAX_LEAVING]]
    return {"number": len(history.leaving), "commits": shown}


def _bundle(bundle: Optional[Bundle]) -> Optional[Dict[str, Any]]:
    if bundle is None:
        return None
    return {
        "ref": bundle.ref,
        "tip": bundle.tip,
        "prerequisites": list(bundle.prerequisites),
        "parts": [part._asdict() for part in bundle.parts],
    }
