"""A GitHub of a few dictionaries, to run `decide` against: it shows facts and takes effects. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from patch_app.core import commands, names, proving
from patch_app.core.asks import ANSWER
from patch_app.core.attempt import Approval, Attempt, Check, Failure, PatchBranch, Stage
from patch_app.core.configuration import Configuration
from patch_app.core.decide import decide
from patch_app.core.effects import (
    UNFINISHED,
    Close,
    Comment,
    Dispatch,
    Draft,
    Effect,
    EffectState,
    Land,
    OpenIssue,
    OpenPullRequest,
    Performed,
    PinTarget,
    PutCheckRun,
    Record,
    Relay,
    Rerun,
    UpdateRefs,
    key,
)
from patch_app.core.facts import (
    Ask,
    Facts,
    Inbox,
    Job,
    Preflight,
    PullRequest,
    Review,
    Rules,
    RunFact,
    Sibling,
    Workflow,
)
from patch_app.core.gate import Finding
from patch_app.core.proof import Proof
from patch_app.core.report import Report
from patch_app.core.rules import Incoming
from patch_app.core.vitals import Vitals
from patch_app.core.vouch import By, CarryLog, Claims, Token

START = datetime(2026, 11, 21, 12, tzinfo=UTC)


def oid(text: str) -> str:
    """A made-up commit id that can be told by its first letters."""
    return (text.encode().hex() + "0" * 40)[:40]


BASE, TARGET, HEAD = oid("base"), oid("target"), oid("head")
STACK = (oid("p1"), oid("p2"))
CARRIED = (oid("n1"), oid("n2"))
PARTIAL = CARRIED[:1]
LANDING = oid("landing")
BLOB, OTHER_BLOB, RUNNER, INBOX = oid("blob"), oid("other blob"), oid("runner"), oid("inbox")
APP, APP_ID = "patch-app", 4711


def check_job(
    name: str, conclusion: str | None = "success", *, number: int = 9, attempt: int = 1, called: str = ""
) -> Job:
    """The job of a configured check, or one that somebody has `called` otherwise."""
    return Job(
        id=number,
        name=called or f"check {name}",
        status="completed" if conclusion else "in_progress",
        conclusion=conclusion,
        attempt=attempt,
        steps=("Set up job", names.RUNNER_STEP, names.check_step(name)),
    )


def carry_job(attempt: int = 1, *, status: str = "completed", called: str = "carry") -> Job:
    """The job that carries."""
    return Job(
        id=70 + attempt,
        name=called,
        status=status,
        conclusion="success" if status == "completed" else None,
        attempt=attempt,
        steps=("Set up job", names.RUNNER_STEP, names.CARRY_STEP),
    )


def claims(attempt: Attempt, commit: str = INBOX, **changes: object) -> Claims:
    """What a token of the carry says; `commit`: the inbox commit that it is for."""
    where = f"{attempt.repository}/{names.WORKFLOW_PATH}@refs/heads/main"
    said: dict[str, object] = {
        "key": "key-1",
        "audience": names.audience(APP_ID, attempt.id, commit),
        "issued": int(START.timestamp()),
        "repository": attempt.repository,
        "repository_id": str(attempt.repository_id),
        "run_id": "7",
        "run_attempt": "1",
        "event_name": "workflow_dispatch",
        "workflow_ref": where,
        "workflow_sha": HEAD,
        "job_workflow_ref": where,
    }
    return Claims.model_validate(said | changes)


def report(attempt: str, *, conflict: bool = False, stack_head: str = HEAD, run_attempt: int = 1) -> Report:
    """What a good runner says about two patches, the second of which may conflict."""
    ref = names.candidate_ref(attempt)
    new: tuple[str | None, ...] = (CARRIED[0], None) if conflict else CARRIED
    tip = CARRIED[0] if conflict else CARRIED[1]
    return Report.model_validate(
        {
            "schema": 1,
            "status": "conflict" if conflict else "clean",
            "attempt": attempt,
            "run": {"id": 7, "attempt": run_attempt},
            "stack": {"branch": "main", "sha": stack_head, "ahead": 2, "behind": 3},
            "base": BASE,
            "target": {"name": "v2.0.0", "sha": TARGET},
            "patches": [
                {
                    "old": old,
                    "new": one,
                    "subject": f"Patch {number}",
                    "author": "Ann <ann@example.org>",
                    "verdict": "clean" if one else "conflicted",
                    "paths": ["a.txt"],
                    "upstream_commits": [],
                    "note": None,
                }
                for number, (old, one) in enumerate(zip(STACK, new, strict=True), 1)
            ],
            "candidate": None if conflict else {"sha": tip, "tree": oid("tree"), "ref": ref},
            "partial": {"sha": tip, "ref": ref} if conflict else None,
            "conflict": {
                "patch": STACK[1],
                "files": [{"path": "a.txt", "kind": "content", "stages": []}],
                "diff": "@@ -1 +1 @@\n-a\n+b\n",
            }
            if conflict
            else None,
            "installed": None,
            "merges": [],
            "notes": [],
            "other_bases": [],
            "added": [],
            "start": None,
            "range_diff": None,
            "bundle": {
                "ref": ref,
                "tip": tip,
                "prerequisites": [BASE],
                "parts": [{"path": "candidate.bundle", "size": 10, "sha256": "0" * 64}],
            },
            "checks": [],
            "network": {"received_bytes": 1, "sent_bytes": 1, "requests": 1},
            "seconds": {},
            "git_version": "2.39.5",
            "error": None,
        }
    )


@dataclass
class World:
    """The attempt, the fork as it is, and everything that was moved on it, in order."""

    attempt: Attempt = field(
        default_factory=lambda: Attempt(
            id="attempt00001",
            event="event0000001",
            installation_id=1,
            repository_id=2,
            repository="alice/tool",
            upstream="up/tool",
            tag="v2.0.0",
            stack="main",
            created=START,
            updated=START,
        )
    )
    now: datetime = START
    refs: dict[str, str] = field(default_factory=lambda: {"refs/heads/main": HEAD})
    tag: str | None = TARGET
    vitals: Vitals | None = None
    configuration: Configuration = field(default_factory=Configuration)
    conflict: bool = False
    shares_objects: bool = False
    workflow_blob: str | None = BLOB
    run_blob: str = BLOB
    run: str | None = None
    run_attempt: int = 1
    # where the inbox has the report; None: under the run's own attempt
    inbox_attempt: int | None = None
    run_actor: str = f"{APP}[bot]"
    # commits that a token, or the lines of a log, are for
    vouches: tuple[str, ...] = (INBOX,)
    by: By = By.SIGNATURE
    # what is there of a token otherwise
    token: Token | None = None
    log: CarryLog | None = None
    claim: Report | None = None
    jobs: tuple[Job, ...] = ()
    gate: tuple[Finding, ...] = ()
    has_issues: bool = True
    # why the server can't prove the candidate
    unproved: str | None = None
    pull_request: PullRequest | None = None
    pulls: int = 0
    reviews: tuple[Review, ...] = ()
    checks: tuple[Check, ...] = ()
    rules: Rules = field(default_factory=Rules)
    incoming: Incoming | None = None
    pushers: tuple[str, ...] = ()
    refuse: dict[str, str] = field(default_factory=dict)
    # what comes with such a message
    refused_with: dict[str, object] = field(default_factory=dict)
    # why the fork took no report, as the run's log says
    turned_away: str = ""
    # why the App can't read the fork, as after a suspension
    gone: str | None = None
    # what GitHub shows of a report's other claims
    installed: tuple[str, ...] = ()
    nothing_to_carry: bool | None = None
    asks: tuple[Ask, ...] = ()
    failures: tuple[Failure, ...] = ()
    same_tree: tuple[str, ...] = ()
    workflow_changes: tuple[str, ...] = ()
    effects: dict[str, Performed] = field(default_factory=dict)
    moves: list[tuple[str, str, str, tuple[Approval, ...]]] = field(default_factory=list)
    replays: int = 0
    # what the last replay goes on from
    pushed: str | None = None
    # what GitHub shows of what this attempt goes on from
    pushed_commits: tuple[str, ...] | None = None
    pushed_stands: bool = True
    # the maintained branch has the target
    contained: bool = False
    # the candidate, once somebody has pushed on top of the promoted branch
    promoted_under: str | None = None
    stack_merges: tuple[str, ...] = ()
    start_holds: bool = True
    siblings: tuple[Sibling, ...] = ()
    # the pull request onto the maintained branch, and whether that has its commit
    landing: PullRequest | None = None
    landed: bool = False
    # the patch branches, what GitHub shows of them, and what was built of their commits before
    patches: tuple[PatchBranch, ...] | None = None
    patch_commits: dict[str, tuple[str, ...]] | None = None
    unlike: tuple[str, ...] = ()
    built: dict[str, str] = field(default_factory=dict)

    # What people and runners do -------------------------------------------------------------------

    def approve(self, commit: str | None = None, *, person: str = "bob", permission: str = "write") -> None:
        one = Review(
            person=person,
            bot=False,
            permission=permission,
            state="APPROVED",
            commit=commit or self.attempt.candidate or "",
        )
        self.reviews = (*(r for r in self.reviews if r.person != person), one)

    def ask(self, text: str, *, person: str = "bob", permission: str = "write") -> None:
        """A comment with commands."""
        number = len(self.asks) + 1
        one = Ask(
            id=f"comment:{number}",
            person=person,
            permission=permission,
            commands=commands.parse(text),
            number=1,
            comment=number,
        )
        self.asks = (*self.asks, one)

    @property
    def answers(self) -> list[str]:
        """What the App has answered, oldest first."""
        told = [one.effect for one in self.effects.values()]
        return [one.body for one in told if isinstance(one, Comment) and ANSWER in one.marker]

    def push(self, ref: str, value: str) -> None:
        """A person's commit on top of what is there."""
        if self.maintained_moves:
            self.promoted_under = self.maintained_moves[-1][2]
        self.refs[ref] = value

    def merge(self, how: str = "merge") -> None:
        """A person merges the pull request onto the maintained branch, or closes it."""
        assert self.landing is not None
        merged = how != "close"
        self.landing = self.landing.model_copy(update={"open": False, "merged": merged})
        self.landed = self.landed or how == "merge"
        if merged:
            self.refs["refs/heads/main"] = oid(how)

    def run_ends(self) -> None:
        self.run = "completed"

    def retry(self) -> None:
        """A person's retry, as the engine takes it: what GitHub refused is forgotten."""
        for name, one in self.effects.items():
            if one.state is EffectState.REFUSED:
                self.effects[name] = one.model_copy(update={"state": EffectState.DROPPED})

    def wait(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    # What decide sees -----------------------------------------------------------------------------

    def facts(self) -> Facts:
        head = self.refs.get("refs/heads/main", names.ZERO)
        claim = self.claim or (
            report(self.attempt.id, conflict=self.conflict, run_attempt=self.run_attempt)
            if self.run
            else None
        )
        inbox = (
            (
                Inbox(
                    ref=f"{names.inbox_prefix(self.attempt.id)}{self.inbox_attempt or self.run_attempt}",
                    commit=INBOX,
                    report=claim,
                    token=self._token(),
                ),
            )
            if claim and self.run == "completed"
            else ()
        )
        return Facts(
            now=self.now,
            gone=self.gone,
            app_slug=APP,
            app_id=APP_ID,
            has_issues=self.has_issues,
            upstream_git_url="https://example.org/up/tool.git",
            preflight=Preflight(
                default_branch="main",
                workflow=Workflow(
                    blob=self.workflow_blob,
                    state="active",
                    runner=RUNNER,
                    expected_blob=BLOB,
                    other_blob=OTHER_BLOB,
                    expected_runner=RUNNER,
                ),
                configuration=self.configuration,
                target=self.tag,
                built=self.built,
                vitals=self.vitals,
            ),
            patches=self.patches,
            patch_commits=self.patch_commits,
            unlike=self.unlike,
            refs=dict(self.refs),
            target=self.tag,
            descends=head in (oid("later"), oid("squash")) and self.promoted_under is None,
            has_landing=self.landed if head not in (HEAD, names.ZERO) else None,
            landing=self.landing,
            has_candidate=self.promoted_under is not None and head == oid("later"),
            contained=self.contained,
            runs=self._runs(),
            inbox=inbox,
            stack_commits=STACK,
            stack_merges=self.stack_merges,
            start_holds=self.start_holds,
            pushed_commits=self.pushed_commits,
            pushed_stands=self.pushed_stands,
            siblings=self.siblings,
            base_is_upstream=True,
            installed=self.installed,
            nothing_to_carry=self.nothing_to_carry,
            gate=self.gate,
            proof=self._proof(),
            pull_request=self.pull_request,
            reviews=self.reviews,
            checks=self.checks,
            rules=self.rules,
            incoming=self.incoming,
            pushers=self.pushers,
            asks=self.asks,
            failures=self.failures,
            same_tree=self.same_tree,
            workflow_changes=self.workflow_changes,
            effects=self.effects,
        )

    def _proof(self) -> Proof | None:
        if not proving.due(self.attempt, self.now) or self.attempt.candidate is None:
            return None
        return Proof(candidate=self.attempt.candidate, patches=2, problem=self.unproved, at=self.now)

    @property
    def _number(self) -> int:
        """The run attempt in which the carry ran."""
        return self.inbox_attempt or self.run_attempt

    def _token(self) -> Token | None:
        if self.token is not None or self.by is By.LOG or not self.vouches:
            return self.token
        made = claims(self.attempt, self.vouches[0], run_attempt=str(self._number))
        return Token(claims=made)

    def _runs(self) -> tuple[RunFact, ...]:
        if self.run is None:
            return ()
        done = self.run == "completed"
        return (
            RunFact(
                id=7,
                attempt=self.run_attempt,
                name=names.run_name(self.attempt.id),
                path=names.WORKFLOW_PATH,
                event="workflow_dispatch",
                head_sha=HEAD,
                actor=self.run_actor,
                status=self.run,
                conclusion=("failure" if self.turned_away else "success") if done else None,
                url="https://example.org/run/7",
                workflow_blob=self.run_blob,
                created=START,
                started=START,
                updated=self.now,
                jobs=(carry_job(self._number, status="completed" if done else "in_progress"), *self.jobs),
                log=self.log
                or CarryLog(
                    job=70 + self._number,
                    commits=self.vouches if self.by is By.LOG else (),
                    refused=(self.turned_away,) if self.turned_away else (),
                ),
            ),
        )

    # Going on -------------------------------------------------------------------------------------

    def settle(self, steps: int = 40) -> Stage:
        """Decide and perform until nothing changes; fails where it never comes to rest."""
        for _ in range(steps):
            if not self.step():
                return self.attempt.stage
        raise AssertionError(f"no rest after {steps} steps: {self.attempt.stage}: {self.attempt.message}")

    def step(self) -> bool:
        for name, one in list(self.effects.items()):
            if one.state in UNFINISHED:
                self.effects[name] = self._perform(one)
        decision = decide(self.attempt, self.facts())
        new = {key(one): one for one in decision.effects if key(one) not in self.effects}
        if decision.attempt == self.attempt and not new:
            return False
        if decision.forgive:
            self.retry()
        self.replays += decision.replay
        self.pushed = decision.pushed or self.pushed
        self.attempt = decision.attempt.model_copy(
            update={"version": self.attempt.version + 1, "updated": self.now}
        )
        for name, effect in new.items():
            self.effects[name] = Performed(key=name, effect=effect, state=EffectState.PENDING)
        return True

    def _perform(self, one: Performed) -> Performed:
        purpose = getattr(one.effect, "purpose", one.effect.kind)
        if purpose in self.refuse:
            said = {"message": self.refuse[purpose], **self.refused_with}
            return one.model_copy(update={"state": EffectState.REFUSED, "outcome": said})
        state, outcome = self._do(one.effect)
        return one.model_copy(update={"state": state, "outcome": outcome})

    def _do(self, effect: Effect) -> tuple[EffectState, dict[str, object]]:
        match effect:
            case PinTarget(ref=ref, target=target):
                if not self.shares_objects:
                    return EffectState.REFUSED, {"message": "Object does not exist"}
                self.refs[ref] = target
            case Dispatch():
                self.run = "in_progress"
                return EffectState.DONE, {"run_id": 7, "url": "https://example.org/run/7"}
            case Relay(changes=changes) | UpdateRefs(changes=changes):
                if any(self.refs.get(c.ref, names.ZERO) != c.before for c in changes):
                    return EffectState.REFUSED, {"message": "a ref moved", "moved": True}
                for change in changes:
                    self.moves.append((change.ref, change.before, change.after, self.attempt.approvals))
                    self.refs[change.ref] = change.after
                    if change.after == names.ZERO:
                        del self.refs[change.ref]
            case Land(ref=ref, before=before):
                if self.refs.get(ref, names.ZERO) not in (before, LANDING):
                    return EffectState.REFUSED, {"message": "a ref moved", "moved": True}
                self.refs[ref] = LANDING
                return EffectState.DONE, {"commit": LANDING}
            case OpenPullRequest(head=head, base="main"):
                self.pulls += 1
                url = f"https://example.org/pull/{self.pulls}"
                self.landing = PullRequest(
                    number=self.pulls, url=url, open=True, merged=False, head=LANDING, base=HEAD, into="main"
                )
                assert self.refs[f"refs/heads/{head}"] == LANDING
                return EffectState.DONE, {"number": self.pulls, "url": url}
            case Close(subject="pull_request", number=number) if (
                self.landing and number == self.landing.number
            ):
                self.landing = self.landing.model_copy(update={"open": False})
            case OpenPullRequest(head=head):
                known = self.pull_request
                if known is None or known.merged:
                    self.pulls += 1
                    known = None
                self.pull_request = known or PullRequest(
                    number=self.pulls,
                    url=f"https://example.org/pull/{self.pulls}",
                    open=True,
                    merged=False,
                    head=self.refs[f"refs/heads/{head}"],
                    base=TARGET,
                    into=names.base_branch("main", "v2.0.0"),
                )
                number = self.pull_request.number
                return EffectState.DONE, {"number": number, "url": f"https://example.org/pull/{number}"}
            case Draft(draft=draft) if self.pull_request:
                self.pull_request = self.pull_request.model_copy(update={"draft": draft})
            case OpenIssue():
                return EffectState.DONE, {"number": 2, "url": "https://example.org/issues/2"}
            case Rerun():
                self.run, self.run_attempt = "in_progress", self.run_attempt + 1
            case Record(ref=ref):
                self.refs[ref] = oid("recorded")
                return EffectState.DONE, {"commit": oid("recorded")}
            case PutCheckRun():
                return EffectState.DONE, {"id": 3, "url": "https://example.org/check/3"}
            case Close(subject="pull_request") if self.pull_request:
                self.pull_request = self.pull_request.model_copy(update={"open": False})
            case _:
                pass
        return EffectState.DONE, {}

    @property
    def maintained_moves(self) -> list[tuple[str, str, str, tuple[Approval, ...]]]:
        return [move for move in self.moves if move[0] == "refs/heads/main"]
