"""One page of the worklist, asked of the database: tabs with counts, filters, and no more rows than are shown.

Open work falls into cells: red flags and the rest, and in each what is late, what is due, what the next seven days
bring and what comes later. One after the other they are the order of urgency, and inside a cell the order is one that
an index has; so a page is found by counting cells, then reading one stretch of one or two of them.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    and_,
    case,
    exists,
    func,
    literal,
    literal_column,
    or_,
    select,
    tuple_,
    union_all,
)

from persistence import models
from persistence.dialects import DaysBetween, InCodeOrder, not_by_index
from persistence.last_contact import Contacted, last_contacts
from persistence.local_days import LocalDays, local_days
from persistence.names import full_name
from persistence.registry import table
from persistence.search import fitting
from persistence.store import Store
from persistence.work_item import WorkItem, work_item

TASKS, EPISODES, PEOPLE = table(models.Task), table(models.Episode), table(models.Patient)
OF_SOME = EPISODES.alias("of_some")
LOOKS = table(models.LookAgain)

SIZES = (25, 50, 100, 200)
PARTS = ("late", "due", "week", "later")
TABS: Mapping[str, tuple[str, ...]] = {
    "now": ("late", "due"),
    "overdue": ("late",),
    "today": ("due",),
    "week": ("week",),
    "aside": PARTS,
    "all": PARTS,
}
RED, REST = 0, 1
AT_A_TIME = 500
# Said in the statement itself: SQLite takes an index of open work only where it can read that no other is wanted.
IS_OPEN = TASKS.c.status == literal_column("'open'")


@dataclass(frozen=True, slots=True)
class View:
    """Which work is shown. `owners`: any of these names, "" for nobody's; none named means everybody's.

    tab: now (late or due, and not set aside), overdue, today (due, its window still open), week (due within seven
    days, today not counted), aside (set aside until a later day), all. Only `now` hides what was set aside, and
    red-flag work is never hidden.
    """

    tab: str = "now"
    state: str | None = None
    sub: str | None = None
    owners: tuple[str, ...] = ()
    role: str | None = None
    red_only: bool = False
    q: str = ""

    @property
    def of_some_episodes(self) -> bool:
        return bool(self.state or self.sub or self.owners or self.q.strip())


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the page. `since`: when the episode came to its state; `aside_until`: set aside until that day;
    `version`: the line of the journal that the page has seen."""

    item: WorkItem
    task_n: int
    since: datetime
    last_contact: Contacted | None
    aside_until: date | None
    version: int


@dataclass(frozen=True, slots=True)
class Counts:
    """How much each tab holds under the other filters; `red` of all."""

    now: int
    overdue: int
    today: int
    week: int
    aside: int
    all: int
    red: int


