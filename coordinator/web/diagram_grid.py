"""Where the boxes of the picture stand: a column for each phase, a row for each state, a room for each sub-state.

The boxes of one row begin at one height, and everything at a box's side stands on a ladder of equal steps. Columns
side by side use different rungs, so that two lines which meet there never run over each other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from textwrap import wrap

from coordinator.web.diagram_nets import Net, state_of
from pathway.guideline import FORMER, Guideline

WIDE, INSET = 112, 6
STEP, LINE = 14, 14
LETTERS, SMALL_LETTERS = 14, 15
IDS_A_LINE = 2
TOP, BAR = 30, 24


@dataclass(slots=True)
class Port:
    """Where an arrow touches the side of a box. `slots`: how many steps of the ladder its label takes."""

    net: int
    place: str
    right: bool
    arrives: bool
    slots: int = 1
    level: float = 0
    y: float = 0


# By the place, and whether it is the right side of it; from the top.
Ports = Mapping[tuple[str, bool], list[Port]]


@dataclass(slots=True)
class Room:
    """A state's own part of its box, or a sub-state within it. `gap`: the arrow that comes down from the room above."""

    place: str
    lines: tuple[str, ...]
    column: int
    row: int
    height: int = 0
    x: float = 0
    y: float = 0
    gap: int = 0


@dataclass(slots=True)
class Box:
    state: str
    column: int
    row: int
    rooms: list[Room]
    x: float = 0
    y: float = 0

    @property
    def height(self) -> float:
        last = self.rooms[-1]
        return last.y + last.height - self.y + (INSET if len(self.rooms) > 1 else 0)


@dataclass(slots=True)
class Grid:
    phases: tuple[str, ...]
    boxes: dict[str, Box]
    rooms: dict[str, Room] = field(default_factory=dict)
    rows: int = 0

    def column(self, place: str) -> int:
        return self.boxes[state_of(place)].column

    def inner(self, column: int) -> bool:
        """Whether arrows may pass above and below its boxes; the outer columns fill their whole height."""
        return 0 < column < len(self.phases) - 1

    def of_column(self, column: int) -> list[Box]:
        return [box for box in self.boxes.values() if box.column == column]


def grid_of(guideline: Guideline) -> Grid:
    phases = tuple(dict.fromkeys(state.phase for state in guideline.states.values()))
    found = Grid(phases, {})
    filled = [0] * len(phases)
    for state in guideline.states.values():
        column = phases.index(state.phase)
        row = filled[column]
        filled[column] += 1
        rooms = [Room(state.id, _lines(state.title, LETTERS), column, row)]
        for sub in state.subs.values():
            rooms.append(Room(f"{state.id}.{sub['id']}", _lines(sub["title"], SMALL_LETTERS), column, row))
        found.boxes[state.id] = Box(state.id, column, row, rooms)
        found.rooms.update({room.place: room for room in rooms})
    found.rows = max((n for column, n in enumerate(filled) if found.inner(column)), default=1)
    return found


def _lines(title: str, letters: int) -> tuple[str, ...]:
    return tuple(wrap(title, letters, break_long_words=False))


def lines_of(rules: Sequence[str]) -> list[Sequence[str]]:
    """The numbers on an arrow, so many to a line."""
    return [rules[n : n + IDS_A_LINE] for n in range(0, len(rules), IDS_A_LINE)]


# ---------------------------------------------------------------- heights


def stand(
    grid: Grid, ports: Mapping[tuple[str, bool], list[Port]], inside: set[str], channels: Sequence[float]
) -> float:
    """Give every box and room its height and its place from the top; the height of the picture.

    `inside`: rooms that an arrow enters from the room above. `channels`: how high the space above each row is, and
    below the last.
    """
    for box in grid.boxes.values():
        for n, room in enumerate(box.rooms):
            room.gap = 0 if n == 0 else (2 * STEP if room.place in inside else STEP)
            room.height = max(
                _text(room, counts=n == 0), *(_ladder(ports.get((room.place, r), [])) for r in (False, True))
            )
    y: float = TOP + BAR
    for row in range(grid.rows):
        y = _rung(y + channels[row])
        inner = [box for box in grid.boxes.values() if box.row == row and grid.inner(box.column)]
        for box in inner:
            _put(box, y)
        y = max((box.y + box.height for box in inner), default=y)
    bottom = y + channels[-1]
    for column in {0, len(grid.phases) - 1}:
        bottom = max(bottom, _spread(grid.of_column(column), _rung(TOP + BAR + channels[0]), bottom))
    return bottom + STEP


def _text(room: Room, *, counts: bool) -> int:
    """Room for the words; below a state's title there is a line for its numbers and one for a mark."""
    return _steps(len(room.lines) * LINE + (2 * LINE if counts else 0) + 10)


def _ladder(ports: Sequence[Port]) -> int:
    return (sum(port.slots for port in ports) + 1) * STEP


def _steps(height: float) -> int:
    return int(-(-height // STEP)) * STEP


def _rung(y: float) -> float:
    return -(-y // STEP) * STEP


def _put(box: Box, y: float) -> None:
    box.y = y
    for room in box.rooms:
        y += room.gap
        room.y = y
        y += room.height


def _spread(boxes: Sequence[Box], top: float, bottom: float) -> float:
    """An outer column over the whole height, evenly; where it ends."""
    for box in boxes:
        _put(box, 0)
    heights = [box.height for box in boxes]
    free = max(bottom - top - sum(heights), STEP * 2 * (len(boxes) - 1))
    space = free / (len(boxes) - 1) if len(boxes) > 1 else 0
    y = top
    for box, height in zip(boxes, heights, strict=True):
        _put(box, _rung(y))
        y += height + space
    return boxes[-1].y + boxes[-1].height


def climb(grid: Grid, ports: Ports) -> None:
    """Every port at its rung, in the order of its list, around the middle of its room."""
    for (place, _right), there in ports.items():
        room = grid.rooms[place]
        spare = (room.height - _ladder(there)) // 2 // STEP * STEP
        y = room.y + spare + (0 if room.column % 2 else -STEP / 2)
        for port in there:
            port.y = y + STEP * (port.slots + 1) / 2
            y += STEP * port.slots


def former(net: Net) -> bool:
    return net.target == FORMER
