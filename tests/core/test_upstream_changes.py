from __future__ import annotations

from typing import Any

from hypothesis import given

from patch_app.core import messages, review_text, upstream_changes
from patch_app.core.upstream_changes import MOST_FILES, PAGE, ChangedFile, UpstreamChanges
from tests.core import samples
from tests.core.test_markdown import TEXT, assert_harmless, rendered


def file(path: str, added: int = 1, removed: int = 0, **more: Any) -> dict[str, Any]:
    return {"filename": path, "status": "modified", "additions": added, "deletions": removed, **more}


def test_files_that_the_patches_touch_are_told_the_most_changed_first() -> None:
    files = [
        file("a", 1),
        file("other", 900),
        file("b", 5, 9),
        file("new", previous_filename="old", status="renamed"),
    ]
    found = upstream_changes.read({"files": files, "html_url": "https://github.test/c"}, ["a", "b", "old"])
    assert [(one.path, one.before) for one in found.files] == [("b", None), ("a", None), ("new", "old")]
    assert (found.number, found.cut, found.url) == (3, False, "https://github.test/c")


def test_a_page_that_is_full_is_never_called_the_whole() -> None:
    files = [file(f"f{n}") for n in range(PAGE)]
    found = upstream_changes.read({"files": files}, [f"f{n}" for n in range(PAGE)])
    assert (len(found.files), found.number, found.cut) == (MOST_FILES, PAGE, True)
    attempt = samples.carried().model_copy(update={"upstream_changes": found})
    told = review_text.upstream_changes(attempt)
    assert "… and 250 files more" in told
    assert "there may be more" in told
    nothing = upstream_changes.read({"files": files}, ["mine"])
    told = review_text.upstream_changes(attempt.model_copy(update={"upstream_changes": nothing}))
    assert "None of the files that it lists" in told
    assert "there may be more" in told


def test_nothing_changed_in_the_same_files_is_said_only_where_all_were_seen() -> None:
    attempt = samples.carried()
    assert review_text.upstream_changes(attempt) == ""
    found = upstream_changes.read({"files": [file("other")]}, ["mine"])
    told = review_text.upstream_changes(attempt.model_copy(update={"upstream_changes": found}))
    assert told.startswith("None of the files that upstream changed from ")
    assert "may be more" not in told


def test_commits_that_github_can_t_compare_are_no_quiet_release() -> None:
    found = upstream_changes.read(None, ["a"])
    told = review_text.upstream_changes(samples.carried().model_copy(update={"upstream_changes": found}))
    assert "can't be told: GitHub can't compare the two" in told


def test_a_conflict_s_issue_has_what_upstream_changed_too() -> None:
    around = samples.decided()
    update = {"upstream_changes": around.upstream_changes, "release": around.release}
    body = messages.conflict_issue(samples.conflicted().model_copy(update=update))[1]
    assert "### What upstream changed in the same files" in body
    assert body.index("### What the release breaks") < body.index("### To reproduce it")


@given(TEXT, TEXT)
def test_whatever_a_file_is_called_it_stays_in_its_cell(path: str, before: str) -> None:
    one = ChangedFile(path=path, before=before or None, status=before, added=1, removed=2)
    found = UpstreamChanges(files=(one, one), number=2, url="https://github.test/c")
    seen = rendered(
        review_text.upstream_changes(samples.carried().model_copy(update={"upstream_changes": found}))
    )
    assert_harmless(seen)
    assert seen.tags.count("td") == 8
    assert set(seen.tags) <= {"h3", "p", "a", "table", "thead", "tbody", "tr", "th", "td", "code"}
