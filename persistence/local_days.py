"""Which day it is at each site: one date nearly always, more where the zones in use lie on two sides of midnight."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Date, case, literal

from pathway.calendar import local_date
from persistence import models
from persistence.distinct import distinct
from persistence.registry import table

EPISODES = table(models.Episode)


@dataclass(frozen=True, slots=True)
class LocalDays:
    """What the calendars on the walls show at one instant; `anywhere` is the day in UTC, where no site is known."""

    by_zone: Mapping[str, date]
    anywhere: date

    @property
    def agree(self) -> bool:
        return len(set(self.by_zone.values())) < 2

    def on(self, zone: str) -> date:
        return self.by_zone[zone]

    def sql(self, plus: int = 0) -> ColumnElement[Any]:
        """That many days after today: one date, or by the zone of the episode where the sites differ."""
        later = timedelta(days=plus)
        zones: dict[date, list[str]] = {}
        for zone, day in self.by_zone.items():
            zones.setdefault(day, []).append(zone)
        if self.agree:
            return literal(next(iter(zones), self.anywhere) + later, Date)
        return case(*((EPISODES.c.zone.in_(names), literal(day + later, Date)) for day, names in zones.items()))


def local_days(connection: Connection, at: datetime) -> LocalDays:
    return LocalDays(
        {zone: local_date(at, zone) for zone in distinct(connection, EPISODES.c.zone)}, at.astimezone(UTC).date()
    )
