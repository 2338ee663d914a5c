"""Repeats that a long outage missed are told once: what is taken as over without a look is over, in any zone."""

from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from pathway.calendar import fire_instant, local_date
from pathway.episode import Task
from pathway.firing import _surely_over

# The second and the third each leapt over a date: 30 December 2011, and 21 August 1993.
LEAPS = {"Europe/London": date(2026, 3, 29), "Pacific/Apia": date(2011, 12, 30), "Pacific/Kwajalein": date(1993, 8, 21)}


@given(
    zone=st.sampled_from(sorted(LEAPS)),
    before=st.integers(0, 60),
    hours=st.integers(-24 * 10, 24 * 10),
    every=st.sampled_from([1, 2, 7, 14]),
)
def test_what_is_not_looked_at_is_over(zone, before, hours, every):
    leap = LEAPS[zone]
    at = datetime(leap.year, leap.month, leap.day, 8, tzinfo=UTC) + timedelta(hours=hours)
    overdue = leap - timedelta(days=before)
    task = Task("K-DXA", 1, at, overdue, overdue, every)
    over = _surely_over(task, overdue, overdue, local_date(at, zone))
    assert all(fire_instant(overdue + timedelta(days=n * every), "08:00", zone) <= at for n in range(1, over + 1))


def test_a_task_without_repeats_has_none_that_are_over():
    task = Task("K-DXA", 1, datetime(2026, 1, 5, tzinfo=UTC), date(2026, 1, 5), date(2026, 1, 5))
    assert _surely_over(task, date(2026, 1, 6), date(2026, 1, 6), date(2027, 1, 1)) == 0
