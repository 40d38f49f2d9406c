"""What the onboarding pull request says: what Actions will start, the stack, a preview, what merging means.

Everything out of a repository is foreign text. Refuses to promise what the App doesn't hold itself to.
"""

from __future__ import annotations

from typing import Final

from patch_app.core import inherited, installed, markdown, names, onboarding, previewed
from patch_app.core.inherited import Workflow
from patch_app.core.model import Model
from patch_app.core.patch_table import commit, counted

TITLE: Final = "Let patch_app carry this fork's patches onto upstream's releases"
UPDATE_TITLE: Final = "Bring patch_app's workflow file up to date"
MOST_COMMITS: Final = 40
MOST_BRANCHES: Final = 20


class Commit(Model):
    """A commit of the stack."""

    sha: str
    subject: str


class Inventory(Model):
    """What the stack has that the upstream lacks; the oldest first, bounded by whoever read it."""

    branch: str
    # owner/name, and the branch or tag that it was compared with
    upstream: str
    against: str
    commits: tuple[Commit, ...]
    # how many there are in all
    ahead: int
    files: int
    # GitHub tells at most 300
    more_files: bool = False


class Offer(Model):
    """All that the body is made from."""

    repository: str
    url: str
    default_branch: str
    paths: tuple[str, ...]
    runner: str
    expected_blob: str
    uploads: bool
    workflows: tuple[Workflow, ...] = ()
    workflows_unread: bool = False
    inventory: Inventory | None = None
    # why there is no inventory
    no_inventory: str = ""
    others: tuple[str, ...] = ()
    # what is wrong with a configuration that is there already
    problems: tuple[str, ...] = ()
    # the preview's section, made by `previewed.section`
    preview: str
    # number of the closed pull request in which a person asked again
    asked_in: int | None = None


def body(offer: Offer) -> str:
    """The onboarding pull request's body."""
    parts = [
        _first(offer),
        "### What Actions starts\n",
        _actions(offer),
        "### The stack\n",
        _stack(offer),
        "### Preview: the last releases\n",
        offer.preview,
        _after(offer),
    ]
    return markdown.bounded("\n".join(parts) + "\n", markdown.BODY_LIMIT - 500)


def _first(offer: Offer) -> str:
    again = f" Asked for again in #{offer.asked_in}." if offer.asked_in else ""
    files = " and ".join(markdown.code(path) for path in offer.paths)
    return (
        f"**This adds {files}, and merging it starts no carry by itself.** Until then the App "
        "does nothing here. "
        f"Closing it means no: it isn't opened again unless somebody asks.{again}\n\n"
        f"{onboarding.mark(offer.expected_blob)}\n"
    )


def _actions(offer: Offer) -> str:
    said = inherited.text(
        offer.workflows, repository=offer.repository, url=offer.url, unread=offer.workflows_unread
    )
    return said + "\n"


def _stack(offer: Offer) -> str:
    parts = [_inventory(offer.inventory, offer.url) if offer.inventory else offer.no_inventory + "\n"]
    if offer.problems:
        parts.append(f"{markdown.code(names.CONFIGURATION_PATH)} is there already, and has a mistake:\n")
        parts += [f"- {markdown.inline(one, 300)}" for one in offer.problems[:10]]
    elif names.CONFIGURATION_PATH not in offer.paths:
        parts.append(f"{markdown.code(names.CONFIGURATION_PATH)} is there already, and stays as it is.\n")
    if offer.others:
        shown = ", ".join(markdown.code(one, 120) for one in offer.others[:MOST_BRANCHES])
        more = f" and {len(offer.others) - MOST_BRANCHES} more" if len(offer.others) > MOST_BRANCHES else ""
        parts.append(
            f"Other branches with commits of their own, in the configuration as comments: {shown}{more}.\n"
        )
    return "\n".join(parts)


