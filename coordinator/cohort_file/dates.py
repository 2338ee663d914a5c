"""Dates as people type them. Day-first or month-first is decided once for the whole file, never per cell."""

import re
from calendar import monthrange
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Literal

Order = Literal["dmy", "mdy"]
ORDER_NAMES: dict[Order, str] = {"dmy": "day first", "mdy": "month first"}
# One slip of the pen among many dates does not make the whole file undecided; two habits do.
_HABIT = 20

_MONTH_NAMES = (
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
)  # fmt: skip
_SEPARATOR = r"\s*[-/. ]\s*"
_NUMERIC = re.compile(rf"(\d{{1,2}}){_SEPARATOR}(\d{{1,2}}){_SEPARATOR}(\d{{4}})")
_ISO = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})|((?:19|20)\d\d)(\d\d)(\d\d)")
_DAY_NAME = re.compile(rf"(\d{{1,2}})(?:st|nd|rd|th)?{_SEPARATOR}([a-z]{{3,9}})\.?,?{_SEPARATOR}(\d{{4}})")
_NAME_DAY = re.compile(rf"([a-z]{{3,9}})\.?{_SEPARATOR}(\d{{1,2}})(?:st|nd|rd|th)?,?{_SEPARATOR}(\d{{4}})")
_MONTH = re.compile(r"(\d{1,2})\s*[-/.]\s*(\d{4})|(\d{4})\s*[-/.]\s*(\d{1,2})")
_NAMED_MONTH = re.compile(rf"([a-z]{{3,9}})\.?,?(?:{_SEPARATOR}|\s*)(\d{{4}})")
_SHORT_YEAR = re.compile(
    rf"\d{{1,2}}{_SEPARATOR}(\d{{1,2}}|[a-z]{{3,9}}){_SEPARATOR}'?\d\d|([a-z]{{3,9}})\.?{_SEPARATOR}'?\d\d|\d\d?/\d\d"
)
_TIME_OF_DAY = re.compile(r"(?<=\d)[t ]+\d{1,2}:\d\d(:\d\d(\.\d+)?)?(\s*[ap]m)?(z|[+-]\d\d:?\d\d)?$")


@dataclass(frozen=True)
class MonthOnly:
    """A date of which only the month is known."""

    year: int
    month: int

    @property
    def first_day(self) -> date:
        return date(self.year, self.month, 1)


@dataclass(frozen=True)
class NotADate:
    """Why a cell could not be read as a date, as the end of a sentence that begins with the cell."""

    because: str


@dataclass(frozen=True)
class DateOrder:
    """The order of day and month in this file, or None, and where that was seen."""

    order: Order | None
    because: str


@dataclass(frozen=True)
class DateCell:
    line: int
    heading: str
    text: str


def decide_order(cells: Iterable[DateCell], headings: Iterable[str], stated: Order | None = None) -> DateOrder:
    """Settle the order of day and month from what was stated, the headings, or dates that allow only one."""
    if stated:
        return DateOrder(stated, f"{ORDER_NAMES[stated]}, because the mapping file says so")
    for heading in headings:
        if order := _order_in_heading(heading):
            return DateOrder(order, f'{ORDER_NAMES[order]}, because the heading "{heading}" says so')
    return _order_by_evidence(list(cells))


def _order_by_evidence(cells: list[DateCell]) -> DateOrder:
    seen = [(cell, _numeric_parts(cell.text)) for cell in cells]
    day_first = [cell for cell, parts in seen if parts and parts[0] > 12 >= parts[1]]
    month_first = [cell for cell, parts in seen if parts and parts[1] > 12 >= parts[0]]
    if not day_first and not month_first:
        numeric = any(parts for _, parts in seen)
        return DateOrder(None, "not decided by any date in the file" if numeric else "not needed by any date")
    if len(day_first) >= _HABIT * len(month_first):
        return DateOrder("dmy", _because("dmy", day_first, month_first))
    if len(month_first) >= _HABIT * len(day_first):
        return DateOrder("mdy", _because("mdy", month_first, day_first))
    both = f"day first {_shown(day_first)}; month first {_shown(month_first)}"
    return DateOrder(None, f"not decided, because the file is written both ways: {both}")


