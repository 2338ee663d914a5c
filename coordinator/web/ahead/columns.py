"""Columns by day as numbers for one SVG: stacked by kind of work, with the line of what the desk can do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from coordinator.web.showing import WEEKDAYS
from pathway.calendar import show_date

WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 1160, 300, 46, 30, 46
PLOT = HEIGHT - TOP - BOTTOM
# More days than that are so narrow that only Mondays can carry their date.
CROWDED = 14


@dataclass(frozen=True, slots=True)
class Block:
    kind: str
    y: float
    height: float
    count: int


@dataclass(frozen=True, slots=True)
class Column:
    day: date
    x: float
    width: float
    total: int
    top: float
    blocks: tuple[Block, ...]
    closed: str
    label: str

    @property
    def middle(self) -> float:
        return self.x + self.width / 2


@dataclass(frozen=True, slots=True)
class Chart:
    """`capacity_y`: where the line runs; None where the capacity is not known."""

    columns: tuple[Column, ...]
    ticks: tuple[tuple[int, float], ...]
    capacity_y: float | None
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    floor: int = HEIGHT - BOTTOM


def chart(
    days: Sequence[tuple[date, Mapping[str, int], str]], kinds: Sequence[str], capacity: int | None = None
) -> Chart:
    """`days`: each with its counts by kind, and why the site is closed on it, empty where it is not."""
    totals = [sum(counts.get(kind, 0) for kind in kinds) for _, counts, _ in days]
    highest = max([*totals, capacity or 0, 1])
    step = _step(highest)
    top = -(-highest // step) * step
    scale = PLOT / top
    pitch = (WIDTH - LEFT) / max(len(days), 1)
    columns = []
    for number, (day, counts, closed) in enumerate(days):
        blocks, at = [], float(HEIGHT - BOTTOM)
        for kind in kinds:
            if count := counts.get(kind, 0):
                at -= count * scale
                blocks.append(Block(kind, round(at, 1), round(count * scale, 1), count))
        x = LEFT + number * pitch + pitch * 0.1
        columns.append(
            Column(
                day,
                round(x, 1),
                round(pitch * 0.8, 1),
                totals[number],
                round(at, 1),
                tuple(blocks),
                closed,
                _label(day, crowded=len(days) > CROWDED),
            )
        )
    ticks = tuple((value, round(HEIGHT - BOTTOM - value * scale, 1)) for value in range(0, top + 1, step))
    line = round(HEIGHT - BOTTOM - capacity * scale, 1) if capacity else None
    return Chart(tuple(columns), ticks, line)


def _label(day: date, *, crowded: bool) -> str:
    """Short, since the table under the picture has the whole date; empty where there is no room."""
    if crowded and day.weekday() != 0:
        return ""
    return f"{WEEKDAYS[day.weekday()]} {show_date(day)[:6]}"


def _step(highest: int) -> int:
    """A round distance between the lines of the scale: about four of them."""
    size = 1
    while True:
        for factor in (1, 2, 5):
            if highest / (size * factor) <= 5:
                return size * factor
        size *= 10
