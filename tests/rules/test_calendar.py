"""Local dates, months that clamp, and the instant at which eight o'clock strikes wherever the site is."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathway.calendar import add_months, fire_instant, local_date, show_date, show_instant, zone_named
from pathway.errors import UnknownZone
from pathway.turn import offset_by
from tests.journeys.people import ZONES

DAYS = st.dates(date(1900, 1, 1), date(2199, 12, 31))


def day(text: str) -> date:
    return date.fromisoformat(text)


# ---------------------------------------------------------------- months


@pytest.mark.parametrize(
    ("anchor", "months", "due"),
    [
        ("2026-01-06", 3, "2026-04-06"),
        ("2026-11-30", 3, "2027-02-28"),
        ("2027-11-30", 3, "2028-02-29"),
        ("2027-01-31", 1, "2027-02-28"),
        ("2027-01-31", 3, "2027-04-30"),
        ("2026-08-31", 3, "2026-11-30"),
        ("2026-08-31", 6, "2027-02-28"),
        ("2026-12-15", 1, "2027-01-15"),
        ("2026-12-31", 12, "2027-12-31"),
        ("2028-02-29", 12, "2029-02-28"),
        ("2028-02-29", 48, "2032-02-29"),
        ("2027-02-28", 12, "2028-02-28"),
        ("2026-06-15", 0, "2026-06-15"),
        ("2026-03-31", -1, "2026-02-28"),
        ("1947-06-30", 942, "2025-12-30"),
    ],
)
def test_months_keep_the_day_and_clamp_to_the_end_of_a_shorter_month(anchor, months, due):
    assert add_months(day(anchor), months) == day(due)


def test_months_are_counted_from_the_anchor_and_never_chained():
    assert add_months(day("2027-01-31"), 2) == day("2027-03-31")
    assert add_months(add_months(day("2027-01-31"), 1), 1) == day("2027-03-28")


@given(DAYS, st.integers(0, 24))
def test_months_later_is_the_same_day_or_the_last_one(anchor, months):
    due = add_months(anchor, months)
    assert due.day == anchor.day or (due + timedelta(days=1)).day == 1
    assert due.day <= anchor.day
    assert (due.year - anchor.year) * 12 + due.month - anchor.month == months


@given(DAYS, DAYS, st.integers(0, 24))
def test_a_later_anchor_never_falls_due_earlier(one, other, months):
    early, late = sorted((one, other))
    assert add_months(early, months) <= add_months(late, months)


@pytest.mark.parametrize(
    ("span", "due"),
    [
        (28, "2026-02-03"),
        ({"days": 21}, "2026-01-27"),
        ({"months": 3}, "2026-04-06"),
        (56, "2026-03-03"),
        ({"days": 0}, "2026-01-06"),
    ],
)
def test_a_span_is_days_or_calendar_months(span, due):
    assert offset_by(day("2026-01-06"), span) == day(due)


# ---------------------------------------------------------------- instants

SPRING, AUTUMN = "2026-03-29", "2026-10-25"  # Europe/London


@pytest.mark.parametrize(
    ("local_day", "fire_time", "zone", "utc"),
    [
        ("2026-01-06", "08:00", "Europe/London", "2026-01-06 08:00"),
        ("2026-07-06", "08:00", "Europe/London", "2026-07-06 07:00"),
        (SPRING, "08:00", "Europe/London", "2026-03-29 07:00"),
        (AUTUMN, "08:00", "Europe/London", "2026-10-25 08:00"),
        # In a gap: late by the gap, never early.
        (SPRING, "01:30", "Europe/London", "2026-03-29 01:30"),
        ("2026-03-08", "02:30", "America/New_York", "2026-03-08 07:30"),
        ("2026-10-04", "02:15", "Australia/Lord_Howe", "2026-10-03 15:45"),
        ("2026-09-27", "02:30", "Pacific/Auckland", "2026-09-26 14:30"),
        # Twice: the first time.
        (AUTUMN, "01:30", "Europe/London", "2026-10-25 00:30"),
        ("2026-11-01", "01:30", "America/New_York", "2026-11-01 05:30"),
        ("2026-04-05", "01:45", "Australia/Lord_Howe", "2026-04-04 14:45"),
        ("2026-04-05", "02:30", "Pacific/Auckland", "2026-04-04 13:30"),
        # Lord Howe shifts by half an hour, Kolkata never, and is half an hour off all year.
        ("2026-01-06", "08:00", "Australia/Lord_Howe", "2026-01-05 21:00"),
        ("2026-06-06", "08:00", "Australia/Lord_Howe", "2026-06-05 21:30"),
        ("2026-06-06", "08:00", "Asia/Kolkata", "2026-06-06 02:30"),
        ("2028-02-29", "08:00", "Europe/London", "2028-02-29 08:00"),
        # A date that a site leapt over happens as soon as there is a clock again.
        ("2011-12-30", "08:00", "Pacific/Apia", "2011-12-30 18:00"),
        ("1993-08-21", "08:00", "Pacific/Kwajalein", "1993-08-21 20:00"),
    ],
)
def test_a_local_time_is_an_instant_even_where_clocks_change(local_day, fire_time, zone, utc):
    expected = datetime.fromisoformat(utc).replace(tzinfo=UTC)
    assert fire_instant(day(local_day), fire_time, zone) == expected


@given(DAYS.filter(lambda d: d.year > 1980), st.sampled_from(ZONES))
def test_eight_is_shown_on_every_wall_on_every_day(local_day, zone):
    wall = fire_instant(local_day, "08:00", zone).astimezone(zone_named(zone))
    assert (wall.date(), f"{wall:%H:%M}") == (local_day, "08:00")


@given(st.dates(date(2026, 1, 1), date(2028, 12, 31)), st.sampled_from(ZONES), st.integers(0, 24 * 60 - 1))
def test_no_time_of_day_fires_early(local_day, zone, minute):
    asked = f"{minute // 60:02d}:{minute % 60:02d}"
    wall = fire_instant(local_day, asked, zone).astimezone(zone_named(zone))
    assert (wall.date(), f"{wall:%H:%M}") >= (local_day, asked)
    assert wall.date() == local_day


@pytest.mark.parametrize(("first", "hours"), [("2026-03-28", 23), ("2026-10-24", 25), ("2026-06-01", 24)])
def test_a_day_is_a_date_not_twenty_four_hours(first, hours):
    today, tomorrow = day(first), day(first) + timedelta(days=1)
    lasted = fire_instant(tomorrow, "08:00", "Europe/London") - fire_instant(today, "08:00", "Europe/London")
    assert lasted == timedelta(hours=hours)


@pytest.mark.parametrize(
    ("utc", "zone", "local"),
    [
        ("2026-02-02 23:59", "Europe/London", "2026-02-02"),
        ("2026-07-01 23:30", "Europe/London", "2026-07-02"),
        ("2026-02-02 11:30", "Pacific/Auckland", "2026-02-03"),
        ("2026-02-03 03:00", "America/New_York", "2026-02-02"),
    ],
)
def test_the_date_is_the_one_on_the_wall_of_the_site(utc, zone, local):
    assert local_date(datetime.fromisoformat(utc).replace(tzinfo=UTC), zone) == day(local)


@pytest.mark.parametrize("name", ["Mars/Base", "", "Europe", "London", "../../etc/passwd", "GMT+1 "])
def test_a_zone_that_is_not_in_the_list_is_refused(name):
    with pytest.raises(UnknownZone, match="expected one such as Europe/London"):
        zone_named(name)


def test_people_see_dates_in_one_form_and_never_a_blank():
    assert show_date(day("2026-02-03")) == "03-Feb-2026"
    assert show_date(None) == "Not known"
    assert show_instant(datetime(2026, 7, 1, 23, 30, tzinfo=UTC), "Europe/London") == "02-Jul-2026 00:30"
    assert show_instant(None, "Europe/London") == "Not known"
