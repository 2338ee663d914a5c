"""The numbers of the cohort, reckoned once for each change of the database: a chart and the table under it show the
same ones, and a page that is opened ten times asks the database once. In a large house they may be those that were
kept some minutes ago."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from threading import Lock
from typing import Any, TypeVar

from coordinator.web.desk import Desk
from persistence.board import Place, house_board
from persistence.episodes_where import change_mark
from persistence.moved import Stay, house_moves
from persistence.reckonings import instants

T = TypeVar("T")
MOST_KEPT = 24


@dataclass(frozen=True, slots=True)
class Reached:
    state: str
    title: str
    episodes: int


@dataclass(frozen=True, slots=True)
class Numbers:
    """As of an instant: that of the oldest of them. `mark` names them in the addresses of the charts. `kept`: something
    may have changed since then."""

    at: datetime
    mark: str
    places: tuple[Place, ...]
    ends: tuple[Place, ...]
    stays: tuple[Stay, ...]
    reached: tuple[Reached, ...]
    kept: bool

    @property
    def open(self) -> int:
        return sum(place.episodes for place in self.places)

    def sum(self, what: str) -> int:
        return sum(getattr(place, what) for place in self.places)


class Kept:
    """The newest few of what was made, for all threads of the process."""

    def __init__(self, most: int = MOST_KEPT) -> None:
        self.most, self.found, self.lock = most, OrderedDict[Hashable, Any](), Lock()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        with self.lock:
            if key in self.found:
                self.found.move_to_end(key)
                known: T = self.found[key]
                return known
        made = make()
        with self.lock:
            self.found[key] = made
            while len(self.found) > self.most:
                self.found.popitem(last=False)
        return made


def kept(desk: Desk) -> Kept:
    """What this site keeps: it goes when the site goes."""
    state = desk.request.app.state
    if not hasattr(state, "kept"):
        state.kept = Kept()
    found: Kept = state.kept
    return found


def numbers(desk: Desk) -> Numbers:
    with desk.store.database.reading() as connection:
        mark = change_mark(connection, desk.now), instants(connection, desk.now)
    return kept(desk).get(("numbers", mark), lambda: _numbers(desk, sha256(repr(mark).encode()).hexdigest()[:12]))


def _numbers(desk: Desk, mark: str) -> Numbers:
    store, guideline = desk.store, desk.store.engine.guideline
    counted, moves = house_board(store, desk.now), house_moves(store, desk.now)
    came = tuple(Reached(state, guideline.states[state].title, n) for state, n in moves.reached.items())
    places = tuple(place for phase in counted.phases for place in phase.places)
    at = min(counted.at, moves.at)
    found = Numbers(at, mark, places, counted.ends, moves.stays, came, kept=at < desk.now)
    kept(desk).get(("marked", mark), lambda: found)
    return found
