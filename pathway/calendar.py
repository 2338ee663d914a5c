"""Local calendar dates, the instants at which they fire, and month arithmetic.

The one module where a site's wall time and UTC meet. Clinical windows are local dates;
everything stored or compared across sites is an aware UTC instant.
"""

from calendar import monthrange
from datetime import UTC, date, datetime, time
from functools import lru_cache
from zoneinfo import ZoneInfo

from pathway.errors import UnknownZone


@lru_cache(maxsize=64)
def zone_named(name: str) -> ZoneInfo:
    """The IANA zone of that name; raises UnknownZone."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise UnknownZone(name) from error


def add_months(day: date, months: int) -> date:
    """The same day number `months` later, clamped to the end of a shorter month.

    Always counted from the original anchor, never chained: 30 Nov + 3 is 28 or 29 Feb.
    """
    year, month_index = divmod(day.year * 12 + day.month - 1 + months, 12)
    last_day = monthrange(year, month_index + 1)[1]
    return date(year, month_index + 1, min(day.day, last_day))


def local_date(instant: datetime, zone: str) -> date:
    """The calendar date that the site's wall shows at that instant."""
    return instant.astimezone(zone_named(zone)).date()


@lru_cache(maxsize=65536)
def fire_instant(day: date, fire_time: str, zone: str) -> datetime:
    """The UTC instant at which something due on `day` fires at the site.

    fold=0 does what patients need in both clock changes: a time that does not exist fires late by
    the gap and never early, a time that exists twice fires the first time.
    """
    hour, minute = fire_time.split(":")
    wall = datetime.combine(day, time(int(hour), int(minute)), zone_named(zone))
    return wall.astimezone(UTC)


def show_date(day: date | None) -> str:
    """dd-Mmm-yyyy, the only form in which people see a date."""
    return "Not known" if day is None else f"{day.day:02d}-{_MONTHS[day.month - 1]}-{day.year}"


def show_instant(instant: datetime | None, zone: str) -> str:
    """dd-Mmm-yyyy hh:mm on the site's wall."""
    if instant is None:
        return "Not known"
    wall = instant.astimezone(zone_named(zone))
    return f"{show_date(wall.date())} {wall:%H:%M}"


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