def _because(order: Order, evidence: list[DateCell], against: list[DateCell]) -> str:
    but = f"; only the other way round: {_shown(against)}" if against else ""
    return f"{ORDER_NAMES[order]}, the only way to read {_shown(evidence)}{but}"


def _shown(cells: list[DateCell]) -> str:
    first = cells[0]
    dates = "1 date" if len(cells) == 1 else f"{len(cells)} dates"
    return f'{dates}, such as "{first.text}" in "{first.heading}" on line {first.line}'


def _order_in_heading(heading: str) -> Order | None:
    if re.search(r"d{1,2}[-/. ]m{1,3}[-/. ]y", heading.casefold()):
        return "dmy"
    return "mdy" if re.search(r"m{1,2}[-/. ]d{1,2}[-/. ]y", heading.casefold()) else None


def _numeric_parts(text: str) -> tuple[int, int, int] | None:
    found = _NUMERIC.fullmatch(_tidy(text))
    return (int(found[1]), int(found[2]), int(found[3])) if found else None


def _tidy(text: str) -> str:
    return _TIME_OF_DAY.sub("", " ".join(text.casefold().split()))


def read_date(text: str, order: Order | None) -> date | MonthOnly | NotADate:
    """One cell as a day, a month, or the reason why it is neither."""
    tidy = _tidy(text)
    if parts := _numeric_parts(tidy):
        return _numeric_date(*parts, order)
    if found := _ISO.fullmatch(tidy):
        year, month, day = (int(part) for part in found.groups() if part)
        return _on_calendar(year, month, day)
    if found := _DAY_NAME.fullmatch(tidy):
        return _named_date(found[3], found[2], found[1])
    if found := _NAME_DAY.fullmatch(tidy):
        return _named_date(found[3], found[1], found[2])
    return _month_only(tidy)


def _numeric_date(first: int, second: int, year: int, order: Order | None) -> date | NotADate:
    # A pair that cannot be read the file's way round is refused, even if it could be read the other way.
    if order == "dmy":
        return _on_calendar(year, second, first)
    if order == "mdy":
        return _on_calendar(year, first, second)
    readings = [_on_calendar(year, second, first), _on_calendar(year, first, second)]
    days = list(dict.fromkeys(day for day in readings if isinstance(day, date)))
    if len(days) > 1:
        both = " or ".join(_in_words(day) for day in days)
        return NotADate(f"could be {both}, and nothing else in the file decides which")
    return days[0] if days else readings[0]


def _named_date(year: str, month_name: str, day: str) -> date | NotADate:
    month = _month_number(month_name)
    if month is None:
        return NotADate(f'names no month that is known: "{month_name}"')
    return _on_calendar(int(year), month, int(day))


def _month_number(name: str) -> int | None:
    for number, full in enumerate(_MONTH_NAMES, 1):
        if name in (full, full[:3]) or (name == "sept" and number == 9):
            return number
    return None


def _month_only(tidy: str) -> MonthOnly | NotADate:
    month: int | None = None
    year = ""
    if found := _MONTH.fullmatch(tidy):
        month, year = int(found[1] or found[4]), found[2] or found[3]
    elif found := _NAMED_MONTH.fullmatch(tidy):
        month, year = _month_number(found[1]), found[2]
    if month is not None and 1 <= month <= 12 and 1800 <= int(year) <= 2200:
        return MonthOnly(int(year), month)
    return NotADate(_why_not(tidy))


def _why_not(tidy: str) -> str:
    if _SHORT_YEAR.fullmatch(tidy):
        return "has a year of two digits, which could be of either century"
    if re.fullmatch(r"\d{5}([.,]\d+)?", tidy):
        return "is a bare number, perhaps a spreadsheet's own count of days"
    return "is not a date"


def _on_calendar(year: int, month: int, day: int) -> date | NotADate:
    if not 1800 <= year <= 2200:
        return NotADate(f"has a year, {year}, in which no patient lives")
    if not 1 <= month <= 12:
        return NotADate(f"is not a day that exists: there is no month {month}")
    last = monthrange(year, month)[1]
    if not 1 <= day <= last:
        name = _MONTH_NAMES[month - 1].title()
        return NotADate(f"is not a day that exists: {name} {year} has {last} days")
    return date(year, month, day)


def _in_words(day: date) -> str:
    return f"{day.day} {_MONTH_NAMES[day.month - 1].title()} {day.year}"
