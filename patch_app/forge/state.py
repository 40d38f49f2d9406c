"""The records of the local GitHub: what a snapshot holds.

Its job: plain dataclasses and the few look-ups by name. It refuses to do I/O, to check permissions and
to build answers. Object ids come from one counter, so that no two things share one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from patch_app.forge.state_runs import Artifact, CheckRun, CheckSuite, Run, Status, Workflow

Json = dict[str, Any]
Role = Literal["none", "read", "triage", "write", "maintain", "admin"]
ROLES: tuple[Role, ...] = ("none", "read", "triage", "write", "maintain", "admin")


@dataclass(kw_only=True)
class Account:
    """A person, an organisation, or an App's bot."""

    id: int
    login: str
    type: Literal["User", "Organization", "Bot"]
    created_at: datetime
    # organisations: login -> "owner" or "member"
    members: dict[str, str] = field(default_factory=dict)


@dataclass(kw_only=True)
class Reaction:
    """A reaction on a comment or an issue."""

    id: int
    user: str
    content: str
    created_at: datetime


@dataclass(kw_only=True)
class Comment:
    """A comment in the conversation of an issue or pull request."""

    id: int
    user: str
    body: str
    created_at: datetime
    updated_at: datetime
    app_id: int | None = None
    reactions: list[Reaction] = field(default_factory=list)
    # why it is folded, as the schema's classifier has it
    minimized: str | None = None


@dataclass(kw_only=True)
class Review:
    """A submitted review. `commit_id` is the head that it was given on, and stays."""

    id: int
    user: str
    body: str
    state: Literal["APPROVED", "CHANGES_REQUESTED", "COMMENTED", "DISMISSED"]
    commit_id: str
    submitted_at: datetime


@dataclass(kw_only=True)
class Thread:
    """A conversation on a line of a pull request."""

    id: int
    user: str
    path: str
    line: int
    resolved: bool = False


@dataclass(kw_only=True)
class Activity:
    """What GitHub remembers of a branch's move, whoever wrote the commits."""

    id: int
    ref: str
    before: str
    after: str
    kind: str
    actor: str
    at: datetime


@dataclass(kw_only=True)
class Pull:
    """What a pull request has beyond an issue. `head_repo` is a repository id."""

    head_repo: int
    head_ref: str
    head_sha: str
    base_ref: str
    base_sha: str
    draft: bool = False
    merged_at: datetime | None = None
    merged_by: str | None = None
    merge_commit_sha: str | None = None
    mergeable: bool | None = None
    maintainer_can_modify: bool = False
    reviews: list[Review] = field(default_factory=list)
    threads: list[Thread] = field(default_factory=list)
    # of its timeline what happened to its base: types of GraphQL's timeline items
    base_events: list[str] = field(default_factory=list)


@dataclass(kw_only=True)
class Label:
    """A label of a repository."""

    id: int
    name: str
    color: str = "ededed"
    description: str | None = None


@dataclass(kw_only=True)
class Issue:
    """An issue; a pull request where `pull` is set."""

    id: int
    number: int
    title: str
    body: str | None
    user: str
    created_at: datetime
    updated_at: datetime
    state: Literal["open", "closed"] = "open"
    state_reason: str | None = None
    closed_at: datetime | None = None
    closed_by: str | None = None
    app_id: int | None = None
    labels: list[str] = field(default_factory=list)
    assignees: list[str] = field(default_factory=list)
    comments: list[Comment] = field(default_factory=list)
    reactions: list[Reaction] = field(default_factory=list)
    pull: Pull | None = None


@dataclass(kw_only=True)
class Release:
    """A release; its tag may appear only when it is published."""

    id: int
    tag_name: str
    target_commitish: str
    name: str | None
    body: str | None
    draft: bool
    prerelease: bool
    author: str
    created_at: datetime
    published_at: datetime | None


