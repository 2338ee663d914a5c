"""The pathway as a picture, made from the guideline: what is drawn cannot differ from the rules.

A guideline has one plan, which is made once; counts, the place of a patient and the moves that are possible from
there are put in each time. The template `_where.html` writes it as SVG without a style of its own.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from os.path import commonprefix

from coordinator.web import rule_words
from coordinator.web.diagram_grid import BAR, INSET, LINE, STEP, TOP, WIDE, Box, Port, Room, former, lines_of
from coordinator.web.diagram_nets import ANYWHERE, START, Net, state_of
from coordinator.web.diagram_routes import TRACK, Drop, Plan, Run, plan_of
from pathway.guideline import Guideline

ARROW, LETTER, MARGIN, STUB = 8, 6.6, 8, 12
Short = Callable[[Sequence[str]], list[str]]


@dataclass(frozen=True, slots=True)
class Count:
    """How many episodes are in a state now, and how many of them have overdue work."""

    open: int
    overdue: int


@dataclass(frozen=True, slots=True)
class ShownRoom:
    x: float
    y: float
    wide: float
    high: float
    lines: tuple[str, ...]
    here: bool


@dataclass(frozen=True, slots=True)
class ShownBox:
    """A state: `rooms` are its sub-states. `count` is None where nobody is counted."""

    state: str
    title: str
    x: float
    y: float
    wide: float
    high: float
    lines: tuple[str, ...]
    rooms: tuple[ShownRoom, ...]
    end: bool
    red: bool
    here: bool
    count: Count | None


@dataclass(frozen=True, slots=True)
class Wire:
    """An arrow: its ways (one from each source), the points of its head and of its junctions, and its numbers.

    `rules` are the ids as the table of rules has them, `lines` the numbers as they are shown. `thick` are the ways
    that this patient may go.
    """

    rules: tuple[str, ...]
    says: str
    sources: tuple[str, ...]
    target: str
    ways: tuple[str, ...]
    thick: tuple[str, ...]
    heads: tuple[str, ...]
    dots: tuple[tuple[float, float], ...]
    labels: tuple["Label", ...]


@dataclass(frozen=True, slots=True)
class Label:
    x: float
    y: float
    wide: float
    high: float
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Diagram:
    wide: float
    high: float
    columns: tuple[tuple[str, float, float], ...]
    bar: tuple[float, float, float, float] | None
    boxes: tuple[ShownBox, ...]
    wires: tuple[Wire, ...]
    prefix: str
    here: str | None
    counted: bool


class _Drawn:
    """A plan with its columns at their places; the same for every patient."""

    def __init__(self, guideline: Guideline) -> None:
        self.guideline = guideline
        self.plan = plan_of(guideline)
        self.prefix = commonprefix([rule.id for rule in guideline.transitions])
        self.columns, self.wide = _columns(self.plan, self.short)
        for box in self.plan.grid.boxes.values():
            box.x = self.columns[box.column]
        for drops in _by_target(self.plan.drops).values():
            for n, drop in enumerate(drops, 1):
                across = 0.35 if drop.inside else n / (len(drops) + 1)
                drop.x = round(_where(self.plan, drop.target).x + WIDE * across)
        self.wires = tuple(self._wire(number, net) for number, net in enumerate(self.plan.nets))

    def short(self, rules: Sequence[str]) -> list[str]:
        return [" ".join(rule.removeprefix(self.prefix) for rule in line) for line in lines_of(rules)]

    def _wire(self, number: int, net: Net) -> Wire:
        lines = tuple(self.short(net.rules))
        drop = next((drop for drop in self.plan.drops if drop.net == number), None)
        if drop is not None:
            way, head, label = _straight(self.plan, drop, lines)
            return self._made(net, (way,), (label,), heads=(head,))
        if former(net):
            return self._back(number, net, lines)
        port = next(p for ports in self.plan.ports.values() for p in ports if p.net == number and p.arrives)
        edge, label = _edge(self.plan, port), _label(self.plan, port, lines)
        tip = edge + (ARROW if port.right else -ARROW)
        ways = tuple(self._way(number, net, source, port, tip) for source in net.sources)
        dots = tuple(_dots(self.plan, number))
        return self._made(net, ways, (label,), heads=(_head(edge, tip, port.y),), dots=dots)

    def _made(
        self,
        net: Net,
        ways: tuple[str, ...],
        labels: tuple[Label, ...],
        heads: tuple[str, ...] = (),
        dots: tuple[tuple[float, float], ...] = (),
    ) -> Wire:
        titles = {(rule.id, rule.to): rule.title for rule in reversed(self.guideline.transitions)}
        says = "; ".join(f"{rule} {titles[rule, net.target]}" for rule in net.rules)
        return Wire(net.rules, says, net.sources, net.target, ways, (), heads, dots, labels)

    def _way(self, number: int, net: Net, source: str, end: Port, tip: float) -> str:
        if source == START:
            return f"M{MARGIN + 4:g} {end.y:g}H{tip:g}"
        runs = {run.gutter: run for run in self.plan.runs.values() if run.net == number}
        last = next(run for run in runs.values() if end in run.ports)
        if source == ANYWHERE:
            return f"M{last.x:g} {TOP + BAR:g}V{end.y:g}H{tip:g}"
        first, begin = next((run, p) for run in runs.values() for p in run.ports if p.place == source and not p.arrives)
        way = f"M{_edge(self.plan, begin):g} {begin.y:g}H{first.x:g}"
        if first is not last:
            way += f"V{first.channel_y:g}H{last.x:g}"
        return f"{way}V{end.y:g}H{tip:g}"

    def _back(self, number: int, net: Net, lines: tuple[str, ...]) -> Wire:
        """To where the patient came from, which is not one place: a short arrow that turns back."""
        ports = [p for there in self.plan.ports.values() for p in there if p.net == number]
        ways = tuple(f"M{_edge(self.plan, p):g} {p.y:g}h{STUB:g}" for p in ports)
        turned = ("↩ " + lines[0], *lines[1:])
        labels = tuple(_sized(_edge(self.plan, p) + STUB, p.y, turned, right=True) for p in ports)
        return self._made(net, ways, labels)


@lru_cache(maxsize=4)
def _drawn(same: "_Same") -> _Drawn:
    return _Drawn(same.guideline)


class _Same:
    """One guideline, known by being itself: its rules are too many to compare at each look."""

    def __init__(self, guideline: Guideline) -> None:
        self.guideline = guideline

    def __hash__(self) -> int:
        return id(self.guideline)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.guideline is self.guideline


def diagram(
    guideline: Guideline,
    counts: Mapping[str, Count] | None = None,
    here: str | None = None,
    possible: Collection[str] = (),
) -> Diagram:
    """The picture. `here`: where a patient is (SURGICAL_REFERRAL.sent); `possible`: the rules that may move them."""
    drawn = _drawn(_Same(guideline))
    plan = drawn.plan
    columns = tuple(
        (rule_words.phase(phase), x, WIDE) for phase, x in zip(plan.grid.phases, drawn.columns, strict=True)
    )
    anywhere = any(net.sources[0] == ANYWHERE for net in plan.nets)
    bar_end = max((run.x for run in plan.runs.values() if run.from_bar), default=0) + TRACK
    bar = (drawn.columns[0], TOP, max(bar_end - drawn.columns[0], WIDE), BAR) if anywhere else None
    boxes = tuple(_box(guideline, box, counts, here) for box in plan.grid.boxes.values())
    wires = tuple(_with_thick(guideline, wire, here, possible) for wire in drawn.wires)
    return Diagram(drawn.wide, plan.height, columns, bar, boxes, wires, drawn.prefix, here, counts is not None)


def _box(guideline: Guideline, box: Box, counts: Mapping[str, Count] | None, here: str | None) -> ShownBox:
    state = guideline.states[box.state]
    rooms = tuple(
        ShownRoom(box.x + INSET, room.y, WIDE - 2 * INSET, room.height, room.lines, room.place == here)
        for room in box.rooms[1:]
    )
    count = counts.get(box.state, Count(0, 0)) if counts is not None else None
    red = any(rule.to.startswith(f"{box.state}.") and rule.trigger == "red_flag" for rule in guideline.transitions)
    at = here is not None and state_of(here) == box.state
    return ShownBox(
        box.state,
        state.title,
        box.x,
        box.y,
        WIDE,
        box.height,
        box.rooms[0].lines,
        rooms,
        state.terminal,
        red,
        at,
        count,
    )


def _with_thick(guideline: Guideline, wire: Wire, here: str | None, possible: Collection[str]) -> Wire:
    now = set(wire.rules) & set(possible)
    if here is None or not now:
        return wire
    at = (here, state_of(here))
    leaves = any(
        rule.id in now and rule.to == wire.target and not set(at).isdisjoint(guideline.expanded(rule.sources))
        for rule in guideline.transitions
    )
    mine = [
        way
        for source, way in zip(wire.sources, wire.ways, strict=True)
        if source in at or (source == ANYWHERE and leaves)
    ]
    return replace(wire, thick=tuple(mine))


# ---------------------------------------------------------------- places


def _columns(plan: Plan, short: Short) -> tuple[list[float], float]:
    """Where each column begins, and how wide the picture is: a gutter has room for its tracks and its labels."""
    x: float = MARGIN
    found: list[float] = []
    last = len(plan.grid.phases)
    for gutter in range(last + 1):
        wide = _gutter(plan, gutter, short)
        for run in plan.of_gutter(gutter):
            run.x = round(run.x + x)
        x = round(x + wide)
        if gutter < last:
            found.append(x)
            x += WIDE
    return found, x + MARGIN


def _gutter(plan: Plan, gutter: int, short: Short) -> float:
    """Each track as far to the left as the labels and the tracks beside it allow; how wide the gutter must be."""
    left, right = (list(_beside(plan, gutter, short, right=side)) for side in (True, False))
    placed: list[Run] = []
    wide = max([8.0 if gutter else 0.0, *(w for _, w in (*left, *right))])
    for run in sorted(plan.of_gutter(gutter), key=lambda run: run.track):
        low, high = run.span()
        labels = [w + 3 for y, w in left if low - STEP < y < high + STEP]
        tracks = [other.x + TRACK for other in placed if other.span()[0] <= high + 2 and low <= other.span()[1] + 2]
        run.x = max([TRACK, *labels, *tracks])
        placed.append(run)
        wide = max([wide, run.x + TRACK, *(run.x + w + 3 for y, w in right if low - STEP < y < high + STEP)])
    return max([wide, *(w + v + 6 for y, w in left for z, v in right if abs(y - z) < 2 * STEP)])


def _beside(plan: Plan, gutter: int, short: Short, *, right: bool) -> Iterator[tuple[float, float]]:
    """The labels at the boxes on one side of a gutter: at which height, and how wide with their arrow."""
    for (place, side), ports in plan.ports.items():
        if side is not right or plan.grid.column(place) + int(right) != gutter:
            continue
        for port in ports:
            net = plan.nets[port.net]
            if former(net):
                yield port.y, _wide(["↩ " + short(net.rules)[0]]) + STUB
            elif port.arrives:
                yield port.y, _wide(short(net.rules)) + ARROW + (STUB if net.sources[0] == START else 0)


def _wide(lines: Sequence[str]) -> float:
    return max(len(line) for line in lines) * LETTER + 8


def _where(plan: Plan, place: str) -> Box:
    return plan.grid.boxes[state_of(place)]


def _edge(plan: Plan, port: Port) -> float:
    box, inset = _where(plan, port.place), INSET if "." in port.place else 0
    return box.x + WIDE - inset if port.right else box.x + inset


def _sized(x: float, y: float, lines: tuple[str, ...], *, right: bool) -> Label:
    """A label whose near edge is at x; `right`: it goes on to the right from there."""
    wide, high = _wide(lines), LINE * len(lines) - 2
    return Label(x if right else x - wide, y - high / 2, wide, high, lines)


def _label(plan: Plan, port: Port, lines: tuple[str, ...]) -> Label:
    box = _where(plan, port.place)
    near = box.x + WIDE + ARROW if port.right else box.x - ARROW
    return _sized(near, port.y, lines, right=port.right)


def _head(edge: float, tip: float, y: float) -> str:
    return f"M{edge:g} {y:g}L{tip:g} {y - 4:g}V{y + 4:g}Z"


def _straight(plan: Plan, drop: Drop, lines: tuple[str, ...]) -> tuple[str, str, Label]:
    if drop.inside:
        start, end = (_room(plan, place) for place in (drop.source, drop.target))
        y1, y2 = start.y + start.height, end.y
    else:
        at, to = _where(plan, drop.source), _where(plan, drop.target)
        y1, y2 = (at.y + at.height, to.y) if at.row < to.row else (at.y, to.y + to.height)
    back = -ARROW if y2 > y1 else ARROW
    head = f"M{drop.x:g} {y2:g}L{drop.x - 4:g} {y2 + back:g}H{drop.x + 4:g}Z"
    wide, high = _wide(lines), LINE * len(lines) - 2
    beside = drop.x + 7 if drop.inside else drop.x - wide / 2
    top = (y1 + y2 - high) / 2 if drop.inside else y2 + back * 1.25 - (high if back < 0 else 0)
    return f"M{drop.x:g} {y1:g}V{y2 + back:g}", head, Label(beside, top, wide, high, lines)


def _room(plan: Plan, place: str) -> Room:
    return plan.grid.rooms[place]


def _by_target(drops: Sequence[Drop]) -> dict[object, list[Drop]]:
    """Those that share a space: both ways between two boxes, or down into one room."""
    found: dict[object, list[Drop]] = {}
    for drop in drops:
        found.setdefault(drop.target if drop.inside else frozenset((drop.source, drop.target)), []).append(drop)
    return found


def _dots(plan: Plan, number: int) -> Iterator[tuple[float, float]]:
    """Where ways of one arrow meet: a line that ends on another one."""
    for run in plan.runs.values():
        if run.net == number:
            low, high = run.span()
            meets = list(_meetings(run))
            yield from ((run.x, y) for y, ends in meets if low < y < high or ends > 1)


def _meetings(run: Run) -> Iterator[tuple[float, int]]:
    for port in run.ports:
        yield port.y, 1
    if run.channel is not None:
        yield run.channel_y, int(run.goes_left) + int(run.goes_right)
