"""When and how much a site may be spoken to: quiet hours, working days, holidays, caps. Urgent things heed none."""

from collections.abc import Container
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import holidays

from pathway.calendar import fire_instant, local_date
from pathway.errors import PathwayError

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
EVERY_DAY = frozenset(range(7))
# No calendar has that many days off in a row: one that has is a mistake, and must not silence the site.
LONGEST_REST = 31
ONE_DAY = timedelta(days=1)


class SiteFaulty(PathwayError):
    """The site's hours cannot be read; nothing was started."""


@dataclass(frozen=True, slots=True)
class Site:
    """`quiet_from` to `quiet_until` is local time, hh:mm, over midnight where it is later; equal means never quiet.

    `daily_cap`: messages to one address on one local day. `urgent_only`: channels that carry nothing else.
    """

    zone: str = "UTC"
    quiet_from: str = "00:00"
    quiet_until: str = "00:00"
    workdays: frozenset[int] = EVERY_DAY
    days_off: Container[date] = ()
    daily_cap: int | None = None
    urgent_only: frozenset[str] = frozenset()
    patient_messages: bool = False
    patient_weekly_cap: int = 2
    service_phone: str = ""

    def opens_at(self, now: datetime, zone: str = "") -> datetime:
        """`now`, where ordinary messages may go out at this moment, else the next moment at which they may."""
        zone = zone or self.zone
        after_quiet = at = self._after_quiet(now, zone)
        for _ in range(LONGEST_REST + 1):
            day = local_date(at, zone)
            if self.works_on(day):
                return at
            at = self._after_quiet(fire_instant(day + ONE_DAY, "00:00", zone), zone)
        return after_quiet

    def next_opening(self, now: datetime) -> datetime:
        """The first moment of the next working day."""
        tomorrow = local_date(now, self.zone) + ONE_DAY
        return self.opens_at(fire_instant(tomorrow, "00:00", self.zone))

    def midnight(self, now: datetime) -> datetime:
        """The instant at which the local day of `now` began."""
        return fire_instant(local_date(now, self.zone), "00:00", self.zone)

    def works_on(self, day: date) -> bool:
        return day.weekday() in self.workdays and day not in self.days_off

    def _after_quiet(self, at: datetime, zone: str) -> datetime:
        """The end of the quiet hours in which `at` lies; `at` itself outside of them."""
        today = local_date(at, zone)
        for evening in (today - ONE_DAY, today) if self.quiet_from != self.quiet_until else ():
            morning = evening if self.quiet_from < self.quiet_until else evening + ONE_DAY
            end = fire_instant(morning, self.quiet_until, zone)
            if fire_instant(evening, self.quiet_from, zone) <= at < end:
                return end
        return at


ALWAYS_OPEN = Site()


def read_workdays(text: str) -> frozenset[int]:
    """ "mon-thu,sat" as numbers from Monday, 0; raises SiteFaulty."""
    found: set[int] = set()
    for part in filter(None, (part.strip().lower() for part in text.split(","))):
        first, dash, last = part.partition("-")
        last = last if dash else first
        if first not in DAYS or last not in DAYS:
            raise SiteFaulty(f"working days {text!r}: {part!r} is none; expected such as mon-fri or mon-thu,sat")
        start, end = DAYS.index(first), DAYS.index(last)
        found.update(day % 7 for day in range(start, end + 1 if end >= start else end + 8))
    if not found:
        raise SiteFaulty(f"working days {text!r}: there is none; expected such as mon-fri")
    return frozenset(found)


def read_holidays(text: str) -> Container[date]:
    """ "GB-ENG" or "US" as a calendar of public holidays; empty means none. Raises SiteFaulty."""
    if not text:
        return ()
    country, dash, part = text.upper().partition("-")
    try:
        found = holidays.country_holidays(country, part or None)
    except NotImplementedError as error:
        raise SiteFaulty(f"holidays {text!r}: {error}; expected such as GB, or a part such as GB-ENG") from error
    if dash and not part:
        raise SiteFaulty(f"holidays {text!r}: the part is missing; expected such as GB, or a part such as GB-ENG")
    return found
