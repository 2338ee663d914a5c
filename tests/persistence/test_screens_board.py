"""The numbers of the board and of the cohort are those that counting every episode in Python gives."""

from collections import Counter, defaultdict
from datetime import timedelta
from itertools import pairwise
from math import ceil
from statistics import median

import pytest
from sqlalchemy import update

from pathway.calendar import local_date
from persistence import models
from persistence.board import Place, Target, board, target
from persistence.moved import moved_by_rule, reached, rules_fired, stays, that_reached
from persistence.store import table
from tests.journeys.people import GUIDELINE, WHY, examined, happened
from tests.persistence.cohorts import EVENING, MORNING
from tests.persistence.shelf import CARE, OPENED, rows, tell

MONTH = timedelta(days=30)
BOTH_DAYS = pytest.mark.parametrize("at", [MORNING, EVENING], ids=["one day", "two days"])


def places(found) -> list[Place]:
    whole = [place for phase in found.phases for place in phase.places]
    return [*whole, *(part for place in whole for part in place.parts), *found.ends]


def in_days(span: timedelta) -> float:
    return span / timedelta(days=1)


def reckoned(store, at):
    """For each state, and each part of one: episodes, overdue, red, unowned, median of days."""
    since = {row.id: row.since for row in rows(store, models.Episode)}
    here = defaultdict(list)
    for episode in store.episodes():
        for key in {(episode.state, None), (episode.state, episode.sub)}:
            here[key].append(episode)
    return {
        key: (
            len(episodes),
            sum(any(t.overdue_after < local_date(at, e.zone) for t in open_tasks(e)) for e in episodes),
            sum(any(GUIDELINE.tasks[t.code].red_flag for t in open_tasks(e)) for e in episodes),
            sum(not e.owner for e in episodes),
            pytest.approx(median(in_days(at - since[e.id]) for e in episodes), abs=1e-4),
        )
        for key, episodes in here.items()
    }


def open_tasks(episode):
    return [task for task in episode.tasks if task.status == "open"]


@BOTH_DAYS
def test_the_board_counts_every_episode_where_it_is(cohort, at):
    expected = reckoned(cohort, at)
    for place in places(board(cohort, at)):
        count, overdue, red, unowned, days = expected.get((place.state, place.sub), (0, 0, 0, 0, None))
        assert (place.episodes, place.overdue, place.red) == (count, overdue, red), place.state
        if place not in board(cohort, at).ends:
            assert (place.unowned, place.median_days) == (unowned, days), place.state


def test_nobody_is_missing_from_the_board(cohort):
    found = board(cohort, MORNING)
    whole = [*(place for phase in found.phases for place in phase.places), *found.ends]
    assert sum(place.episodes for place in whole) == len(rows(cohort, models.Episode))
    assert sum(place.unowned for place in whole) > 0
    assert sum(place.red for place in whole) > 0


def test_phases_and_states_stand_in_the_order_of_the_guideline(store):
    found = board(store, MORNING)
    assert [phase.id for phase in found.phases] == ["assess", "care", "review", "refer", "after"]
    shown = [place.state for phase in found.phases for place in phase.places] + [end.state for end in found.ends]
    assert shown == list(GUIDELINE.states)
    assert {place.episodes for place in places(found)} == {0}


def test_a_target_is_shown_only_where_the_guideline_gives_the_window_of_the_work_that_a_state_begins_with():
    found = {state.id: target(GUIDELINE, state) for state in GUIDELINE.states.values()}
    assert {name: own and (own.days, own.task, own.engineering) for name, own in found.items() if own} == {
        "ACUTE_ASSESSMENT": (14, "K-START", True),
        "REASSESSMENT": (14, "K-REASSESS", False),
        "IMAGING_REVIEW": (14, "K-IMGREV", True),
        "AUGMENTATION_REFERRAL": (7, "K-AUG-CONFIRM", True),
        "SURGICAL_REFERRAL": (0, "K-SURG-ACK", True),
    }
    assert found["REASSESSMENT"] == Target(14, "K-REASSESS", False, ("S1-22", "S2-27", "S3-64"))


