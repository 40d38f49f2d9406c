"""Everything that can be found about a fork: a code each, how much it matters, one sentence, one remedy.

The texts stand here alone; the preflight, `patch-app doctor`, issues and the reference are made from
them. `{name}` is filled in by who found it. Refuses to find anything: `doctor` does.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from patch_app.core.model import Model
from patch_app.core.names import CONFIGURATION_PATH, WORKFLOW_PATH


class Severity(StrEnum):
    """How much a finding matters. In the order in which they are shown."""

    # no attempt is started before it is mended
    BLOCKS = "blocks"
    # attempts are started, and something that people expect will not happen, or should not be possible
    WARNS = "warns"
    # good to know
    NOTES = "notes"


class Code(StrEnum):
    """Names of findings. The most fundamental first: it is the one that blocks."""

    SUSPENDED = "suspended"
    PERMISSION_MISSING = "permission-missing"
    ARCHIVED = "archived"
    CONFIGURATION_ERROR = "configuration-error"
    STACK_GONE = "stack-gone"
    BRANCH_MISSING = "branch-missing"
    PATCH_BRANCHES = "patch-branches"
    WORKFLOW_MISSING = "workflow-missing"
    WORKFLOW_OTHER = "workflow-other"
    WORKFLOW_CHANGED = "workflow-changed"
    RUNNER_CHANGED = "runner-changed"
    ACTIONS_OFF = "actions-off"
    WORKFLOW_DISABLED = "workflow-disabled"
    UPSTREAM_UNKNOWN = "upstream-unknown"
    UPSTREAM_CHANGED = "upstream-changed"
    UPSTREAM_PRIVATE = "upstream-private"
    UPSTREAM_UNREACHABLE = "upstream-unreachable"
    TAG_MISSING = "tag-missing"
    NAME_COLLISION = "name-collision"
    PROMOTION_REFUSED = "promotion-refused"
    BRANCHES_REFUSED = "branches-refused"
    REFS_REFUSED = "refs-refused"

    RULE_IN_DOUBT = "rule-in-doubt"
    RULE_UNWEIGHED = "rule-unweighed"
    LANDING_REFUSED = "landing-refused"
    PROTECTION_UNREADABLE = "protection-unreadable"
    RULE_BYPASSED = "rule-bypassed"
    CHECK_NEVER_STARTS = "check-never-starts"
    WORKFLOW_EXPOSED = "workflow-exposed"
    DEFAULT_BRANCH_MIRRORS = "default-branch-mirrors"
    TAG_TAKEN = "tag-taken"
    ISSUES_OFF = "issues-off"
    CHECKOUT_UNPUSHED = "checkout-unpushed"
    CHECKOUT_DIRTY = "checkout-dirty"
    CHECKOUT_UNREADABLE = "checkout-unreadable"
    CHECK_UNKNOWN = "check-unknown"
    TAG_DIFFERS = "tag-differs"
    LFS = "lfs"
    SUBMODULES = "submodules"
    REFS_AS_BRANCHES = "refs-as-branches"
    CHECKOUT_NO_UPSTREAM = "checkout-no-upstream"
    CHECKOUT_UPSTREAM_ADDED = "checkout-upstream-added"
    UNREAD = "unread"


class Text(Model):
    """What is said of a finding; neither part ends with a stop."""

    severity: Severity
    sentence: str
    remedy: str


class Finding(Model):
    """One thing that was found."""

    code: Code
    severity: Severity
    sentence: str
    remedy: str

    @property
    def line(self) -> str:
        """Sentence and remedy, as an attempt's message has them."""
        return f"{self.sentence}: {self.remedy}"


def _blocks(sentence: str, remedy: str) -> Text:
    return Text(severity=Severity.BLOCKS, sentence=sentence, remedy=remedy)


def _warns(sentence: str, remedy: str) -> Text:
    return Text(severity=Severity.WARNS, sentence=sentence, remedy=remedy)


def _notes(sentence: str, remedy: str) -> Text:
    return Text(severity=Severity.NOTES, sentence=sentence, remedy=remedy)


_INSTALL: Final = "run `patch-app install` again and merge its pull request"

