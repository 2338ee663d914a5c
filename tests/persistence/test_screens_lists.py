"""The lists behind the numbers are those that Python finds, on either database, wherever midnight is."""

from datetime import timedelta
from itertools import pairwise

import pytest
from sqlalchemy import delete, update

from pathway.calendar import local_date
from pathway.journal import Step
from persistence import models
from persistence.episodes_where import Which, change_mark, ended_stays, episodes_where
from persistence.store import table
from persistence.verify import verify, verify_episode
from tests.journeys.people import GUIDELINE
from tests.persistence.cohorts import EVENING, MORNING, fill
from tests.persistence.shelf import rows

BOTH_DAYS = pytest.mark.parametrize("at", [MORNING, EVENING], ids=["one day", "two days"])


def ended(episode) -> bool:
    return GUIDELINE.is_terminal(episode.state)


def work(episode):
    return [task for task in episode.tasks if task.status == "open"]


WANTED = {
    "all": (Which(), lambda e, at: True),
    "open": (Which(open_only=True), lambda e, at: not ended(e)),
    "ended": (Which(ended_only=True), lambda e, at: ended(e)),
    "late": (Which(late=True), lambda e, at: any(t.overdue_after < local_date(at, e.zone) for t in work(e))),
    "red": (Which(red=True), lambda e, at: any(GUIDELINE.tasks[t.code].red_flag for t in work(e))),
    "nobody's": (Which(open_only=True, unowned=True), lambda e, at: not ended(e) and not e.owner),
    "held": (Which(held=True), lambda e, at: any(t.status == "held" for t in e.timers)),
    "not held": (Which(held=False), lambda e, at: not any(t.status == "held" for t in e.timers)),
    "care": (Which(states=("CONSERVATIVE_CARE",)), lambda e, at: e.state == "CONSERVATIVE_CARE"),
    "sub": (Which(states=("SURGICAL_REFERRAL",), sub="sent"), lambda e, at: e.path == "SURGICAL_REFERRAL.sent"),
    "dateless": (Which(dateless=True), lambda e, at: not work(e) and not any(t.waiting for t in e.timers)),
}


@BOTH_DAYS
@pytest.mark.parametrize("name", WANTED)
def test_a_list_is_what_python_finds(cohort, at, name):
    which, wanted = WANTED[name]
    found = episodes_where(cohort, at, which, size=10_000)
    assert {line.episode for line in found.rows} == {e.id for e in cohort.episodes() if wanted(e, at)}
    assert found.total == len(found.rows)


def test_the_pages_of_a_list_are_the_list(cohort):
    whole = episodes_where(cohort, MORNING, Which(), size=10_000).rows
    size = max(1, len(whole) // 3)
    pages = [episodes_where(cohort, MORNING, Which(), page=n, size=size).rows for n in range(1, 6)]
    assert tuple(line for page in pages for line in page) == whole


def arrivals(cohort, episode):
    for entry in cohort.journal(episode.id):
        for effect in entry.effects:
            if effect["event"] == "transition" and effect.get("from") != effect["to"]:
                yield effect["to"], entry.recorded_at


def test_ended_stays_are_those_of_the_journals(cohort):
    expected = [
        (episode.id, came, left)
        for episode in cohort.episodes()
        for (state, came), (_, left) in pairwise(arrivals(cohort, episode))
        if state == "ACUTE_ASSESSMENT"
    ]
    found = ended_stays(cohort, "ACUTE_ASSESSMENT", size=10_000)
    assert expected
    assert sorted((s.line.episode, s.came, s.left) for s in found.rows) == sorted(expected)
    for stay in found.rows:
        assert stay.days == pytest.approx((stay.left - stay.came) / timedelta(days=1), abs=1e-4)
    assert found.total == len(expected)


@pytest.fixture
def own(store):
    """A service that a test may change; what was set aside there without a line of a journal is taken out."""
    fill(store)
    with store.database.writing() as connection:
        connection.execute(delete(table(models.LookAgain)))
    return store


def test_the_mark_differs_after_every_line_even_while_the_clock_stands(own):
    def mark():
        with own.database.reading() as connection:
            return change_mark(connection, MORNING)

    now = max(row.recorded_at for row in rows(own, models.Entry))
    patient = next(e.patient for e in own.episodes() if not ended(e))
    marks = [mark()]
    for owner in ("One", "Two", "Three"):
        own.record(patient, Step("admin", "assign", {"owner": owner}, actor="coordinator", by="X"), now)
        marks.append(mark())
    assert len(set(marks)) == len(marks)


def test_verifying_one_episode_says_what_verifying_all_says_of_it(own):
    some = next(iter(own.episodes()))
    whole = verify_episode(own, some.id)
    assert (whole.episodes, whole.problems) == (1, [])
    assert verify_episode(own, "intake").problems == []
    assert verify_episode(own, "nobody").episodes == 0
    episodes = table(models.Episode)
    with own.database.writing() as connection:
        connection.execute(update(episodes).where(episodes.c.id == some.id).values(level="L9"))
    assert verify_episode(own, some.id).problems == verify(own).problems != []
