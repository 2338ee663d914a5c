"""How values look on a screen: dates as dd-Mmm-yyyy, numbers of identity in groups, names as a banner has them."""

from datetime import date, datetime, timedelta
from typing import Any

from markupsafe import Markup

from coordinator.web.text import _
from pathway.calendar import show_date, show_instant, zone_named

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
NBSP, NB_HYPHEN = "\N{NO-BREAK SPACE}", "\N{NON-BREAKING HYPHEN}"
NHS_NUMBER = 10


def day(value: date | None) -> str:
    """dd-Mmm-yyyy; Not known where there is none."""
    return show_date(value) if value is not None else _("Not known")


def weekday(value: date | None) -> str:
    """Mon 16-Mar-2026."""
    return f"{WEEKDAYS[value.weekday()]}{NBSP}{show_date(value)}" if value is not None else _("Not known")


def instant(value: datetime | None, zone: str) -> str:
    """dd-Mmm-yyyy hh:mm on the wall of that zone."""
    return show_instant(value, zone).replace(" ", NBSP) if value is not None else _("Not known")


def instant_day(value: datetime, zone: str) -> str:
    """The day on the wall of that zone."""
    return show_date(local(value, zone))


def local(value: datetime, zone: str) -> date:
    return value.astimezone(zone_named(zone)).date()


def age(birth: date | None, today: date) -> str:
    """80y, as a banner says it after the date of birth."""
    if birth is None:
        return ""
    return f"{today.year - birth.year - ((today.month, today.day) < (birth.month, birth.day))}y"


def identifier(value: str) -> str:
    """An identifier of ten digits in the groups 3-3-4, everything else as it is."""
    if len(value) == NHS_NUMBER and value.isdigit():
        return f"{value[:3]}{NBSP}{value[3:6]}{NBSP}{value[6:]}"
    return value


def gender(value: str | None) -> str:
    known = {"F": _("Female"), "M": _("Male"), "other": _("Other")}
    return known.get(value or "", _("Not known"))


def days(value: timedelta | int) -> int:
    return value.days if isinstance(value, timedelta) else value


def unbroken(value: str) -> Markup:
    """Kept on one line."""
    return Markup('<span class="nowrap">{}</span>').format(value)


FILTERS: dict[str, Any] = {
    "day": day,
    "weekday": weekday,
    "instant": instant,
    "instant_day": instant_day,
    "age": age,
    "identifier": identifier,
    "gender": gender,
    "unbroken": unbroken,
}
