"""The hours of a site: quiet ones, days off, and the two nights of the year on which the clock is changed."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from scheduler.site import ALWAYS_OPEN, LONGEST_REST, Site, SiteFaulty, read_holidays, read_workdays

LONDON = "Europe/London"
WEEKDAYS = frozenset(range(5))
OFFICE = Site(LONDON, "20:00", "07:00", WEEKDAYS)


def wall(text: str, zone: str = LONDON, *, fold: int = 0) -> datetime:
    """What a clock on the wall says, as the UTC instant."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC)


@pytest.mark.parametrize(
    ("now", "opening"),
    [
        ("2026-02-03T07:00", "2026-02-03T07:00"),
        ("2026-02-03T06:59:59", "2026-02-03T07:00"),
        ("2026-02-03T12:00", "2026-02-03T12:00"),
        ("2026-02-03T19:59:59.999", "2026-02-03T19:59:59.999"),
        ("2026-02-03T20:00", "2026-02-04T07:00"),
        ("2026-02-03T23:59", "2026-02-04T07:00"),
        ("2026-02-04T00:00", "2026-02-04T07:00"),
        ("2026-02-06T19:59", "2026-02-06T19:59"),
        ("2026-02-06T20:00", "2026-02-09T07:00"),
        ("2026-02-07T12:00", "2026-02-09T07:00"),
        ("2026-02-08T23:00", "2026-02-09T07:00"),
    ],
)
def test_ordinary_messages_go_out_from_seven_to_eight_on_working_days(now, opening):
    assert OFFICE.opens_at(wall(now)) == wall(opening)


@pytest.mark.parametrize(
    ("night", "morning", "utc"),
    [
        ("2026-03-28T22:00", "2026-03-29T07:00", datetime(2026, 3, 29, 6, tzinfo=UTC)),
        ("2026-03-29T00:59", "2026-03-29T07:00", datetime(2026, 3, 29, 6, tzinfo=UTC)),
        ("2026-03-29T02:00", "2026-03-29T07:00", datetime(2026, 3, 29, 6, tzinfo=UTC)),
        ("2026-10-24T22:00", "2026-10-25T07:00", datetime(2026, 10, 25, 7, tzinfo=UTC)),
        ("2026-10-25T01:30", "2026-10-25T07:00", datetime(2026, 10, 25, 7, tzinfo=UTC)),
    ],
)
def test_when_the_clock_is_changed_the_site_opens_at_seven_by_the_wall(night, morning, utc):
    site = Site(LONDON, "20:00", "07:00")
    assert site.opens_at(wall(night)) == wall(morning) == utc


def test_the_evening_before_a_change_of_the_clock_is_quiet_from_eight_by_the_wall():
    site = Site(LONDON, "20:00", "07:00")
    for day in ("2026-03-29", "2026-10-25"):
        last = wall(f"{day}T19:59")
        assert site.opens_at(last) == last
        assert site.opens_at(wall(f"{day}T20:00")) > wall(f"{day}T20:00")


def test_an_hour_that_is_there_twice_ends_the_quiet_the_first_time_and_one_that_is_missing_does_not_silence():
    site = Site(LONDON, "20:00", "01:30")
    first, again = wall("2026-10-25T01:30"), wall("2026-10-25T01:10", fold=1)
    assert site.opens_at(wall("2026-10-25T01:10")) == first
    assert again > first
    assert site.opens_at(again) == again
    # 01:30 is not there on 29 March; it is 02:30 by the new time at which it would have been.
    assert site.opens_at(wall("2026-03-29T00:30")) == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    assert site.opens_at(datetime(2026, 3, 29, 1, 30, tzinfo=UTC)) == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)


@pytest.mark.parametrize("start", ["2026-03-27T12:00", "2026-10-23T12:00"])
@pytest.mark.parametrize("hours", [("20:00", "07:00"), ("12:00", "13:30"), ("22:00", "01:30"), ("00:30", "02:15")])
def test_an_opening_is_open_itself_and_nothing_is_open_before_it(start, hours):
    site = Site(LONDON, *hours, WEEKDAYS)
    for minute in range(0, 4 * 24 * 60, 7):
        now = wall(start) + timedelta(minutes=minute)
        opening = site.opens_at(now)
        assert site.opens_at(opening) == opening
        if opening > now:
            assert site.opens_at(opening - timedelta(seconds=1)) == opening


def test_a_bank_holiday_monday_in_england_moves_it_to_tuesday():
    site = Site(LONDON, "20:00", "07:00", WEEKDAYS, read_holidays("GB-ENG"))
    assert site.opens_at(wall("2026-05-22T20:00")) == wall("2026-05-26T07:00")
    assert site.opens_at(wall("2026-05-25T10:00")) == wall("2026-05-26T07:00")
    # Good Friday to Easter Monday; Easter Monday is none in Scotland.
    assert site.opens_at(wall("2026-04-03T10:00")) == wall("2026-04-07T07:00")
    scottish = Site(LONDON, "20:00", "07:00", WEEKDAYS, read_holidays("GB-SCT"))
    assert scottish.opens_at(wall("2026-04-03T10:00")) == wall("2026-04-06T07:00")
    # Boxing Day 2026 is a Saturday, so Monday stands for it.
    assert site.opens_at(wall("2026-12-24T20:00")) == wall("2026-12-29T07:00")


