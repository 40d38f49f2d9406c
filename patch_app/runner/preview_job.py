"""The preview job: what would become of the patches on some releases. Reads, and hands nothing over.

Its requests lie in a commit on the fork, since a pull request's workflow has no inputs. Anybody who can push
can write that commit: each request is checked like a run's own, the job may only read, and it executes
nothing out of either tree.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any, Dict, List, Mapping

from . import deliver, request, summary
from .fetch import Fetcher
from .git import Git, GitError
from .job import Runner
from .records import Problem, Request
from .workspace import Workspace

TITLE = "patch-app-preview"
FILE = "requests.json"
MAX_BYTES = 256 * 1024
MOST = 3
KEY = "PATCH_APP_REQUESTS"


def requests(workspace: Workspace, ref: str) -> List[Request]:
    """The requests at a ref of ours on the fork. Raises Problem."""
    if not request.ref_name(ref, KEY).startswith("refs/patch-app/"):
        raise Problem("request", KEY + " must be a ref below refs/patch-app/")
    repository = workspace.repository("requests", "sha1")
    name = "refs/requests:" + FILE
    try:
        _fetch(Fetcher(workspace), repository, ref)
        if int(repository.line("cat-file", "-s", name)) > MAX_BYTES:
            raise Problem("request", "the preview's requests are longer than %d bytes" % MAX_BYTES)
        data = json.loads(repository.run("cat-file", "blob", name))
    except GitError as error:
        raise Problem(
            "request", "the preview's requests could not be read from %s: %s" % (ref, error)
        ) from error
    except (ValueError, RecursionError) as error:
        raise Problem("request", "the preview's requests are no JSON: %s" % error) from None
    if not isinstance(data, list) or len(data) > MOST:
        raise Problem("request", "a preview has at most %d requests" % MOST)
    return [request.parse(json.dumps(one)) for one in data]


def _fetch(fetcher: Fetcher, repository: Git, ref: str) -> None:
    """From the ref, or the branch that stands for it where the fork's GitHub takes no such ref."""
    try:
        fetcher.fetch(repository, "fork", ["+%s:refs/requests" % ref], "--depth=1")
    except GitError as error:
        try:
            fetcher.fetch(repository, "fork", ["+%s:refs/requests" % deliver.branch_of(ref)], "--depth=1")
        except GitError:
            raise error from None


def notice(number: int, parsed: Request, report: Dict[str, Any]) -> str:
    """What the App reads, as an annotation: words and numbers of ours, and ids; no text out of a
    repository.
    """
    stopped = next((one["old"] for one in report["patches"] if one["verdict"] == "conflicted"), None)
    said = {
        "number": number,
        "target": parsed.target,
        "status": report["status"],
        "verdicts": dict(sorted(Counter(one["verdict"] for one in report["patches"]).items())),
        "conflict": stopped,
        "stage": report["error"]["stage"] if report["error"] else None,
        "leaving": report["leaving"]["number"] if report["leaving"] else 0,
    }
    return "::notice title=%s::%s" % (TITLE, json.dumps(said, separators=(",", ":")))


def run(environment: Mapping[str, str], url: str, token: str, say: Any, write: Any) -> None:
    """Carries onto each release, and says what came of it with `say` (lines) and `write` (the summary)."""
    parent = environment.get("RUNNER_TEMP") or None
    with Workspace(url, url, token=token or None, parent=parent) as workspace:
        wanted = requests(workspace, environment.get(KEY, ""))
    for number, one in enumerate(wanted):
        with Workspace(url, one.upstream, token=token or None, parent=parent) as workspace:
            report = Runner(workspace, one, with_bundle=False).run().report
        say(notice(number, one, report))
        write(summary.markdown(report))