@dataclass(frozen=True, slots=True)
class Page:
    rows: tuple[Row, ...]
    counts: Counts
    total: int
    number: int
    size: int

    @property
    def pages(self) -> int:
        return max(1, -(-self.total // self.size))


def work_page(store: Store, at: datetime, view: View, *, page: int = 1, size: int = 50) -> Page:
    """One page, counted from 1, the most urgent first; a page after the last is empty."""
    with store.database.snapshot() as connection:
        listing = _Listing(view, local_days(connection, at))
        held = listing.counted(connection)
        found: list[Any] = []
        for cell, offset, count in held.stretches(view.tab, (page - 1) * size, size):
            found += listing.stretch(connection, cell, offset, count)
        contacts = last_contacts(connection, [row.patient_id for row in found])
    rows = tuple(_row(store, listing.days, row, contacts) for row in found)
    return Page(rows, held.counts(), held.total(view.tab), page, size)


def work_items(store: Store, at: datetime, view: View) -> Iterator[WorkItem]:
    """All the work of a view, the most urgent first, for letters and files; a screen asks for a page."""
    with store.database.snapshot() as connection:
        listing = _Listing(view, local_days(connection, at))
        for cell in listing.cells(view.tab):
            with connection.execution_options(yield_per=AT_A_TIME).execute(listing.rows(cell)) as rows:
                for row in rows:
                    yield _item(store, listing.days, row)


# ---------------------------------------------------------------- what is asked


@dataclass(frozen=True, slots=True)
class _Cell:
    rank: int
    part: str


@dataclass(frozen=True, slots=True)
class _Held:
    """How much work is in each cell, and how much of that was set aside."""

    open: Mapping[_Cell, int]
    aside: Mapping[_Cell, int]

    def size(self, cell: _Cell, tab: str) -> int:
        aside = self.aside.get(cell, 0)
        if tab == "aside":
            return aside
        return self.open.get(cell, 0) - (aside if tab == "now" else 0)

    def total(self, tab: str) -> int:
        return sum(self.size(cell, tab) for cell in _cells(tab))

    def counts(self) -> Counts:
        red = sum(count for cell, count in self.open.items() if cell.rank == RED)
        return Counts(**{tab: self.total(tab) for tab in TABS}, red=red)

    def stretches(self, tab: str, first: int, size: int) -> Iterator[tuple[_Cell, int, int]]:
        """The cells that a page reaches into: where in the cell it begins, and how many rows it takes there."""
        for cell in _cells(tab):
            there = self.size(cell, tab)
            taken = min(size, there - first)
            if taken > 0:
                yield cell, first, taken
                size -= taken
            first = max(0, first - there)


def _cells(tab: str) -> list[_Cell]:
    return [_Cell(rank, part) for rank in (RED, REST) for part in TABS[tab]]


@dataclass(frozen=True, slots=True)
class _Listing:
    """The statements of one view at one moment."""

    view: View
    days: LocalDays
    today: ColumnElement[Any] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "today", self.days.sql())

    def cells(self, tab: str) -> list[_Cell]:
        return [cell for cell in _cells(tab) if cell.rank == RED or not self.view.red_only]

    # ------------------------------------------------------------ counting

    def counted(self, connection: Connection) -> _Held:
        """Each open task is looked at once: in the index alone where that says all."""
        open_, aside = Counter[_Cell](), Counter[_Cell]()
        for rank, part, set_aside, count in connection.execute(self._counting()):
            if set_aside:
                aside[_Cell(rank, part)] += count
            if not set_aside or not self._by_cells:
                open_[_Cell(rank, part)] += count
        return _Held(open_, aside)

    @property
    def _by_cells(self) -> bool:
        return self.days.agree and not self.view.of_some_episodes

    def _counting(self) -> Any:
        return self._counting_cells() if self._by_cells else self._counting_once()

    def _counting_once(self) -> Any:
        """All cells in one reading of the tasks, each with what was set aside apart."""
        ranks = {cell.rank for cell in self.cells("all")}
        parts = case(*((self._is_in(part), part) for part in PARTS))
        each = select(TASKS.c.rank, parts.label("part"), self._aside().label("aside"))
        # Of some episodes, theirs is the index to take, not that of all open work.
        rank = not_by_index(TASKS.c.rank, REST) if self.view.of_some_episodes else TASKS.c.rank
        wanted = each.where(IS_OPEN, rank.in_(ranks), *self._conditions())
        found = wanted.select_from(self._source()).subquery()
        return select(*found.c, func.count()).group_by(*found.c)

    def _counting_cells(self) -> Any:
        """Each cell as one stretch of an index, and again what of it was set aside: that is little, and looked up."""
        cells = self.cells("all")
        each = [self._counted(cell, 0, TASKS).where(self._is_cell(cell)) for cell in cells]
        beside, later = LOOKS.join(TASKS, _same_task()), LOOKS.c.until > self.today
        # By the few that were set aside, not by all open work.
        theirs = TASKS.c.episode_id.in_(select(LOOKS.c.episode_id).where(later))
        aside = [
            self._counted(cell, 1, beside).where(
                not_by_index(TASKS.c.rank, REST) == cell.rank, self._is_in(cell.part), later, theirs
            )
            for cell in cells
            if cell.rank != RED
        ]
        return union_all(*each, *aside)

    def _counted(self, cell: _Cell, set_aside: int, source: FromClause) -> Any:
        columns = literal(cell.rank), literal(cell.part), literal(set_aside), func.count()
        return select(*columns).select_from(source).where(IS_OPEN, *self._conditions())

    # ------------------------------------------------------------ reading

    def stretch(self, connection: Connection, cell: _Cell, offset: int, count: int) -> list[Any]:
        """So many rows of a cell from a place on. The index finds the first and the last day; names are read only
        of what lies between, to put work of one day in order."""
        days = self._days_of(cell)
        wanted = select(*days).select_from(self._source()).where(*self._shown(cell)).order_by(*days)
        keys = connection.execute(wanted.limit(count).offset(offset)).all()
        if not keys:
            return []
        first, last = _ordered(days, tuple(keys[0])), _ordered(days, tuple(keys[-1]))
        before = 0
        if offset:
            earlier = select(func.count()).select_from(self._source()).where(*self._shown(cell), first[0])
            before = connection.scalar(earlier) or 0
        rows = self.rows(cell).where(first[1], last[2]).limit(count).offset(offset - before)
        return list(connection.execute(rows))

    def rows(self, cell: _Cell) -> Any:
        """All rows of a cell in their order."""
        beside = and_(_same_task(), LOOKS.c.until > self.today, TASKS.c.rank != RED)
        source = self._with_episode().join(PEOPLE, PEOPLE.c.id == EPISODES.c.patient_id).outerjoin(LOOKS, beside)
        order = *self._days_of(cell), PEOPLE.c.name_key, InCodeOrder(TASKS.c.episode_id), InCodeOrder(TASKS.c.code)
        return select(*COLUMNS).select_from(source).where(*self._shown(cell)).order_by(*order)

    def _days_of(self, cell: _Cell) -> tuple[ColumnElement[Any], ...]:
        """What a cell is ordered by before the names."""
        if cell.part != "late":
            return (TASKS.c.due,)
        # Where the sites differ, the same date is one day later at some of them.
        late = TASKS.c.overdue_after if self.days.agree else DaysBetween(TASKS.c.overdue_after, self.today)
        return (late, TASKS.c.due)

    # ------------------------------------------------------------ conditions

    def _shown(self, cell: _Cell) -> list[ColumnElement[bool]]:
        found = [IS_OPEN, self._is_cell(cell), *self._conditions()]
        if self.view.tab == "aside":
            found.append(self._aside())
        elif self.view.tab == "now" and cell.rank != RED:
            found.append(~self._aside())
        return found

    def _is_cell(self, cell: _Cell) -> ColumnElement[bool]:
        return and_(TASKS.c.rank == cell.rank, self._is_in(cell.part))

    def _is_in(self, part: str) -> ColumnElement[bool]:
        due, soon = TASKS.c.due, self.days.sql(plus=7)
        late = TASKS.c.overdue_after < self.today
        return {
            "late": late,
            "due": and_(due <= self.today, ~late),
            "week": and_(due > self.today, due <= soon, ~late),
            "later": and_(due > soon, ~late),
        }[part]

    def _aside(self) -> ColumnElement[bool]:
        until_later = exists().where(_same_task(), LOOKS.c.until > self.today, TASKS.c.rank != RED)
        return until_later.correlate(TASKS, EPISODES)

    def _conditions(self) -> list[ColumnElement[bool]]:
        found = [TASKS.c.role == self.view.role] if self.view.role else []
        if self.view.of_some_episodes:
            # A list of ids from an index of episodes, whose own rows are long, is made once and looked up.
            found.append(TASKS.c.episode_id.in_(select(OF_SOME.c.id).where(*self._of_episodes())))
        return found

    def _of_episodes(self) -> list[ColumnElement[bool]]:
        view = self.view
        found = [OF_SOME.c.state == view.state] if view.state else []
        found += [OF_SOME.c.sub == view.sub] if view.sub else []
        if view.owners:
            named = OF_SOME.c.owner.in_(view.owners)
            found.append(or_(named, OF_SOME.c.owner.is_(None)) if "" in view.owners else named)
        if view.q.strip():
            found.append(OF_SOME.c.patient_id.in_(select(PEOPLE.c.id).where(fitting(view.q))))
        return found

    def _source(self) -> FromClause:
        return TASKS if self.days.agree else self._with_episode()

    def _with_episode(self) -> FromClause:
        return TASKS.join(EPISODES, EPISODES.c.id == TASKS.c.episode_id)


def _same_task() -> ColumnElement[bool]:
    return and_(LOOKS.c.episode_id == TASKS.c.episode_id, LOOKS.c.code == TASKS.c.code, LOOKS.c.n == TASKS.c.n)


def _ordered(columns: tuple[Any, ...], values: tuple[Any, ...]) -> tuple[Any, Any, Any]:
    """Before those values, from them on, and up to them."""
    if len(columns) == 1:
        return columns[0] < values[0], columns[0] >= values[0], columns[0] <= values[0]
    both = tuple_(*columns)
    return both < values, both >= values, both <= values


# ---------------------------------------------------------------- rows

COLUMNS = (
    EPISODES.c.patient_id,
    PEOPLE.c.surname,
    PEOPLE.c.given,
    PEOPLE.c.birth_date,
    EPISODES.c.id,
    EPISODES.c.n,
    EPISODES.c.state,
    EPISODES.c.sub,
    EPISODES.c.level,
    EPISODES.c.owner,
    EPISODES.c.zone,
    EPISODES.c.since,
    EPISODES.c.version,
    TASKS.c.code,
    TASKS.c.n.label("task_n"),
    TASKS.c.due,
    TASKS.c.overdue_after,
    TASKS.c.opened_at,
    LOOKS.c.until,
)


def _row(store: Store, days: LocalDays, row: Any, contacts: Mapping[str, Contacted]) -> Row:
    item = _item(store, days, row)
    return Row(item, row.task_n, row.since, contacts.get(row.patient_id), row.until, row.version)


def _item(store: Store, days: LocalDays, row: Any) -> WorkItem:
    found = {
        "patient": row.patient_id,
        "name": full_name(row.surname, row.given),
        "episode": row.id,
        **{name: getattr(row, name) for name in ("birth_date", "n", "state", "sub", "level", "owner", "zone")},
        **{name: getattr(row, name) for name in ("code", "due", "overdue_after", "opened_at")},
    }
    return work_item(store.engine.guideline, found, days.on(row.zone))