@dataclass(kw_only=True)
class Repository:
    """A repository; its Git side is `<data>/repositories/<id>.git`."""

    id: int
    owner: str
    name: str
    private: bool
    default_branch: str
    created_at: datetime
    updated_at: datetime
    pushed_at: datetime
    description: str | None = None
    parent: int | None = None
    has_issues: bool = True
    archived: bool = False
    actions_enabled: bool = True
    # what a token may do where a workflow says nothing; `read` in new repositories
    default_workflow_permissions: str = "read"
    allow_merge_commit: bool = True
    allow_squash_merge: bool = True
    allow_rebase_merge: bool = True
    delete_branch_on_merge: bool = False
    next_number: int = 1
    collaborators: dict[str, Role] = field(default_factory=dict)
    # branch -> rules in the form of the API: {"type": ..., "parameters": {...}}
    rules: dict[str, list[Json]] = field(default_factory=dict)
    # branch -> slugs of Apps and logins that the rules don't hold
    bypass: dict[str, list[str]] = field(default_factory=dict)
    # name of an environment in lower case -> its secrets
    secrets: dict[str, dict[str, str]] = field(default_factory=dict)
    labels: dict[str, Label] = field(default_factory=dict)
    issues: dict[int, Issue] = field(default_factory=dict)
    releases: dict[int, Release] = field(default_factory=dict)
    statuses: list[Status] = field(default_factory=list)
    suites: dict[int, CheckSuite] = field(default_factory=dict)
    checks: dict[int, CheckRun] = field(default_factory=dict)
    workflows: dict[int, Workflow] = field(default_factory=dict)
    runs: dict[int, Run] = field(default_factory=dict)
    artifacts: dict[int, Artifact] = field(default_factory=dict)
    activities: list[Activity] = field(default_factory=list)

    @property
    def full_name(self) -> str:
        """owner/name."""
        return f"{self.owner}/{self.name}"


@dataclass(kw_only=True)
class App:
    """A GitHub App. Only the public half of its key is kept."""

    id: int
    slug: str
    name: str
    owner: str
    client_id: str
    public_key: str
    webhook_url: str | None
    webhook_secret: str | None = field(repr=False)
    permissions: dict[str, str]
    events: list[str]
    description: str | None
    external_url: str
    created_at: datetime
    updated_at: datetime
    setup_url: str | None = None


@dataclass(kw_only=True)
class Installation:
    """An App on an account. `repositories` None: all of the account."""

    id: int
    app_id: int
    account: str
    repositories: list[int] | None
    # what the account accepted; the App may ask for more
    permissions: dict[str, str]
    events: list[str]
    created_at: datetime
    updated_at: datetime
    suspended_at: datetime | None = None
    suspended_by: str | None = None


@dataclass(kw_only=True)
class Token:
    """A token by its SHA-256; the token itself is never kept."""

    kind: Literal["personal", "installation", "job"]
    login: str
    created_at: datetime
    expires_at: datetime | None = None
    installation_id: int | None = None
    # None: every repository of the installation or person
    repositories: list[int] | None = None
    permissions: dict[str, str] = field(default_factory=dict)
    run_id: int | None = None
    job_id: int | None = None


@dataclass(kw_only=True)
class Delivery:
    """One sending of a webhook. A redelivery is another row with the same guid."""

    id: int
    guid: str
    app_id: int
    event: str
    action: str | None
    installation_id: int | None
    repository_id: int | None
    delivered_at: datetime
    redelivery: bool
    payload: Json
    duration: float = 0.0
    status: str = "pending"
    status_code: int = 0
    request_headers: dict[str, str] = field(default_factory=dict)
    response_headers: dict[str, str] = field(default_factory=dict)
    response_body: str = ""


@dataclass(kw_only=True)
class Manifest:
    """An App that was made from a manifest and not yet fetched: its secrets wait under a one-time code."""

    app_id: int
    pem: str = field(repr=False)
    client_secret: str = field(repr=False)
    expires_at: datetime


@dataclass(kw_only=True)
class State:
    """Everything but the Git repositories."""

    next_id: int = 1000
    # by lower-case login
    accounts: dict[str, Account] = field(default_factory=dict)
    repositories: dict[int, Repository] = field(default_factory=dict)
    # old full name, lower case -> repository id: GitHub answers those with 301
    renamed: dict[str, int] = field(default_factory=dict)
    apps: dict[int, App] = field(default_factory=dict)
    installations: dict[int, Installation] = field(default_factory=dict)
    tokens: dict[str, Token] = field(default_factory=dict)
    deliveries: dict[int, Delivery] = field(default_factory=dict)
    manifests: dict[str, Manifest] = field(default_factory=dict)

    def new_id(self) -> int:
        """The next unused id."""
        self.next_id += 1
        return self.next_id

    def repository(self, owner: str, name: str) -> Repository | None:
        """Look-up without regard to case, as GitHub does."""
        wanted = f"{owner}/{name}".lower()
        return next((r for r in self.repositories.values() if r.full_name.lower() == wanted), None)

    def network(self, repo: Repository) -> list[Repository]:
        """All repositories of the fork network, the root first."""
        root = self.source(repo)
        return [r for r in self.repositories.values() if self.source(r).id == root.id]

    def source(self, repo: Repository) -> Repository:
        """The network's root."""
        while repo.parent is not None and repo.parent in self.repositories:
            repo = self.repositories[repo.parent]
        return repo
