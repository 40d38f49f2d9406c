"""Run a fork's own workflow files for real: `act` in host mode, offline, one process a job.

The file that is run is the file of the ref, not a copy of its steps. What GitHub's own service does around
the jobs is done here: which job goes when, `if`, matrix, names, permissions and tokens, concurrency, time
limits, cancelling. What a job's steps do, with all their expressions, is act's.

**Each job's token is its own.** act knows one GITHUB_TOKEN a process, so each job, and each leg of a
matrix, gets an act process of its own with exactly its token: `github.token`, `secrets.GITHUB_TOKEN`,
`toJSON(github)` or an action's default input, all give this job's token and no other. It is minted when the
job starts (`RunSink. job_started`) with the permissions that the file gives that job, and revoked when it
ends. No text of the file is rewritten for this; the needed jobs are stand-ins with the same result and
outputs (see `legfile`).

Faithful: `needs`, outputs, dynamic matrices (`fromJSON`), fail-fast, max-parallel, `if` with status
functions over all ancestors, per-job permissions (`{}` gives none; a pull request from elsewhere never
writes), run id, attempt, number, server and API addresses, event payload, annotations with GitHub's limits,
step results, masking, an environment's secrets, `run-name`, workflow concurrency, `timeout-minutes` of
jobs, actions/checkout (our own, over HTTP with the job's token), actions/upload-artifact (our own, to an
address that the job alone has), local actions.

Not faithful: jobs share this machine's files, its network and (where the system allows no namespaces) see
each other's processes; a cancelled run is killed at once and its `always()` steps don't run; job-level
concurrency, an environment's rules, OIDC, `vars` and caches don't exist; the stand-in of a cancelled job
says `failure` to steps; contexts that act doesn't fill (`github.triggering_actor`, `strategy.job-index`)
are empty in steps. Refused with a failed job that says why: other actions than these two, reusable
workflows, containers, Windows, macOS.
"""

try:
    import yaml  # noqa: F401 - only to say early what to install
except ImportError as problem:
    raise ImportError("the local GitHub needs PyYAML: install the extra, patch-app[demo]") from problem

from patch_app.forge.actions.nodes import WorkflowError
from patch_app.forge.actions.run import github_context
from patch_app.forge.actions.runner import ActionsRunner, run_name
from patch_app.forge.actions.triggers import skips_ci, triggers
from patch_app.forge.actions.workflow import dispatch_inputs, load

__all__ = [
    "ActionsRunner",
    "WorkflowError",
    "dispatch_inputs",
    "github_context",
    "load",
    "run_name",
    "skips_ci",
    "triggers",
]
