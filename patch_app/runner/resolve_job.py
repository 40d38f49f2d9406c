"""The job that asks the fork's resolver: it carries up to each conflict, runs the command there, hands on.

It may not write to any remote. The command and what it starts are foreign to us and get the fork's own
credential for it, and never one of the App. Its answers are data for the next job, which judges them again.
"""

from __future__ import annotations

import json
import os
import time
from typing import Callable, Dict, List, Mapping, Optional, Tuple

from . import check_job, checks, diff, resolver, stopped
from .answers import Answer, pack
from .commit import parse
from .conflict import changed
from .fetch import Fetcher, commit_objects
from .git import Git, GitError, Scrubber
from .job import Runner
from .merge import Merger
from .records import Check, Merge, Patch, Problem, Request, Resolver, text
from .resolutions import Replayed
from .resolver import Settler
from .stopped import StoppedTree
from .workspace import Workspace

KEY = "PATCH_APP_RESOLVER_KEY"
MAX_CONFLICTS = 10
MAX_SECONDS = 5 * 3600  # for all conflicts; a job on a hosted runner ends after six hours
SAID_HEAD, SAID_TAIL = 2_000, 10_000  # bytes of what is said about one conflict

Clock = Callable[[], float]


class Asking(Settler):
    """Runs the resolver's command at each conflict, and keeps the answers."""

    def __init__(
        self,
        workspace: Workspace,
        request: Request,
        resolver: Resolver,
        key: Optional[str],
        clock: Clock = time.monotonic,
    ) -> None:
        self._workspace = workspace
        self._request = request
        self._resolver = resolver
        self._key = key
        self._keys = lines_of(key or "")
        self._scrub = Scrubber([key or "", *self._keys])
        self._clock = clock
        self._until = clock() + MAX_SECONDS
        self.answers: List[Answer] = []
        self.said = ""

    def settle(self, merger: Merger, patch: Patch, merged: Merge, tip: str) -> Replayed:
        """As Settler has it. Whatever goes wrong is an answer with a problem, and the conflict stays."""
        repository, judged = merger.repository, Replayed(None)
        try:
            found = self._ask(repository, patch, merged, tip)
            if found.result is not None:
                judged = resolver.taken(
                    repository, merged, found.result, self._request, self._resolver, kept=found.kept
                )
                found = self._with_patch(repository, found, judged)
        except (GitError, OSError, Problem) as error:
            found = Answer(patch.old, merged.tree, "it could not be asked: %s" % error)
        if found.problem is not None:
            found = found._replace(problem=self._scrub(found.problem))
        self.answers.append(found)
        return judged if found.result else resolver.refused(self._resolver, found.problem or "")

    def _with_patch(self, repository: Git, answer: Answer, judged: Replayed) -> Answer:
        """The answer with the patch that is handed on; that it was refused, or has the key in it, is one."""
        if judged.tree is None:
            return Answer(answer.patch, answer.conflict, judged.notes[0].partition(": ")[2])
        changes = diff.raw(repository, answer.conflict, judged.tree, renames=False)
        made = [one.path for one in changes]
        made += commit_objects(repository, resolver.new_blobs(changes)).values()
        if any(key.encode() in content for key in self._keys for content in made):
            return Answer(answer.patch, answer.conflict, "its patch holds its own credential")
        return answer._replace(diff=stopped.patch(repository, answer.conflict, judged.tree))

    def _ask(self, repository: Git, patch: Patch, merged: Merge, tip: str) -> Answer:
        answer = Answer(patch.old, merged.tree)
        if len(self.answers) >= MAX_CONFLICTS or self._clock() + self._resolver.timeout > self._until:
            return answer._replace(
                problem="it was asked about %d before, and a run has room for no more" % len(self.answers)
            )
        conflicts, problem = resolver.parts(repository, merged, self._request, self._resolver)
        if conflicts is None:
            return answer._replace(problem=problem)
        Fetcher(self._workspace).blobs(
            repository, stopped.missing(repository, merged.tree, self._request.stack)
        )
        directory = self._workspace.path("conflict-%d" % len(self.answers))
        os.mkdir(directory)
        tree = StoppedTree(repository, os.path.join(directory, "tree"), merged, self._is_hidden)
        try:
            tree.write(tip, *self._stopped_at(patch, tip))
            given = self._given(repository, directory, patch, [*conflicts.files, *conflicts.others])
            outcome = self._run(patch, tree.directory, given)
            if outcome.timed_out:
                return answer._replace(problem="it took longer than %d s" % self._resolver.timeout)
            if outcome.exit:
                return answer._replace(problem="it ended with %d" % outcome.exit)
            result, kept = tree.read()
        finally:
            tree.remove()
        return answer._replace(result=result, kept=kept)

    def _is_hidden(self, path: bytes) -> bool:
        return resolver.is_hidden(path, self._resolver)

    def _stopped_at(self, patch: Patch, tip: str) -> Tuple[Tuple[str, str], bytes]:
        """What is picked, or merged where the patch is the stack itself, with the message for it."""
        if patch.old == tip:
            message = "Merge %s into %s\n" % (self._request.target_name, self._request.branch)
            return ("MERGE_HEAD", self._request.target), message.encode()
        return ("CHERRY_PICK_HEAD", patch.old), parse(patch.raw).message

    def _given(self, repository: Git, directory: str, patch: Patch, paths: List[bytes]) -> Dict[str, str]:
        """Variables for the command; the files that they name lie outside of the tree."""
        request = self._request
        about = {
            "patch": {"commit": patch.old, "subject": patch.subject, "author": patch.author},
            "release": {"name": request.target_name, "commit": request.target},
            "branch": request.branch,
            "paths": [text(path) for path in paths],
            "also_allowed": list(self._resolver.paths),
        }
        shown = changed(repository, patch.before, patch.after, [one.path for one in patch.changes])
        contents = {
            "INSTRUCTIONS": self._resolver.instructions,
            "CONFLICT": json.dumps(about, indent=1) + "\n",
            "PATCH": shown,
        }
        given = {KEY: self._key} if self._key else {}
        for name, content in contents.items():
            given["PATCH_APP_" + name] = path = os.path.join(directory, name.lower())
            with open(path, "w", encoding="utf-8", errors="backslashreplace") as file:
                file.write(content)
        return given

    def _run(self, patch: Patch, directory: str, given: Mapping[str, str]) -> checks.Outcome:
        command = Check(self._resolver.name, self._resolver.run, ".", self._resolver.timeout)
        outcome = check_job.run_loud(command, directory, given)
        log = checks.Log(SAID_HEAD, SAID_TAIL)
        # scrubbed before it is cut: half a key would not be found
        log.add(self._scrub(outcome.log).encode("utf-8", "backslashreplace"))
        self.said += "== %s %s\n%s\n" % (patch.old[:12], patch.subject, log.text().rstrip())
        return outcome


def lines_of(key: str) -> List[str]:
    """What of a credential must not get out: all of it, and each line that is no mere bracket."""
    lines = [line.strip() for line in key.splitlines()]
    return [
        line
        for line in dict.fromkeys([key.strip(), *lines])
        if line and (line == key.strip() or len(line) > 7)
    ]


def run(workspace: Workspace, request: Request, key: Optional[str]) -> str:
    """Carries with the resolver at hand; its answers for the next job, on one line.

    Raises:
        Problem: where the request has no resolver, or the carry fails in another way than by a conflict.
    """
    if request.resolver is None:
        raise Problem("resolver", "the request has no resolver")
    asking = Asking(workspace, request, request.resolver, key)
    job = Runner(workspace, request, with_bundle=False, resolver=asking).run()
    if job.report["error"] is not None:
        raise Problem(job.report["error"]["stage"], job.report["error"]["message"])
    return pack(asking.answers, asking.said)
