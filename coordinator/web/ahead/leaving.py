"""A leave: what falls due meanwhile, how much whoever stands in has then, and the note that they do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from coordinator.web.ahead.looking import WORK, Day, by_days
from coordinator.web.desk import Desk
from coordinator.web.text import _
from coordinator.web.typed import typed_day
from coordinator.wiring import open_site
from persistence.forecast import Span, loads

LONGEST = timedelta(days=366)
CARERS = ("coordinator", "clinician", "lead")


@dataclass(frozen=True, slots=True)
class Leave:
    """A leave as somebody typed it; the days where they could be read."""

    typed: Mapping[str, str]
    first: date | None = None
    last: date | None = None
    stand_in: Mapping[str, Any] | None = None
    faults: Mapping[str, str] | None = None

    @property
    def readable(self) -> bool:
        return self.first is not None and self.last is not None and not (self.faults or {})


@dataclass(frozen=True, slots=True)
class Burden:
    """One day of a leave: what is mine, what the stand-in has anyway, and whether both are too much."""

    day: Day
    mine: int
    theirs: int | None
    over: int


def colleagues(desk: Desk) -> Sequence[Mapping[str, Any]]:
    """Those who can stand in: active, of a role that does the work, and not oneself."""
    return [
        user
        for user in desk.store.users()
        if user["active"] and user["role"] in CARERS and user["email"] != desk.me.email
    ]


def read_leave(desk: Desk, values: Mapping[str, str]) -> Leave:
    """What was typed, with what is wrong with it in sentences."""
    typed = {name: values.get(name, "").strip() for name in ("first", "last", "stand_in")}
    faults: dict[str, str] = {}
    days: dict[str, date] = {}
    for name in ("first", "last"):
        found = typed_day(typed[name], desk.today)
        if isinstance(found, date):
            days[name] = found
        else:
            faults[name] = found
    first, last = days.get("first"), days.get("last")
    if first is not None and last is not None:
        if last < first:
            faults["last"] = _("The last day lies before the first.")
        elif last < desk.today:
            faults["last"] = _("The leave is over already.")
        elif last - first > LONGEST:
            faults["last"] = _("A leave of more than a year needs new owners for the patients, not a cover.")
    known = {user["email"]: user for user in colleagues(desk)}
    if typed["stand_in"] and typed["stand_in"] not in known:
        faults["stand_in"] = _("Whoever stands in must be an active colleague, and somebody else than you.")
    return Leave(typed, first, last, known.get(typed["stand_in"]), faults)


def burdens(desk: Desk, leave: Leave) -> Sequence[Burden]:
    """By day; empty while the days cannot be read."""
    if leave.first is None or leave.last is None or leave.faults:
        return ()
    first = max(leave.first, desk.today)
    mine = _of(desk, first, leave.last, (desk.me.name, desk.me.email))
    who = leave.stand_in
    theirs = _of(desk, first, leave.last, (who["name"], who["email"])) if who else None
    capacity = desk.house.settings.capacity
    found = []
    for number, day in enumerate(mine):
        other = theirs[number].work if theirs is not None else None
        both = day.work + (other or 0)
        over = max(0, both - capacity) if capacity and theirs is not None and not day.closed else 0
        found.append(Burden(day, day.work, other, over))
    return found


def _of(desk: Desk, first: date, last: date, names: tuple[str, ...]) -> Sequence[Day]:
    span = Span(first, last, tuple(name for name in names if name))
    found = [load for load in loads(desk.store, span) if load.kind in WORK]
    return by_days(span.days, found, open_site(desk.house.settings))


def may_end(desk: Desk, cover: Mapping[str, Any]) -> bool:
    """One's own covers, and everybody's for a lead."""
    return desk.me.email == cover["absent"] or desk.me.role.id == "lead"


def keep(desk: Desk, absent: str, stand_in: str, first: date, last: date) -> None:
    row = {"absent": absent, "stand_in": stand_in, "first_day": first, "last_day": last}
    desk.store.keep_cover({**row, "noted_at": desk.now, "noted_by": desk.me.name})
