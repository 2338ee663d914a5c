"""A scheduler that slept for a year and wakes once tells the same story as one that woke every day.

Whether a pain status or a scan still counts is judged on the day of firing, so a late firing may find them too old.
These patients have none, or live under a profile in which nothing ages; the effect of ageing has a test of its own.
Work that counts from the day it was opened (an imaging review) is then dated by the late day, and only its dates
are left out of the comparison.
"""

from datetime import date, timedelta
from typing import Any

import pytest

from pathway.calendar import fire_instant
from pathway.engine import Engine
from tests.journeys.clinic import Clinic, clinic_in_memory
from tests.journeys.people import (
    GUIDELINE,
    ZONES,
    decided,
    examined,
    observed,
    pain,
    painless,
    registered,
    scanned,
)

AGELESS = GUIDELINE.profile("default").overridden({"symptom_fresh_days": 36500, "imaging_max_age_months": 1200})
ENGINE = Engine(GUIDELINE, {AGELESS.id: AGELESS})
# Both clock changes of either hemisphere lie within four hundred days of each; so do leap days and month ends.
FIRST_DAYS = ("2026-01-05", "2026-03-01", "2026-08-31", "2026-11-30", "2027-12-31", "2028-01-31")


def in_care_on(day: str, zone: str, *facts) -> Clinic:
    clinic = clinic_in_memory(zone, AGELESS.id, f"{day} 09:00", ENGINE)
    clinic.tell(registered(day), examined(), scanned(), decided("start_conservative"), *facts)
    return clinic.forward(hours=1)


def settled(clinic: Clinic) -> dict[str, Any]:
    """What the story came to: places, timers, work, milestones told, and the moments that firings are dated with."""
    episode = clinic.episode
    lines = clinic.world.journals[episode.id]
    dated = {code for code, rule in GUIDELINE.tasks.items() if rule.anchor != "today"}
    return {
        "place": episode.place.state,
        "sub": episode.sub,
        "timers": sorted((t.code, t.due, t.status, str(t.outcome)) for t in episode.timers),
        "tasks": sorted((t.code, t.n, t.status) for t in episode.tasks),
        "dates": sorted((t.code, t.due, t.overdue_after) for t in episode.tasks if t.code in dated),
        "satisfied": episode.satisfied,
        "milestones": sorted(e.event["key"] for e in clinic.heard("reminder", kind="milestone")),
        "fell due": sorted((line.step.kind, line.occurred_at) for line in lines if line.kind == "timer"),
    }


FACTS = {
    "nobody asked": (),
    "pain lasts": (pain(5),),
    "pain is severe": (pain(8),),
    "pain is mild": (pain(2, "improving"),),
}


@pytest.mark.parametrize("facts", FACTS)
@pytest.mark.parametrize("first", FIRST_DAYS)
@pytest.mark.parametrize("zone", ZONES)
def test_one_jump_of_four_hundred_days_tells_the_same_story_as_daily_steps(zone, first, facts):
    daily = in_care_on(first, zone, *FACTS[facts])
    for _ in range(400):
        daily.forward(days=1)
    jump = in_care_on(first, zone, *FACTS[facts])
    jump.leap(f"{date.fromisoformat(first) + timedelta(days=400)} 10:00")
    assert settled(jump) == settled(daily)


@pytest.mark.parametrize("days", [1, 3, 8, 40])
def test_a_scheduler_that_was_down_over_the_fourth_week_loses_and_doubles_nothing(days):
    clinic = in_care_on("2026-01-05", "Europe/London")
    clinic.at("2026-02-01 10:00").scheduler_stops()
    back = date(2026, 2, 2) + timedelta(days=days)
    clinic.at(f"{back} 10:00").scheduler_returns()
    due = [(code, d) for code, d in (("REASSESS", "2026-02-02"), ("IMAGING_8W", "2026-03-02")) if d <= str(back)]
    assert [code for _, code in clinic.milestones] == [code for code, _ in due]
    keys = [str(audit.event["key"]) for audit in clinic.heard("reminder")]
    assert len(keys) == len(set(keys))
    assert clinic.reminders("K-DXA") == [f"{back} 10:00"]


