"""Which column carries which data element: what the mapping file says first, then what is recognised."""

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import Literal

from coordinator.cohort_file.dates import Order
from coordinator.cohort_file.headings import REPEATABLE, recognise
from coordinator.cohort_file.mapping import IGNORE, Mapping
from coordinator.cohort_file.numbers import MEASURES, heading_fits

How = Literal["mapped", "recognised", "ignored", "unmapped", "our own"]

# The two columns that the file of refused rows adds, and how it carries the date order along.
LINE = "line"
WHY = "why"
WHY_WITH_ORDER: dict[Order, str] = {"dmy": "why (dates are day first)", "mdy": "why (dates are month first)"}
_OURS = {LINE, WHY, *WHY_WITH_ORDER.values()}


@dataclass(frozen=True)
class Column:
    """One column of the file; `field` names its data element, or is None when the column carries none."""

    position: int
    heading: str
    field: str | None
    how: How


@dataclass(frozen=True)
class Assignment:
    columns: tuple[Column, ...]
    notes: tuple[str, ...]


def is_known_heading(heading: str, mapping: Mapping) -> bool:
    return _same(heading) in _OURS or _same(heading) in _mapped(mapping) or recognise(heading) is not None


def stated_order(headings: tuple[str, ...], mapping: Mapping) -> Order | None:
    """The date order that the mapping file or an earlier file of refused rows states."""
    carried = [order for order, why in WHY_WITH_ORDER.items() if why in map(_same, headings)]
    return mapping.date_style or (carried[0] if carried else None)


def assign_columns(headings: tuple[str, ...], mapping: Mapping) -> Assignment:
    """Give every column its data element, or say why it has none."""
    mapped = _mapped(mapping)
    ours = _OURS if LINE in map(_same, headings) and any(_same(each) in _OURS - {LINE} for each in headings) else set()
    first = [_column(at, heading, mapped, ours) for at, heading in enumerate(headings)]
    fitting, unit_notes = _in_their_units(first)
    columns, clash_notes = _one_column_each(fitting)
    return Assignment(tuple(columns), (*unit_notes, *clash_notes, *_absent(headings, mapping)))


def _column(at: int, heading: str, mapped: dict[str, str], ours: set[str]) -> Column:
    key = _same(heading)
    if key in ours:
        return Column(at, heading, None, "our own")
    if key in mapped:
        return (
            Column(at, heading, None, "ignored")
            if mapped[key] == IGNORE
            else Column(at, heading, mapped[key], "mapped")
        )
    field = recognise(heading)
    return Column(at, heading, field, "recognised" if field else "unmapped")


def _in_their_units(columns: list[Column]) -> tuple[list[Column], list[str]]:
    kept, notes = [], []
    for column in columns:
        if column.field and column.field in MEASURES and not heading_fits(column.field, column.heading):
            notes.append(f'Column "{column.heading}" states another unit or scale, so it was not imported.')
            kept.append(_unmapped(column))
        else:
            kept.append(column)
    return kept, notes


def _one_column_each(columns: list[Column]) -> tuple[list[Column], list[str]]:
    claims: dict[str, list[Column]] = defaultdict(list)
    for column in columns:
        if column.field and column.field not in REPEATABLE:
            claims[column.field].append(column)
    losers, notes = set(), []
    for field, rivals in claims.items():
        winners = [each for each in rivals if each.how == "mapped"] or rivals
        if len(winners) > 1:
            both = " and ".join(f'"{each.heading}"' for each in winners)
            notes.append(f"Columns {both} both say {field}, so neither was imported; name one in a mapping file.")
            winners = []
        losers |= {each.position for each in rivals if each not in winners}
    return [_unmapped(each) if each.position in losers else each for each in columns], notes


def _unmapped(column: Column) -> Column:
    return replace(column, field=None, how="unmapped")


def _absent(headings: tuple[str, ...], mapping: Mapping) -> list[str]:
    present = {_same(heading) for heading in headings}
    absent = [heading for heading in mapping.columns if _same(heading) not in present]
    return [f'The mapping file names a column "{heading}" that this file does not have.' for heading in absent]


def _mapped(mapping: Mapping) -> dict[str, str]:
    return {_same(heading): field for heading, field in mapping.columns.items()}


def _same(heading: str) -> str:
    return " ".join(heading.split()).casefold()
