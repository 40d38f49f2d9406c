from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from patch_app.upstream.model import Release, Source
from patch_app.upstream.poller import BURST, CATCH_UP, Cursor, new_releases

START = datetime(2026, 1, 1, tzinfo=UTC)


def release(tag: str, day: float | None = 0, **more) -> Release:
    at = None if day is None else START + timedelta(days=day)
    return Release(**{"upstream": "a/b", "tag": tag, "published_at": at, "source": Source.GRAPHQL, **more})


def tags(poll) -> list[str]:
    return [event.tag for event in poll.events]


def test_the_first_poll_records_and_tells_nothing():
    poll = new_releases(None, [release("v2", 2), release("v1", 1)])
    assert poll.events == ()
    assert set(poll.cursor.seen) == {"v1", "v2"}
    assert tags(new_releases(poll.cursor, [release("v2", 2), release("v1", 1)])) == []


def test_a_first_poll_that_shall_emit_tells_the_newest_few():
    assert tags(new_releases(None, [release(f"v{n}", n) for n in range(9)], prime=False)) == [
        "v6",
        "v7",
        "v8",
    ]


def test_new_releases_are_told_once_and_oldest_first():
    cursor = new_releases(None, [release("v1", 1)]).cursor
    listed = [release("v3", 3), release("v2", 2), release("v1", 1)]
    poll = new_releases(cursor, listed)
    assert tags(poll) == ["v2", "v3"]
    assert tags(new_releases(poll.cursor, listed)) == []


def test_an_upstream_without_releases_tells_its_first_one():
    cursor = new_releases(None, []).cursor
    poll = new_releases(cursor, [release("v1", 1)])
    assert tags(poll) == ["v1"]
    assert not poll.lost


def test_a_draft_is_told_when_it_is_published():
    cursor = new_releases(None, [release("v1", 1), release("v2", None, draft=True)]).cursor
    assert tags(new_releases(cursor, [release("v2", 2), release("v1", 1)])) == ["v2"]


def test_a_prerelease_that_became_a_release_is_told_again():
    cursor = new_releases(None, [release("v1", 1, prerelease=True)]).cursor
    poll = new_releases(cursor, [release("v1", 1)])
    assert tags(poll) == ["v1"]
    assert tags(new_releases(poll.cursor, [release("v1", 1)])) == []
    assert tags(new_releases(poll.cursor, [release("v1", 1, prerelease=True)])) == []


def test_an_old_release_that_slides_into_view_is_not_told():
    cursor = new_releases(None, [release("v9", 90), release("v8", 80)]).cursor
    poll = new_releases(cursor, [release("v8", 80), release("v1", 1)])
    assert tags(poll) == []
    assert "v1" in poll.cursor.seen


def test_a_release_that_the_listing_showed_late_is_told():
    cursor = new_releases(None, [release("v1", 1), release("v3", 3)]).cursor
    assert tags(new_releases(cursor, [release("v3", 3), release("v2", 2.99)])) == ["v2"]


def test_a_backport_published_today_is_told():
    cursor = new_releases(None, [release("v2", 2)]).cursor
    assert tags(new_releases(cursor, [release("v1.9", 3), release("v2", 2)])) == ["v1.9"]


def test_a_lost_cursor_catches_up_within_bounds():
    cursor = new_releases(None, [release("old", 1)]).cursor
    poll = new_releases(cursor, [release(f"v{n}", 2 + n) for n in range(10)])
    assert poll.lost
    assert tags(poll) == ["v7", "v8", "v9"]


def test_a_lost_cursor_tells_nothing_older_than_what_it_knew():
    cursor = Cursor(seen={"gone": False}, newest=START + timedelta(days=50))
    assert tags(new_releases(cursor, [release(f"v{n}", n) for n in range(10)])) == []


def test_an_empty_answer_keeps_the_cursor():
    cursor = new_releases(None, [release("v1", 1)]).cursor
    poll = new_releases(cursor, [])
    assert poll.cursor == cursor
    assert not poll.lost


def test_hundreds_of_tags_pushed_at_once_are_no_flood():
    cursor = new_releases(None, [release("v0", None)]).cursor
    poll = new_releases(cursor, [release(f"v{n}", None) for n in range(400)])
    assert len(poll.events) == BURST
    assert tags(new_releases(poll.cursor, [release(f"v{n}", None) for n in range(400)])) == []


_releases = st.lists(
    st.builds(
        release,
        st.sampled_from([f"v{n}" for n in range(12)]),
        st.one_of(st.none(), st.integers(0, 30)),
        prerelease=st.booleans(),
        draft=st.booleans(),
    ),
    max_size=12,
)


@given(st.lists(_releases, max_size=6))
def test_no_poll_floods_or_tells_a_release_twice_or_a_draft(polls):
    cursor, told = None, set()
    for listed in polls:
        poll = new_releases(cursor, listed)
        assert len(poll.events) <= (CATCH_UP if poll.lost else BURST)
        for event in poll.events:
            assert not event.draft
            # again only as a release after it was a prerelease
            assert cursor is not None
            assert event.tag not in cursor.seen or (cursor.seen[event.tag] and not event.prerelease)
            told.add(event.tag)
        cursor = poll.cursor
        assert told <= set(cursor.seen)
