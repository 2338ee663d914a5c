"""What lies ahead by day and by owner, against what the desk can do, and what a leave would mean."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from urllib.parse import urlencode

from coordinator.web.ahead.columns import Chart, chart
from coordinator.web.desk import Desk
from coordinator.web.text import _
from coordinator.web.typed import typed_day
from coordinator.wiring import open_site
from pathway.calendar import show_date
from persistence.changes import owners
from persistence.forecast import CLOCK, DUE, KINDS, LATE, Ahead, ByRule, Load, Span, by_rule, house_ahead, loads
from scheduler.site import Site

SPANS = (7, 14, 28, 91)
USUAL = 14
NOBODY = "-"
# What somebody has to do anew on that day; that work becomes overdue is said beside it.
WORK = (CLOCK, DUE)
ALL_WORK = "work"
SYMBOLS = {CLOCK: "◆", DUE: "●", LATE: "▲"}


@dataclass(frozen=True, slots=True)
class Asked:
    """What the address asks for. `odd`: what in it could not be understood, in sentences."""

    first: date
    days: int
    owner: str = ""
    kind: str = ""
    code: str = ""
    typed: str = ""
    odd: tuple[str, ...] = ()

    @property
    def span(self) -> Span:
        named = ("" if self.owner == NOBODY else self.owner,) if self.owner else ()
        kinds = {"": KINDS, ALL_WORK: WORK}.get(self.kind, (self.kind,))
        return Span(self.first, self.first + timedelta(days=self.days - 1), named, kinds, self.code)


@dataclass(frozen=True, slots=True)
class Day:
    """One day: its counts by kind, whose they are, and why the site is closed on it."""

    day: date
    counts: Mapping[str, int]
    owners: Mapping[str, int]
    closed: str

    @property
    def work(self) -> int:
        return sum(self.counts.get(kind, 0) for kind in WORK)


@dataclass(frozen=True, slots=True)
class Outlook:
    """`capacity`: pieces of work that those who are shown can do in a day; None where it is not known. `at`: of when
    the numbers are. `crowd`: so many owners that there is no column for each; 0 where there is."""

    days: tuple[Day, ...]
    owners: tuple[str, ...]
    capacity: int | None
    chart: Chart
    rules: Sequence[ByRule]
    at: datetime
    crowd: int

    def over(self, day: Day) -> int:
        return max(0, day.work - self.capacity) if self.capacity and not day.closed else 0

    def of(self, owner: str) -> int:
        return sum(day.owners.get(owner, 0) for day in self.days)

    def all(self, kind: str) -> int:
        return sum(day.counts.get(kind, 0) for day in self.days)


def kind_words() -> dict[str, str]:
    return {
        CLOCK: _("A clock comes"),
        DUE: _("Work falls due"),
        LATE: _("Work becomes overdue"),
        ALL_WORK: _("Clocks, and work that falls due"),
        "": _("Clocks, work that falls due, and work that becomes overdue"),
    }


def asked_of(desk: Desk) -> Asked:
    values, odd = desk.request.query_params, []
    typed = values.get("first", "").strip()
    first: date | str = typed_day(typed, desk.today) if typed else desk.today
    if isinstance(first, str):
        odd.append(first)
        first = desk.today
    if first < desk.today:
        odd.append(_("%(day)s is past: this page looks ahead, from today on.", day=show_date(first)))
        first = desk.today
    days = values.get("days", "")
    kind = values.get("kind", "")
    known = desk.store.engine.guideline
    code = values.get("code", "")
    return Asked(
        first,
        int(days) if days in [str(span) for span in (1, *SPANS)] else USUAL,
        values.get("owner", "").strip()[:200],
        kind if kind in (*KINDS, ALL_WORK) else "",
        code if code in known.tasks or code in known.timers else "",
        typed,
        tuple(odd),
    )


def outlook(desk: Desk, asked: Asked) -> Outlook:
    ahead = _ahead(desk, asked)
    found, names = ahead.loads, [owner for owner in everybody(desk) if owner]
    site = open_site(desk.house.settings)
    days = tuple(by_days(asked.span.days, found, site))
    named = sorted({load.owner for load in found}) if ahead.by_owner else ()
    people = 1 if asked.owner else len(names)
    each = desk.house.settings.capacity
    capacity = each * people if each and people and asked.owner != NOBODY else None
    bars = chart([(day.day, day.counts, day.closed) for day in days], WORK, capacity)
    crowd = 0 if ahead.by_owner else len(names)
    return Outlook(days, tuple(named), capacity, bars, ahead.rules, ahead.at, crowd)


def _ahead(desk: Desk, asked: Asked) -> Ahead:
    """What somebody asks for in particular is counted now; the whole house may have been counted some minutes ago."""
    if asked.owner or asked.kind or asked.code:
        found, rules = loads(desk.store, asked.span), by_rule(desk.store, asked.span)
        return Ahead(desk.now, found, rules, by_owner=True)
    return house_ahead(desk.store, desk.now, asked.first, asked.days, today=desk.today)


def by_days(days: Sequence[date], found: Sequence[Load], site: Site) -> Sequence[Day]:
    counts: defaultdict[date, Counter[str]] = defaultdict(Counter)
    whose: defaultdict[date, Counter[str]] = defaultdict(Counter)
    for load in found:
        counts[load.day][load.kind] += load.count
        if load.kind in WORK:
            whose[load.day][load.owner] += load.count
    return [Day(day, counts[day], whose[day], closed(site, day)) for day in days]


def closed(site: Site, day: date) -> str:
    """Why nobody works on that day; empty where people do."""
    if day in site.days_off:
        return _("holiday")
    return "" if site.works_on(day) else _("site closed")


def everybody(desk: Desk) -> Sequence[str]:
    with desk.store.database.reading() as connection:
        return owners(connection)


def list_address(day: date, *, days: int = 1, owner: str | None = None, kind: str = "", code: str = "") -> str:
    """Where the list behind a number is."""
    said = {"first": show_date(day), "days": days, "kind": kind, "code": code}
    if owner is not None:
        said["owner"] = owner or NOBODY
    return f"/ahead/list?{urlencode({name: value for name, value in said.items() if value})}"