TEXTS: Final[dict[Code, Text]] = {
    Code.SUSPENDED: _blocks(
        "the App's installation is suspended", "its owner ends that under Settings, Applications"
    ),
    Code.PERMISSION_MISSING: _blocks(
        "the App lacks {permissions}, which its manifest asks for",
        "the owner of the installation accepts them under Settings, Applications, Review request",
    ),
    Code.ARCHIVED: _blocks("the fork is archived", "un-archive it in its settings"),
    Code.CONFIGURATION_ERROR: _blocks(
        f"{CONFIGURATION_PATH} has an error: {{problems}}", "mend it on the default branch"
    ),
    Code.STACK_GONE: _blocks(
        f"{{branch}} is no longer a stack in {CONFIGURATION_PATH}", "add it there again"
    ),
    Code.BRANCH_MISSING: _blocks(
        "the maintained branch {branch} does not exist",
        f"create it, or name another in {CONFIGURATION_PATH}",
    ),
    Code.PATCH_BRANCHES: _blocks("{what_is_wrong_with_patch_branches}", "{what_to_do_about_it}"),
    Code.WORKFLOW_MISSING: _blocks(
        f"{WORKFLOW_PATH} is not on the default branch", "merge the App's installation pull request"
    ),
    Code.WORKFLOW_OTHER: _blocks("{whether_artifacts_are_uploaded_and_asked_for}", _INSTALL),
    Code.WORKFLOW_CHANGED: _blocks(
        f"{WORKFLOW_PATH} is not the App's own (blob {{blob}}, expected {{expected}})", _INSTALL
    ),
    Code.RUNNER_CHANGED: _blocks("{ref} is not this version's runner", "run `patch-app install` again"),
    Code.ACTIONS_OFF: _blocks(
        "GitHub doesn't know the App's workflow although its file is there, as where Actions is off",
        "allow Actions in the fork's settings, then enable workflows on its Actions page",
    ),
    Code.WORKFLOW_DISABLED: _blocks(
        "the workflow is {state}{because}", "enable it on the fork's Actions page"
    ),
    Code.UPSTREAM_UNKNOWN: _blocks(
        "the repository is no fork and names no upstream",
        f"set [upstream] repository in {CONFIGURATION_PATH}",
    ),
    Code.UPSTREAM_CHANGED: _blocks("{which_other_repository_it_is}", "{how_to_say_what_is_meant}"),
    Code.UPSTREAM_PRIVATE: _blocks(
        "the upstream {upstream} is private, and the runner fetches it without any credential",
        "name a public mirror of it as [upstream] repository",
    ),
    Code.UPSTREAM_UNREACHABLE: _blocks(
        "the upstream {upstream} can't be seen, so it is private, renamed or gone",
        "name a repository that everybody can read as [upstream] repository",
    ),
    Code.TAG_MISSING: _blocks(
        "{upstream} has no tag {tag}, which was deleted or never pushed",
        "wait for the next release, or ask upstream to push the tag again",
    ),
    Code.NAME_COLLISION: _blocks(
        "the branch {branch} stands where the App's branches go",
        "rename it, or set another prefix under [branches]",
    ),
    Code.PROMOTION_REFUSED: _blocks(
        "{ruleset} has the rule {rule} for {branch}, so GitHub will refuse the promotion, since {why}",
        "{instead}{last}",
    ),
    Code.BRANCHES_REFUSED: _blocks(
        "{ruleset} has the rule {rule} for {branch}, so GitHub will refuse the App's own branches: {why}",
        "exclude {prefix}/** from that ruleset, or put the App on its bypass list",
    ),
    Code.REFS_REFUSED: _blocks(
        "GitHub refused what the work is handed over by, refs below refs/patch-app or branches below "
        "patch-app: {why}",
        "let the App and its workflow make one of the two; then `patch-app retry` asks again, or the Re-run "
        "button of the run where that was refused",
    ),
    Code.LANDING_REFUSED: _warns(
        "{ruleset} has the rule {rule} for {branch}, so GitHub lets only people on its bypass list merge the "
        "pull request that brings a candidate onto it, since {why}",
        'take that rule out of the ruleset, or set move = "update" under [promotion] and put the App on its '
        "bypass list",
    ),
    Code.RULE_IN_DOUBT: _warns(
        "{branch} has the rule {rule}, and {why}",
        "look whether it lets the App's candidate through, and put the App on its bypass list if it doesn't",
    ),
    Code.RULE_UNWEIGHED: _warns(
        "{branch} has {what}, which {why}, so nothing is promoted there",
        "{instead}take it out of the ruleset",
    ),
    Code.PROTECTION_UNREADABLE: _warns(
        "{branch} has classic protection, which the App may not read, so nothing is promoted there",
        "use a ruleset with the same rules instead",
    ),
    Code.RULE_BYPASSED: _notes(
        "the App is on the bypass list of {ruleset}, so GitHub does not hold it to {rule} on {branch}; what "
        "is kept of it: {how}",
        "nothing, where that is enough; else take the App off that list",
    ),
    Code.CHECK_NEVER_STARTS: _warns(
        "the required check {check} would never start on a candidate: {why}",
        "let that workflow run for pull requests onto {prefix}/** too, or don't require its check",
    ),
    Code.WORKFLOW_EXPOSED: _warns(
        "{path} starts with {event} on the App's branches and has {what} without an environment, so code of "
        "upstream's release runs with them before a person has seen it",
        "bind those jobs to an environment, or leave {prefix}/** out of its triggers",
    ),
    Code.DEFAULT_BRANCH_MIRRORS: _warns(
        "the default branch {branch} only mirrors upstream, and GitHub starts workflows by files of the "
        "default branch alone",
        "make the maintained branch the default branch, or let {branch} be upstream and the App's workflow "
        "file and name the maintained one as the branch of a [[stack]]",
    ),
    Code.TAG_TAKEN: _warns(
        "the tag {tag}, which a promotion would leave, exists on another commit",
        "delete it where the App didn't make it, else the promotion stops there",
    ),
    Code.ISSUES_OFF: _notes(
        "issues are off in the fork, so conflicts are told by check runs alone",
        "turn issues on in its settings, so that people are notified",
    ),
    Code.CHECKOUT_UNPUSHED: _warns(
        "{path} has {number} on {branch} that the fork doesn't have, so no release will have them",
        "push them to the fork",
    ),
    Code.CHECKOUT_DIRTY: _notes(
        "{path} has {number} that is not committed", "commit and push what is to be carried"
    ),
    Code.CHECKOUT_UNREADABLE: _warns("{path} can't be read: {why}", "name a checkout of the fork"),
    Code.CHECK_UNKNOWN: _notes(
        "no workflow file of {branch} has a job for the required check {check}",
        "nothing, where another App or a commit status reports it on candidates",
    ),
    Code.TAG_DIFFERS: _notes(
        "the fork's tag {tag} is another commit than upstream's",
        "nothing: releases are read from upstream alone, and no tag of the fork is moved",
    ),
    Code.LFS: _notes(
        "{branch} keeps files in Git LFS, of which the carry moves the pointers and never the contents",
        "push the contents of new files to where each side's checks can fetch them",
    ),
    Code.SUBMODULES: _notes(
        "{branch} has submodules, which are carried as the commits that they point at, and not checked out",
        "let a check that needs one fetch it itself",
    ),
    Code.REFS_AS_BRANCHES: _notes(
        "the App's own refs are branches below patch-app here, as where GitHub takes no others",
        "nothing: no workflow starts by them; where others are taken now, delete the branch patch-app/runner "
        "and run `patch-app install` again",
    ),
    Code.CHECKOUT_NO_UPSTREAM: _notes(
        "{path} has no remote for the upstream {upstream}", "add it, or run this again with --apply"
    ),
    Code.CHECKOUT_UPSTREAM_ADDED: _notes(
        "{path} has the remote {added} now, as --apply asked for", "fetch it when you need it"
    ),
    Code.UNREAD: _notes("{what} could not be read: {why}", "look at it yourself; this says nothing about it"),
}


# what only shows when it is tried: an attempt says it, no reading of a fork finds it
MET: Final = frozenset({Code.REFS_REFUSED})


def finding(code: Code, **values: object) -> Finding:
    """The finding with its blanks filled in. Values are plain text; who shows them escapes them."""
    text = TEXTS[code]
    return Finding(
        code=code,
        severity=text.severity,
        sentence=text.sentence.format(**values),
        remedy=text.remedy.format(**values),
    )