@pytest.mark.parametrize("since", [MORNING - MONTH, MORNING - 20 * MONTH, MORNING + MONTH])
def test_each_rule_counts_its_moves_since_an_instant(cohort, since):
    expected = Counter(move.rule for move in rows(cohort, models.Move) if move.moved_at >= since)
    assert rules_fired(cohort, since) == expected
    for rule in expected:
        meant = {m.episode_id for m in rows(cohort, models.Move) if m.rule == rule and m.moved_at >= since}
        found = moved_by_rule(cohort, rule, since, size=500)
        assert ({line.episode for line in found.rows}, found.total) == (meant, len(meant))


def test_every_episode_is_counted_once_in_each_state_that_it_ever_was_in(cohort):
    ever = defaultdict(set)
    for episode in cohort.episodes():
        for entry in cohort.journal(episode.id):
            for effect in entry.effects:
                if effect["event"] == "transition":
                    ever[effect["to"]].add(episode.id)
    found = reached(cohort)
    assert list(found) == list(GUIDELINE.states)
    assert found == {state: len(ever[state]) for state in GUIDELINE.states}
    for state, count in found.items():
        lines = that_reached(cohort, state, size=500)
        assert ({line.episode for line in lines.rows}, lines.total) == (ever[state], count)


def test_a_list_behind_a_number_has_pages(cohort):
    whole = that_reached(cohort, "ACUTE_ASSESSMENT", size=500).rows
    pages = [that_reached(cohort, "ACUTE_ASSESSMENT", page=number, size=20).rows for number in (1, 2, 3, 4)]
    assert [line for page in pages for line in page] == list(whole)


def test_stays_are_those_that_the_journals_tell_of(cohort):
    ended, going_on = defaultdict(list), defaultdict(list)
    for episode in cohort.episodes():
        arrivals = []
        for entry in cohort.journal(episode.id):
            for effect in entry.effects:
                if effect["event"] == "transition" and effect.get("from") != effect["to"]:
                    arrivals.append((effect["to"], entry.recorded_at))
        for (state, came), (_, left) in pairwise(arrivals):
            ended[state].append(in_days(left - came))
        going_on[arrivals[-1][0]].append(in_days(MORNING - arrivals[-1][1]))
    for stay in stays(cohort, MORNING):
        for found, expected in ((stay.ended, ended[stay.state]), (stay.going_on, going_on[stay.state])):
            assert found.count == len(expected)
            if expected:
                centiles = nearest(expected, 10), median(expected), nearest(expected, 90)
                assert (found.p10, found.median, found.p90) == pytest.approx(centiles, abs=1e-4)
    assert [stay.state for stay in stays(cohort, MORNING)] == list(GUIDELINE.active_states)


def nearest(values, percent):
    return sorted(values)[ceil(len(values) * percent / 100) - 1]


def test_red_flag_work_on_a_closed_episode_shows_at_its_end(store):
    tell(store, *CARE, happened("withdraw", **WHY))
    tell(store, examined(motor_deficit=True), at=OPENED + MONTH)
    (end,) = [end for end in board(store, OPENED + 2 * MONTH).ends if end.state == "WITHDRAWN"]
    assert (end.episodes, end.red, end.overdue) == (1, 1, 1)


def test_nobody_s_patients_are_counted_whether_the_name_is_empty_or_missing(store):
    tell(store, *CARE, patient="P1")
    tell(store, *CARE, patient="P2")
    episodes = table(models.Episode)
    with store.database.writing() as connection:
        connection.execute(update(episodes).where(episodes.c.id == "P1-1").values(owner=""))
    (care,) = [place for place in places(board(store, OPENED)) if place.state == "CONSERVATIVE_CARE"]
    assert care.unowned == 2
