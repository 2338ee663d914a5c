"""How the arrows of the picture run: right angles only, each in a track of its own between the columns and the rows.

A gutter lies to the left of each column and to the right of the last, a channel above each row and below the last.
An arrow leaves its box into the gutter beside it; where that is not the gutter of its target, it goes by a channel.
Tracks and ports change places with their neighbours as long as that saves a crossing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from coordinator.web.diagram_grid import BAR, STEP, TOP, Box, Grid, Port, climb, former, grid_of, lines_of, stand
from coordinator.web.diagram_nets import ANYWHERE, START, Net, nets, state_of
from pathway.guideline import Guideline

TRACK = 7
BETWEEN = 4
LABEL = 20
ABOVE = TOP + BAR


@dataclass(slots=True)
class Run:
    """The part of an arrow that goes up or down in one gutter: past which ports, and by which channel it goes on."""

    net: int
    gutter: int
    ports: list[Port] = field(default_factory=list)
    from_bar: bool = False
    channel: int | None = None
    channel_y: float = 0
    goes_left: bool = False
    goes_right: bool = False
    track: int = 0
    x: float = 0

    def span(self) -> tuple[float, float]:
        ys = [port.y for port in self.ports]
        ys += [ABOVE - BAR / 2] if self.from_bar else []
        ys += [self.channel_y] if self.channel is not None else []
        return min(ys), max(ys)

    def stubs(self) -> Iterator[tuple[float, bool]]:
        """Each level line that meets it, and whether it comes from the left. A port on a right side is left of it."""
        for port in self.ports:
            yield port.y, port.right
        if self.goes_left:
            yield self.channel_y, True
        if self.goes_right:
            yield self.channel_y, False


@dataclass(slots=True)
class Drop:
    """An arrow straight down or up between two boxes of a column, or between two rooms of a box."""

    net: int
    source: str
    target: str
    inside: bool
    x: float = 0


@dataclass(slots=True)
class Plan:
    """The whole picture in numbers."""

    grid: Grid
    nets: tuple[Net, ...]
    ports: dict[tuple[str, bool], list[Port]] = field(default_factory=dict)
    runs: dict[tuple[int, int], Run] = field(default_factory=dict)
    drops: list[Drop] = field(default_factory=list)
    channels: dict[int, int] = field(default_factory=dict)
    height: float = 0

    def port(self, net: int, place: str, *, right: bool, arrives: bool, slots: int = 1) -> Port:
        made = Port(net, place, right, arrives, slots)
        self.ports.setdefault((place, right), []).append(made)
        return made

    def run(self, net: int, gutter: int) -> Run:
        return self.runs.setdefault((net, gutter), Run(net, gutter))

    def of_gutter(self, gutter: int) -> list[Run]:
        return [run for run in self.runs.values() if run.gutter == gutter]


def plan_of(guideline: Guideline) -> Plan:
    plan = Plan(grid_of(guideline), nets(guideline))
    for number, net in enumerate(plan.nets):
        _lead(plan, number, net)
    tracks = _channel_tracks(plan)
    spaces = _spaces(plan, tracks)
    inside = {drop.target for drop in plan.drops if drop.inside}
    _order_ports(plan)
    plan.height = stand(plan.grid, plan.ports, inside, spaces)
    climb(plan.grid, plan.ports)
    _place_channels(plan, tracks)
    for gutter in range(len(plan.grid.phases) + 1):
        _untangle(plan, gutter)
        _straighten(plan, gutter)
        _pack(plan.of_gutter(gutter))
    return plan


# ---------------------------------------------------------------- which way


def _lead(plan: Plan, number: int, net: Net) -> None:
    grid, slots = plan.grid, len(lines_of(net.rules))
    if former(net):
        for source in net.sources:
            plan.port(number, source, right=True, arrives=False, slots=slots)
        return
    to = grid.column(net.target)
    if net.sources[0] == START:
        plan.port(number, net.target, right=False, arrives=True, slots=slots)
        return
    if net.sources[0] == ANYWHERE:
        run = plan.run(number, to)
        run.from_bar = True
        run.ports.append(plan.port(number, net.target, right=False, arrives=True, slots=slots))
        return
    drop = _drop(grid, number, net)
    if drop is not None:
        plan.drops.append(drop)
        return
    _by_gutters(plan, number, net, slots)


def _drop(grid: Grid, number: int, net: Net) -> Drop | None:
    """Straight, where nothing is between."""
    (source, *others), target = net.sources, net.target
    at, to = grid.boxes[state_of(source)], grid.boxes[state_of(target)]
    if others or at.column != to.column:
        return None
    if at is to:
        places = [room.place for room in at.rooms]
        return Drop(number, source, target, True) if places.index(target) - places.index(source) == 1 else None
    apart = abs(at.row - to.row) == 1 and (source, target) == (at.state, to.state) and grid.inner(at.column)
    return Drop(number, source, target, False) if apart else None


def _by_gutters(plan: Plan, number: int, net: Net, slots: int) -> None:
    grid, to = plan.grid, plan.grid.column(net.target)
    backward = grid.column(net.sources[0]) > to
    end = to + 1 if backward else to
    arrival = plan.port(number, net.target, right=backward, arrives=True, slots=slots)
    plan.run(number, end).ports.append(arrival)
    for source in net.sources:
        at = grid.column(source)
        leaves_right = at < to
        gutter = at + 1 if leaves_right else at
        plan.run(number, gutter).ports.append(plan.port(number, source, right=leaves_right, arrives=False))
    gutters = sorted(gutter for net_, gutter in plan.runs if net_ == number)
    if len(gutters) > 1:
        plan.channels[number] = _channel(plan, net, gutters)
        for gutter in gutters:
            run = plan.run(number, gutter)
            run.channel, run.goes_left, run.goes_right = (
                plan.channels[number],
                gutter > gutters[0],
                gutter < gutters[-1],
            )


def _channel(plan: Plan, net: Net, gutters: Sequence[int]) -> int:
    """The channel that costs the least way, and rather one that is not crowded."""
    levels = [_level(plan.grid, place) for place in (*net.sources, net.target)]

    def cost(channel: int) -> float:
        way = sum(abs(level - (channel - 0.5)) for level in levels)
        crowd = sum(other == channel for other in plan.channels.values())
        return way + 0.2 * crowd

    return min(range(plan.grid.rows + 1), key=cost)


def _level(grid: Grid, place: str) -> float:
    """How far down a place is, in rows."""
    box = grid.boxes[state_of(place)]
    rooms = [room.place for room in box.rooms]
    within = (rooms.index(place) + 0.5) / len(rooms) - 0.5
    if grid.inner(box.column):
        return box.row + within
    beside = len(grid.of_column(box.column))
    return (box.row + 0.5 + within) * grid.rows / beside - 0.5


# ---------------------------------------------------------------- channels


def _channel_tracks(plan: Plan) -> dict[int, int]:
    """A track for each arrow that goes by a channel: those whose ways overlap get different ones."""
    tracks: dict[int, int] = {}
    taken: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for number, channel in plan.channels.items():
        gutters = [gutter for net, gutter in plan.runs if net == number]
        way = min(gutters), max(gutters)
        track = 0
        while any(way[0] <= other[1] and other[0] <= way[1] for other in taken.get((channel, track), [])):
            track += 1
        taken.setdefault((channel, track), []).append(way)
        tracks[number] = track
    return tracks


def _spaces(plan: Plan, tracks: dict[int, int]) -> list[float]:
    """How high each channel must be: its tracks, and the labels of the arrows that cross it straight."""
    dropped = {max(plan.grid.boxes[state_of(p)].row for p in (d.source, d.target)) for d in plan.drops if not d.inside}
    found = []
    for channel in range(plan.grid.rows + 1):
        used = [tracks[number] for number, other in plan.channels.items() if other == channel]
        labels = 2 * (LABEL + STEP / 2) if channel in dropped else STEP
        found.append(labels + TRACK * (max(used, default=-1) + 1) + STEP)
    return found


def _place_channels(plan: Plan, tracks: dict[int, int]) -> None:
    tops = [min(box.y for box in _row(plan.grid, row)) for row in range(plan.grid.rows)]
    bottom = max(box.y + box.height for box in _row(plan.grid, plan.grid.rows - 1))
    for run in plan.runs.values():
        if run.channel is None:
            continue
        used = max(tracks[n] for n, channel in plan.channels.items() if channel == run.channel) + 1
        if run.channel == plan.grid.rows:
            first = bottom + STEP
        elif run.channel == 0:
            first = tops[0] - STEP - TRACK * used
        else:
            above = max(box.y + box.height for box in _row(plan.grid, run.channel - 1))
            first = (above + tops[run.channel] - TRACK * used) / 2
        run.channel_y = first // TRACK * TRACK + BETWEEN + TRACK * tracks[run.net]


def _row(grid: Grid, row: int) -> list[Box]:
    return [box for box in grid.boxes.values() if box.row == row and grid.inner(box.column)]


# ---------------------------------------------------------------- ports and tracks


def _order_ports(plan: Plan) -> None:
    """A first order: what leads upwards stands above what leads downwards."""
    for run in plan.runs.values():
        for port in run.ports:
            others = [_level(plan.grid, other.place) for other in run.ports if other is not port]
            others += [-9.0] if run.from_bar else []
            others += [run.channel - 0.5] if run.channel is not None else []
            port.level = sum(others) / len(others) if others else 0
    for there in plan.ports.values():
        there.sort(key=lambda port: (port.level, port.arrives, port.net))


def _untangle(plan: Plan, gutter: int) -> None:
    runs = plan.of_gutter(gutter)
    runs.sort(key=lambda run: (run.span()[0], run.net))
    sides = [ports for ports in plan.ports.values() if _gutter_of(plan, ports[0]) == gutter]
    best = _tangles(runs)
    rows: list[list[Any]] = [runs, *sides]
    improved = True
    while improved:
        improved = False
        for row in rows:
            for n in range(len(row) - 1):
                row[n], row[n + 1] = row[n + 1], row[n]
                climb(plan.grid, _named(sides))
                now = _tangles(runs)
                if now < best:
                    best, improved = now, True
                else:
                    row[n], row[n + 1] = row[n + 1], row[n]
        climb(plan.grid, _named(sides))
    for track, run in enumerate(runs):
        run.track = track


def _gutter_of(plan: Plan, port: Port) -> int:
    return plan.grid.column(port.place) + int(port.right)


def _named(sides: Sequence[list[Port]]) -> dict[tuple[str, bool], list[Port]]:
    return {(ports[0].place, ports[0].right): ports for ports in sides}


def _tangles(runs: Sequence[Run]) -> float:
    """Crossings in a gutter, and a little for the length of the way."""
    spans = [run.span() for run in runs]
    found = sum(high - low for low, high in spans) / 10_000
    for n, run in enumerate(runs):
        for y, from_left in run.stubs():
            met = spans[:n] if from_left else spans[n + 1 :]
            found += sum(low < y < high for low, high in met)
    return found


def _straighten(plan: Plan, gutter: int) -> None:
    """Half a rung is no reason for a bend: the arrow leaves at the height at which it arrives."""
    for run in plan.of_gutter(gutter):
        if len(run.ports) == 2 and run.channel is None and not run.from_bar:
            end, start = sorted(run.ports, key=lambda port: not port.arrives)
            if abs(end.y - start.y) <= STEP / 2 and end.right != start.right:
                start.y = end.y


def _pack(runs: list[Run]) -> None:
    """As few tracks as keep the order of those that lie side by side."""
    placed: list[Run] = []
    for run in sorted(runs, key=lambda run: run.track):
        low, high = run.span()
        beside = [other.track for other in placed if other.span()[0] <= high + 2 and low <= other.span()[1] + 2]
        run.track = max(beside, default=-1) + 1
        placed.append(run)
