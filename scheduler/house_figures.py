"""Which figures of a large house are kept for its pages, how each is reckoned, and the census as one of them."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from datetime import date, datetime
from functools import partial
from typing import Any

from pathway.calendar import local_date
from persistence.board import BOARD, counts
from persistence.forecast import AHEAD_FIGURES, of_everybody
from persistence.moved import FIRED, MOVED, came_and_stayed, of_the_last_days
from persistence.outbox_page import ENDED, ended
from persistence.reckonings import Reckon, reckoned, refresh
from persistence.store import Store
from scheduler.census import Census, census, in_unknown_state, unowned

CENSUS = "census"


def house_census(store: Store, now: datetime) -> Census:
    """For a page: a large house may be counted some minutes ago, as `at` says. Whom nobody looks after, and who is in a
    state that is not known, is as of now."""
    found = reckoned(store, now, CENSUS, counted)
    with store.database.reading() as connection:
        nobodys, strange = unowned(store, connection), in_unknown_state(store, connection)
    return replace(_census(found.at, found.figures), unowned=nobodys, unknown_state=strange)


def counted(store: Store, now: datetime) -> dict[str, Any]:
    """The census as JSON can hold it."""
    found = asdict(census(store, now))
    del found["at"]
    return found


def _census(at: datetime, told: Mapping[str, Any]) -> Census:
    values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in told.items()}
    return Census(at, **values)


def keep_fresh(store: Store, now: datetime, *, zone: str, stop: Callable[[], bool]) -> list[str]:
    """Reckon anew what is kept, before it is too old to be shown; their names. Once across all processes."""
    return refresh(store, now, partial(_known, today=local_date(now, zone)), stop)


def _known(name: str, today: date) -> Reckon | None:
    what, _space, days = name.partition(" ")
    if what == AHEAD_FIGURES and days.isdecimal():
        return partial(of_everybody, first=today, days=int(days))
    if what == FIRED and days.isdecimal():
        return partial(of_the_last_days, days=int(days))
    return {BOARD: counts, MOVED: came_and_stayed, ENDED: ended, CENSUS: counted}.get(name)
