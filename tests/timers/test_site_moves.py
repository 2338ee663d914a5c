"""A patient who moves: the dates stay, and eight o'clock is that of the wall they live under on the day (INV-18)."""

import pytest

from tests.journeys.people import ZONES, happened
from tests.machine.places import in_care, with_red_flag


def moved(zone: str):
    return happened("move_site", timezone=zone)


EIGHT = {
    "Europe/London": "2026-02-03T08:00",
    "America/New_York": "2026-02-03T13:00",
    "Pacific/Auckland": "2026-02-02T19:00",
    "Australia/Lord_Howe": "2026-02-02T21:00",
    "Asia/Kolkata": "2026-02-03T02:30",
}


@pytest.mark.parametrize("there", ZONES)
@pytest.mark.parametrize("back", ZONES)
def test_the_last_move_before_the_day_sets_the_clock(there, back):
    clinic = in_care().at("2026-01-10 09:00").tell(moved(there)).at("2026-01-30 09:00").tell(moved(back))
    clinic.at("2026-02-05 09:00")
    (told,) = clinic.heard("reminder", kind="milestone")
    assert f"{told.at:%Y-%m-%dT%H:%M}" == EIGHT[back]
    assert clinic.timer("REASSESS").due.isoformat() == "2026-02-03"


def test_moving_east_past_eight_fires_with_the_move_and_once():
    clinic = in_care().at("2026-02-03 03:00").tell(moved("Asia/Kolkata"))
    assert clinic.milestones == [("2026-02-03 03:00", "REASSESS")]
    assert len(clinic.tell(moved("America/New_York")).at("2026-02-04 09:00").milestones) == 1


def test_moving_west_after_it_fired_does_not_fire_it_again():
    clinic = in_care().at("2026-02-03 08:30").tell(moved("America/New_York")).at("2026-02-04 09:00")
    assert clinic.milestones == [("2026-02-03 08:00", "REASSESS")]


def test_moving_west_on_the_day_postpones_it_to_the_other_eight():
    clinic = in_care().at("2026-02-03 07:59").tell(moved("America/New_York")).at("2026-02-03 12:59")
    assert not clinic.milestones
    assert clinic.at("2026-02-03 13:00").milestones == [("2026-02-03 13:00", "REASSESS")]


def test_a_ladder_counts_hours_whatever_the_wall_says():
    clinic = with_red_flag().forward(minutes=30).tell(moved("Pacific/Auckland")).forward(hours=5)
    assert clinic.reminders("K-SURG-ACK", "escalation") == ["2026-01-20 11:00", "2026-01-20 14:00"]


def test_a_date_of_today_is_the_date_on_the_wall_of_the_new_site():
    clinic = in_care().at("2026-01-10 13:00").tell(moved("Pacific/Auckland"))
    assert clinic.episode.today(clinic.calendar.now).isoformat() == "2026-01-11"


def test_every_task_keeps_its_dates_when_the_patient_moves():
    clinic = in_care().at("2026-01-20 10:00")
    before = [(t.code, t.due, t.overdue_after) for t in clinic.episode.tasks]
    clinic.tell(moved("Pacific/Auckland"))
    assert [(t.code, t.due, t.overdue_after) for t in clinic.episode.tasks] == before