def test_without_quiet_hours_a_working_day_begins_at_midnight():
    for time in ("00:00", "20:00"):
        site = Site(LONDON, time, time, WEEKDAYS)
        assert site.opens_at(wall("2026-02-03T03:00")) == wall("2026-02-03T03:00")
        assert site.opens_at(wall("2026-02-07T12:00")) == wall("2026-02-09T00:00")


def test_a_rest_at_noon_leaves_the_morning_open():
    site = Site(LONDON, "12:00", "13:30", WEEKDAYS)
    assert site.opens_at(wall("2026-02-03T08:00")) == wall("2026-02-03T08:00")
    assert site.opens_at(wall("2026-02-03T12:00")) == wall("2026-02-03T13:30")
    assert site.opens_at(wall("2026-02-07T12:30")) == wall("2026-02-09T00:00")


def test_the_hours_of_another_zone_are_those_of_its_wall():
    assert OFFICE.opens_at(wall("2026-02-03T12:00"), "America/New_York") == wall("2026-02-03T12:00")
    assert OFFICE.opens_at(wall("2026-02-03T11:59"), "America/New_York") == wall("2026-02-03T12:00")
    # Nine in the evening in London on Friday is ten on Saturday morning in Auckland, where nobody works then.
    monday = wall("2026-02-09T07:00", "Pacific/Auckland")
    assert OFFICE.opens_at(wall("2026-02-06T21:00"), "Pacific/Auckland") == monday == wall("2026-02-08T18:00")


def test_the_next_opening_is_that_of_the_next_working_day_even_while_the_site_is_open():
    assert OFFICE.next_opening(wall("2026-02-03T07:00")) == wall("2026-02-04T07:00")
    assert OFFICE.next_opening(wall("2026-02-06T10:00")) == wall("2026-02-09T07:00")
    assert OFFICE.next_opening(wall("2026-02-04T00:30")) == wall("2026-02-05T07:00")


def test_the_day_of_a_cap_begins_at_local_midnight():
    assert OFFICE.midnight(wall("2026-07-01T00:30")) == datetime(2026, 6, 30, 23, tzinfo=UTC)
    assert OFFICE.midnight(wall("2026-03-29T12:00")) == datetime(2026, 3, 29, tzinfo=UTC)


class Always:
    """A calendar in which every day is off."""

    def __contains__(self, day: object) -> bool:
        return True


@pytest.mark.parametrize(
    "site", [Site(LONDON, "20:00", "07:00", frozenset()), Site(LONDON, "20:00", "07:00", days_off=Always())]
)
def test_a_calendar_without_a_working_day_silences_nobody_for_ever(site):
    noon = wall("2026-02-03T12:00")
    assert site.opens_at(noon) == noon
    assert site.opens_at(wall("2026-02-03T22:00")) == wall("2026-02-04T07:00"), "its quiet hours are no mistake"


def test_a_rest_of_a_month_is_believed_and_a_longer_one_is_not():
    first = date(2026, 3, 1)
    for length, opening in ((LONGEST_REST, "2026-04-01T07:00"), (LONGEST_REST + 1, "2026-03-01T07:00")):
        rest = [first + timedelta(days=number) for number in range(length)]
        site = Site(LONDON, "20:00", "07:00", days_off=rest)
        assert site.opens_at(wall("2026-03-01T03:00")) == wall(opening)


def test_a_site_of_which_nothing_is_said_is_always_open():
    midnight = wall("2026-12-25T00:00")
    assert ALWAYS_OPEN.opens_at(midnight) == midnight


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("mon-fri", {0, 1, 2, 3, 4}),
        ("mon-thu,sat", {0, 1, 2, 3, 5}),
        ("fri-mon", {4, 5, 6, 0}),
        ("sun-mon", {6, 0}),
        ("wed", {2}),
        ("wed-wed", {2}),
        (" Mon , TUE-wed ", {0, 1, 2}),
        ("mon-sun", set(range(7))),
        ("sat-fri", set(range(7))),
        ("mon,mon", {0}),
    ],
)
def test_working_days_are_names_and_ranges(text, days):
    assert read_workdays(text) == days


@pytest.mark.parametrize("text", ["", " , ", "monday", "mon-", "-fri", "mon-fri-sun", "1-5", "mon to fri", "mon;fri"])
def test_working_days_that_are_none_are_refused_with_a_sentence(text):
    with pytest.raises(SiteFaulty) as refused:
        read_workdays(text)
    said = str(refused.value)
    assert repr(text) in said
    assert "expected such as mon-fri" in said


def test_holidays_are_those_of_a_country_or_a_part_of_it():
    assert date(2026, 8, 31) in read_holidays("GB-ENG")
    assert date(2026, 8, 31) in read_holidays("gb-eng")
    assert date(2026, 8, 31) not in read_holidays("GB-SCT")
    assert date(2026, 1, 6) in read_holidays("DE-BY")
    assert date(2026, 1, 6) not in read_holidays("DE")
    assert date(2026, 7, 4) in read_holidays("US")
    assert date(2026, 12, 25) not in read_holidays("")


@pytest.mark.parametrize("text", ["GB-XYZ", "XX", "England", "GB-", "GB ENG", "-ENG", "GB-ENG-"])
def test_holidays_of_nowhere_are_refused_with_a_sentence(text):
    with pytest.raises(SiteFaulty) as refused:
        read_holidays(text)
    said = str(refused.value)
    assert repr(text) in said
    assert "expected such as GB" in said
