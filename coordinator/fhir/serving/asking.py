"""Reading a search: each parameter with its values; what is not understood is named, and refused where so asked."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from coordinator.fhir.out.elements import Json
from coordinator.fhir.out.names import patient_id
from coordinator.fhir.serving.outcomes import FhirProblem
from coordinator.fhir.serving.parameters import DATE, REFERENCE, STRING, TOKEN, Parameter, known, values

USUAL, MOST = 50, 200
RESULT = ("_count", "_cursor", "_format", "_total")
DATED = re.compile(r"(eq|ne|ge|gt|le|lt|sa|eb)?(\d{4}(?:-\d{2}(?:-\d{2}(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?.*)?)?)?)")
Test = Callable[[Json], bool]


@dataclass
class Asked:
    """A search as it was understood. `used`: the parameters that count, as they were sent; `unknown`: the others.

    `named`: ids in whose patients' records alone anything can be found; empty where it may be in any.
    """

    kind: str
    tests: list[Test] = field(default_factory=list)
    named: list[str] = field(default_factory=list)
    used: list[tuple[str, str]] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    count: int = USUAL
    cursor: str | None = None

    def fits(self, resource: Json) -> bool:
        return all(test(resource) for test in self.tests)


def read_search(kind: str, sent: Sequence[tuple[str, str]], base: str, *, strict: bool) -> Asked:
    """Raises FhirProblem for a value that is none, a modifier, and, where strict, for a parameter that is not known."""
    asked, parameters = Asked(kind), known(kind)
    for name, text in sent:
        bare, _, modifier = name.partition(":")
        if name in RESULT:
            _result(asked, name, text)
        elif bare in parameters and modifier:
            raise FhirProblem(400, f"{name}: modifiers are not supported here; leave :{modifier} out.", "not-supported")
        elif bare in parameters:
            _take(asked, parameters[bare], text, base)
        else:
            asked.unknown.append(name)
    if strict and asked.unknown:
        expected = ", ".join(parameters)
        because = f"{asked.unknown[0]} is no search parameter of {kind} here; expected one of {expected}."
        raise FhirProblem(400, because, "not-supported")
    return asked


def _result(asked: Asked, name: str, text: str) -> None:
    if name == "_count":
        if not re.fullmatch(r"\d{1,6}", text):
            raise FhirProblem(400, f"_count: {text!r} is not a number; expected 1 to {MOST}.", "value")
        asked.count = max(1, min(int(text), MOST))
    elif name == "_cursor":
        asked.cursor = text


def _take(asked: Asked, parameter: Parameter, text: str, base: str) -> None:
    """Values that are parted by commas: any of them. A parameter that comes twice: both."""
    wanted = [part for part in text.split(",") if part]
    if not wanted:
        raise FhirProblem(400, f"{parameter.name} has no value.", "value")
    asked.used.append((parameter.name, text))
    tests = [_test(parameter, part, base) for part in wanted]
    asked.tests.append(lambda resource: any(test(resource) for test in tests))
    names = _names(parameter, wanted, base)
    if names and not asked.named:
        asked.named = names


def _names(parameter: Parameter, wanted: Sequence[str], base: str) -> list[str]:
    """The ids that a parameter names; each tells whose record it is in."""
    if parameter.kind == REFERENCE:
        return [_reference(parameter, part, base).partition("/")[2] for part in wanted]
    if parameter.name == "identifier":
        return [patient_id(part.rpartition("|")[2]) for part in wanted]
    return list(wanted) if parameter.name == "_id" else []


def _test(parameter: Parameter, text: str, base: str) -> Test:
    if parameter.kind == TOKEN:
        return _token(parameter, text)
    if parameter.kind == REFERENCE:
        target = _reference(parameter, text, base)
        return lambda resource: any(found.get("reference") == target for found in values(resource, parameter.path))
    if parameter.kind == DATE:
        return _dated(parameter, text)
    if parameter.kind == STRING:
        start = text.casefold()
        return lambda resource: any(str(v).casefold().startswith(start) for v in values(resource, parameter.path))
    return lambda resource: any(_same_uri(str(found), text) for found in values(resource, parameter.path))


def _same_uri(found: str, text: str) -> bool:
    """A canonical without version means every version."""
    return found == text or found.partition("|")[0] == text


def _reference(parameter: Parameter, text: str, base: str) -> str:
    """Type/id, an id alone, or the whole address here."""
    relative = text.removeprefix(f"{base}/")
    return relative if "/" in relative else f"{parameter.target}/{relative}"


# ---------------------------------------------------------------- tokens


def _token(parameter: Parameter, text: str) -> Test:
    system, bar, code = text.rpartition("|")
    wanted_system = system if bar else None
    return lambda resource: any(
        _has(pair, wanted_system, code) for found in values(resource, parameter.path) for pair in _pairs(found)
    )


def _pairs(found: Any) -> list[tuple[str, str]]:
    """The system and code of whatever a token looks at."""
    if isinstance(found, bool):
        return [("", "true" if found else "false")]
    if isinstance(found, str):
        return [("", found)]
    if "coding" in found:
        return [(each.get("system", ""), each.get("code", "")) for each in found["coding"]]
    return [(found.get("system", ""), found.get("value") or found.get("code") or "")]


def _has(pair: tuple[str, str], system: str | None, code: str) -> bool:
    """system|code, code alone, |code without a system, system| with any code."""
    if code and pair[1] != code:
        return False
    return system is None or pair[0] == system


# ---------------------------------------------------------------- dates


def _dated(parameter: Parameter, text: str) -> Test:
    """A date stands for all of its day, month or year, in the data as in the question; without a zone it is UTC."""
    found = DATED.fullmatch(text.replace(" ", "+"))
    if found is None:
        because = f"{parameter.name}: {text!r} is no date; expected one such as ge2026-03-01 or 2026-03-01T08:00:00Z."
        raise FhirProblem(400, because, "value")
    prefix = found[1] or "eq"
    try:
        low, high = _span(found[2])
    except (ValueError, OverflowError) as error:
        raise FhirProblem(400, f"{parameter.name}: {text!r} is no date ({error}).", "value") from error
    return lambda resource: any(
        _in_order(prefix, _span(str(value)), low, high) for value in values(resource, parameter.path)
    )


def _in_order(prefix: str, span: tuple[datetime, datetime], low: datetime, high: datetime) -> bool:
    start, end = span
    compared = {
        "eq": low <= start and end <= high,
        "ne": not (low <= start and end <= high),
        "gt": end > high,
        "ge": end > high or (low <= start and end <= high),
        "lt": start < low,
        "le": start < low or (low <= start and end <= high),
        "sa": start >= high,
        "eb": end <= low,
    }
    return compared[prefix]


def _span(text: str) -> tuple[datetime, datetime]:
    """The first instant of a date or time, and the first after it; raises ValueError."""
    if "T" in text:
        found = datetime.fromisoformat(text.replace("Z", "+00:00"))
        start = (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
        return start, start + timedelta(microseconds=1) if "." in text else start + _precision(text)
    year, *rest = (int(part) for part in text.split("-"))
    month, day = (rest + [0, 0])[:2]
    first = date(year, month or 1, day or 1)
    if day:
        after = first + timedelta(days=1)
    elif month:
        after = date(year + month // 12, month % 12 + 1, 1)
    else:
        after = date(year + 1, 1, 1)
    return _midnight(first), _midnight(after)


def _precision(text: str) -> timedelta:
    clock = text.partition("T")[2]
    return timedelta(seconds=1) if clock[:8].count(":") == 2 else timedelta(minutes=1)


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