def test_three_months_of_silence_fire_every_milestone_once_in_order_and_each_task_once():
    clinic = in_care_on("2026-01-05", "Europe/London").at("2026-01-20 10:00")
    clinic.scheduler_stops()
    clinic.at("2026-04-10 12:00").scheduler_returns()
    assert [code for _, code in clinic.milestones] == ["REASSESS", "IMAGING_8W", "FAILURE_REVIEW"]
    spoken = [str(a.event["code"]) for a in clinic.heard("reminder") if clinic.shown(a.at) == "2026-04-10 12:00"]
    assert len(spoken) == len(set(spoken))


def test_a_late_firing_is_dated_when_it_fell_due_and_recorded_when_it_was_noticed():
    clinic = in_care_on("2026-01-05", "Europe/London").leap("2026-02-20 11:00")
    (line,) = [line for line in clinic.world.journals["P1-1"] if line.kind == "timer"]
    assert line.occurred_at == fire_instant(date(2026, 2, 2), "08:00", "Europe/London")
    assert clinic.shown(line.recorded_at) == "2026-02-20 11:00"


def test_a_status_that_aged_while_the_scheduler_slept_is_judged_on_the_day_it_woke():
    def eight_weeks(zone: str = "Europe/London") -> Clinic:
        clinic = clinic_in_memory(zone).tell(registered(), examined(), scanned(), decided("start_conservative"))
        clinic.at("2026-02-03 10:00").tell(pain(5), decided("complete_reassessment", outcome="continue"))
        return clinic.at("2026-02-20 10:00").tell(pain(5))

    assert eight_weeks().at("2026-03-20 10:00").place == "IMAGING_REVIEW"
    assert eight_weeks().leap("2026-03-20 10:00").place == "REASSESSMENT"


@pytest.mark.parametrize(
    ("zone", "registered_on", "utc"),
    [
        ("Europe/London", "2026-03-01", "2026-03-29T07:00"),
        ("Europe/London", "2026-09-27", "2026-10-25T08:00"),
        ("America/New_York", "2026-02-08", "2026-03-08T12:00"),
        ("America/New_York", "2026-10-04", "2026-11-01T13:00"),
        ("Pacific/Auckland", "2026-03-08", "2026-04-04T20:00"),
        ("Pacific/Auckland", "2026-08-30", "2026-09-26T19:00"),
        ("Australia/Lord_Howe", "2026-03-08", "2026-04-04T21:30"),
        ("Australia/Lord_Howe", "2026-09-06", "2026-10-03T21:00"),
        ("Asia/Kolkata", "2026-03-01", "2026-03-29T02:30"),
    ],
)
def test_the_fourth_week_that_ends_on_a_clock_change_ends_at_eight_on_the_wall(zone, registered_on, utc):
    clinic = in_care_on(registered_on, zone).forward(days=28)
    (told,) = clinic.heard("reminder", kind="milestone")
    assert f"{told.at:%Y-%m-%dT%H:%M}" == utc
    assert clinic.shown(told.at).endswith("08:00")


def test_a_firing_time_that_happens_twice_is_used_once():
    profile = GUIDELINE.profile("default").overridden({"fire_time": "01:30"})
    clinic = clinic_in_memory(
        profile=profile.id, now="2026-09-27 09:00", engine=Engine(GUIDELINE, {profile.id: profile})
    )
    clinic.tell(registered("2026-09-27"), examined(), scanned(), decided("start_conservative"))
    clinic.at("2026-10-26 09:00")
    assert [f"{a.at:%H:%M}" for a in clinic.heard("reminder", kind="milestone")] == ["00:30"]


def test_a_firing_time_that_does_not_exist_is_late_and_never_early():
    profile = GUIDELINE.profile("default").overridden({"fire_time": "01:30"})
    clinic = clinic_in_memory(
        profile=profile.id, now="2026-03-01 09:00", engine=Engine(GUIDELINE, {profile.id: profile})
    )
    clinic.tell(registered("2026-03-01"), examined(), scanned(), decided("start_conservative"))
    assert clinic.at("2026-03-30 09:00").milestones == [("2026-03-29 02:30", "REASSESS")]


def test_the_rest_of_the_pathway_does_not_care_either():
    """A year after the pain has gone, with both checks, in one jump and in daily steps."""

    def gone(zone: str) -> Clinic:
        clinic = in_care_on("2026-01-05", zone)
        return clinic.at("2026-02-02 10:00").tell(painless(), observed("dxa", t_score=-2.0), decided("resolved"))

    for zone in ZONES:
        daily = gone(zone)
        for _ in range(400):
            daily.forward(days=1)
        assert settled(gone(zone).leap(f"{daily.calendar.today} 10:00")) == settled(daily)
