"""Pictures of the cohort's numbers, drawn by matplotlib on the server.

Only the route of the charts imports this module, and only when one is asked for: loading matplotlib takes most of a
second, which no command and no other page should wait for. Figures are made as objects, without pyplot and its shared
state, and one at a time, because the library's caches of fonts are shared.
"""

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Literal
from xml.etree import ElementTree

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from coordinator.web.reckoning import Numbers
from coordinator.web.text import _

matplotlib.rcParams.update(
    {
        # Text stays text, which can be read aloud and searched; ids do not change from one drawing to the next.
        "svg.fonttype": "none",
        "svg.hashsalt": "pathway",
        "text.parse_math": False,
        "font.family": "DejaVu Sans",
        "font.size": 9,
        "hatch.linewidth": 0.8,
    }
)
SVG, LINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
FONTS = "system-ui, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"
WIDE, ROW, AROUND = 7.4, 0.3, 0.7
Look = Literal["solid", "dashed"]
_one_at_a_time = Lock()


@dataclass(frozen=True, slots=True)
class Theme:
    ink: str
    soft: str
    grid: str
    bar: str
    late: str
    mark: str


THEMES: Mapping[str, Theme] = {
    "light": Theme("#17222c", "#4a5a68", "#c3ccd4", "#4a8fd4", "#a61b1b", "#0b3b75"),
    "dark": Theme("#e8edf1", "#a9b7c3", "#36444f", "#5da0e6", "#ff9a94", "#e8edf1"),
}


def chart(name: str, numbers: Numbers, theme: str) -> str:
    """The chart as SVG without script and without style; raises KeyError for a name that is not in CHARTS."""
    draw, rows = CHARTS[name]
    colours = THEMES[theme]
    figure = Figure(figsize=(WIDE, ROW * rows(numbers) + AROUND), layout="constrained")
    with _one_at_a_time:
        axes = figure.subplots()
        _plain(axes, colours)
        draw(axes, numbers, colours)
        written = io.BytesIO()
        figure.savefig(written, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return _without_style(written.getvalue())


def _plain(axes: Axes, colours: Theme) -> None:
    axes.grid(axis="x", color=colours.grid, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(colors=colours.ink, length=0)
    axes.spines[:].set_visible(False)
    axes.invert_yaxis()


# ---------------------------------------------------------------- the charts


def _patients(axes: Axes, numbers: Numbers, colours: Theme) -> None:
    places = numbers.places
    rows = range(len(places))
    axes.barh(rows, [p.overdue for p in places], color=colours.late, hatch="///", edgecolor=colours.grid, linewidth=0)
    others = [p.episodes - p.overdue for p in places]
    axes.barh(rows, others, left=[p.overdue for p in places], color=colours.bar)
    for row, place in enumerate(places):
        said = _("%(count)s, %(late)s overdue", count=place.episodes, late=place.overdue)
        _say(axes, place.episodes, row, said, colours)
    _named(axes, [place.title for place in places])


def _reached(axes: Axes, numbers: Numbers, colours: Theme) -> None:
    found = numbers.reached
    axes.barh(range(len(found)), [one.episodes for one in found], color=colours.bar)
    for row, one in enumerate(found):
        _say(axes, one.episodes, row, str(one.episodes), colours)
    _named(axes, [one.title for one in found])


def _stays(axes: Axes, numbers: Numbers, colours: Theme) -> None:
    targets = {place.state: place.target for place in numbers.places}
    for row, stay in enumerate(numbers.stays):
        for spread, y, filled in ((stay.ended, row - 0.17, True), (stay.going_on, row + 0.2, False)):
            if spread.median is None or spread.p10 is None or spread.p90 is None:
                continue
            look: Look = "solid" if filled else "dashed"
            axes.hlines(y, spread.p10, spread.p90, color=colours.bar, linewidth=5 if filled else 1.6, linestyles=look)
            face = colours.mark if filled else "none"
            axes.plot(spread.median, y, "o", markersize=5.5, markerfacecolor=face, markeredgecolor=colours.mark)
            _say(axes, spread.p90, y, _("median %(days)s", days=f"{spread.median:.0f}"), colours, small=True)
        target = targets.get(stay.state)
        if target is not None:
            axes.vlines(target.days, row - 0.42, row + 0.42, color=colours.late, linestyles="dashed", linewidth=1.6)
    _named(axes, [stay.title for stay in numbers.stays])
    axes.set_xlabel(_("days; dashed upright: the target"), color=colours.soft)


def _say(axes: Axes, x: float, y: float, said: str, colours: Theme, *, small: bool = False) -> None:
    size = 7.5 if small else 9
    axes.annotate(said, (x, y), (5, 0), textcoords="offset points", va="center", color=colours.ink, fontsize=size)


def _named(axes: Axes, titles: Sequence[str]) -> None:
    axes.set_yticks(range(len(titles)), titles)
    axes.margins(x=0.02, y=0.02)
    low, high = axes.get_xlim()
    # Room for the words at the end of the longest bar.
    axes.set_xlim(min(low, 0), high * 1.22 if high > 0 else 1)


Draw = Callable[[Axes, Numbers, Theme], None]
CHARTS: Mapping[str, tuple[Draw, Callable[[Numbers], float]]] = {
    "patients": (_patients, lambda numbers: len(numbers.places)),
    "stays": (_stays, lambda numbers: len(numbers.stays) * 1.6),
    "reached": (_reached, lambda numbers: len(numbers.reached)),
}


# ---------------------------------------------------------------- attributes for styles


def _without_style(written: bytes) -> str:
    """The same picture with attributes in the place of styles, which the site's policy forbids."""
    root = ElementTree.fromstring(written)
    ElementTree.register_namespace("", SVG)
    ElementTree.register_namespace("xlink", LINK)
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{{{SVG}}}metadata", f"{{{SVG}}}style"):
                parent.remove(child)
        for declared in parent.attrib.pop("style", "").split(";"):
            name, _colon, value = declared.partition(":")
            if value:
                family = name.strip() == "font-family"
                parent.set(name.strip(), FONTS if family else value.strip())
    root.set("stroke-linejoin", "round")
    return ElementTree.tostring(root, encoding="unicode")