def _inventory(found: Inventory, url: str) -> str:
    against = f"{markdown.code(found.upstream)} at {markdown.code(found.against, 200)}"
    files = f"{counted(found.files, 'file')}{' or more' if found.more_files else ''}"
    commits = found.commits[:MOST_COMMITS]
    if not found.ahead:
        return (
            f"{markdown.code(found.branch, 200)} has no commit that {against} lacks: there is "
            "nothing to carry yet.\n"
        )
    lines = [
        f"{markdown.code(found.branch, 200)} has {counted(found.ahead, 'commit')} that "
        f"{against} lacks, in {files}:\n",
        *(f"1. {commit(one.sha, url)} {markdown.inline(one.subject, 200)}" for one in commits),
    ]
    if found.ahead > len(commits):
        lines.append(f"1. and {found.ahead - len(commits)} more")
    return "\n".join(lines) + "\n"


def _after(offer: Offer) -> str:
    kept = (
        " What they ask to keep is stored by GitHub's own `actions/upload-artifact`, pinned by its id."
        if offer.uploads
        else ""
    )
    branch = markdown.code(offer.default_branch, 200)
    # one line each: GitHub breaks lines of a pull request where they are broken
    return "\n".join(
        [
            "\n### Once it is merged\n",
            f"1. When upstream releases, the App starts this workflow on {branch}. Its first "
            "job applies your patches "
            "to the release one by one, and executes nothing of the source. A release that "
            "came out while this was "
            "open isn't lost: the newest that matches is carried then.",
            f"2. Checks that you configured run in a second job, without permission to write.{kept}",
            "3. The App opens a pull request that shows each patch and what became of it, or "
            "an issue where one of "
            "them needs you.",
            "4. Your branch moves only after an approving review of exactly that result. The "
            "old head stays at "
            "`refs/patch-app/archive/`.",
            "\nThe configuration is yours: push changes to this branch, or merge and change it "
            "later. The runner's "
            f"program is the commit `{offer.runner}` at `{names.RUNNER_REF}`; the workflow "
            "names it by that id, so it "
            "can't change unseen. To leave, delete these files and uninstall the App.\n",
        ]
    )


class Update(Model):
    """An update of the App's own file."""

    default_branch: str
    # the runner's ids, old and new; None where the file there has no line of ours
    before: str | None
    after: str
    # everything but that line is the same
    only_runner: bool
    # what a person changed and this would take back
    takes_back: str = ""
    expected_blob: str
    uploads: bool
    preview: str


def update_body(update: Update) -> str:
    """The body of a pull request that brings a newer file."""
    path = markdown.code(names.WORKFLOW_PATH)
    what = (
        f"**One line of {path}: the id of the runner's program.**"
        if update.only_runner
        else f"**{path} as this version of the App installs it**"
        + (", with the step that stores artifacts." if update.uploads else ".")
    )
    old = f"`{update.before}`" if update.before else "a file that the App doesn't know"
    parts = [
        f"{what} From {old} to `{update.after}`, stored at `{names.RUNNER_REF}`.\n",
        f"Until it is merged, a run would not be the App's own, so releases wait as `blocked` on "
        f"{markdown.code(update.default_branch, 200)}; then they go on by themselves. Closing "
        "it means no to this "
        "version; `/patch onboard` asks again.\n",
    ]
    if update.takes_back:
        parts.append("It takes back what was changed here:\n")
        parts.append(markdown.fenced(update.takes_back, "diff"))
    parts += [
        f"{onboarding.mark(update.expected_blob)}\n",
        "### Preview: the last releases\n",
        update.preview,
    ]
    return markdown.bounded("\n".join(parts) + "\n", markdown.BODY_LIMIT - 500)


def changed_comment(blob: str, wanted: bytes, there: bytes) -> str:
    """Said once, where the App's file was changed by somebody."""
    return (
        f"{markdown.code(names.WORKFLOW_PATH)} on the default branch is no longer the file that "
        "the App installed. It "
        "is left as it is. But a run of it would not be the App's own, whose word on a result "
        "counts, so **releases "
        "wait as `blocked`** until the file is the App's again: take the change back, or "
        "comment `/patch onboard` "
        "here for a pull request that does.\n\n"
        + markdown.fenced(installed.difference(wanted, there), "diff")
        + f"\n{changed_mark(blob)}\n"
    )


def changed_mark(blob: str) -> str:
    """By which that comment is known."""
    return f"<!-- patch-app:changed {blob} -->"


def no_preview(why: str, url: str) -> str:
    """The section where there is nothing to preview."""
    return previewed.section((), previewed.State.NONE, {}, repository_url=url, why=why)
