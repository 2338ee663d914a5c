"""The small mapping file that names a service's own headings and words."""

import tomllib
from collections.abc import Iterator
from collections.abc import Mapping as Lookup
from dataclasses import dataclass, field
from typing import Any, TypeGuard

from coordinator.cohort_file.dates import ORDER_NAMES, Order
from coordinator.cohort_file.headings import ELEMENTS
from coordinator.cohort_file.words import choices, word_key

IGNORE = "ignore"


@dataclass(frozen=True)
class Mapping:
    """What a mapping file says: heading to data element (or "ignore"), date style, words to values."""

    columns: Lookup[str, str] = field(default_factory=dict)
    date_style: Order | None = None
    words: Lookup[str, Lookup[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class MappingFaults:
    """Everything that is wrong with a mapping file, one sentence each."""

    sentences: tuple[str, ...]


def read_mapping(text: str) -> Mapping | MappingFaults:
    """Read a mapping file; all its faults come back at once."""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        return MappingFaults((f"The mapping file is not valid TOML: {error}.",))
    if faults := tuple(_faults(raw)):
        return MappingFaults(faults)
    words = {name: _by_key(said) for name, said in raw.get("values", {}).items()}
    return Mapping(raw.get("columns", {}), raw.get("file", {}).get("date_style"), words)


def _by_key(said: dict[str, str]) -> dict[str, str]:
    return {word_key(word): value for word, value in said.items()}


def _faults(raw: dict[str, Any]) -> Iterator[str]:
    for name, part in raw.items():
        if name not in ("columns", "file", "values"):
            yield f"[{name}] is not a part of a mapping file; the parts are [columns], [file] and [values.…]."
        elif not _is_table(part):
            yield f"{name} must be a table, written [{name}] with its lines below."
    yield from _column_faults(_table(raw, "columns"))
    yield from _file_faults(_table(raw, "file"))
    for name, said in _table(raw, "values").items():
        yield from _value_faults(name, said)


def _is_table(part: object) -> TypeGuard[dict[str, Any]]:
    return isinstance(part, dict)


def _table(raw: dict[str, Any], name: str) -> dict[str, Any]:
    part = raw.get(name, {})
    return part if _is_table(part) else {}


def _column_faults(columns: dict[str, Any]) -> Iterator[str]:
    for heading, name in columns.items():
        if not isinstance(name, str) or name not in (*ELEMENTS, IGNORE):
            yield f'Column "{heading}" is mapped to {_quoted(name)}, which is not a field.'


def _file_faults(about: dict[str, Any]) -> Iterator[str]:
    for key, value in about.items():
        if key != "date_style":
            yield f"[file] has no setting {_quoted(key)}; the only one is date_style."
        elif not isinstance(value, str) or value not in ORDER_NAMES:
            yield f'date_style is {_quoted(value)}; expected "dmy" (day first) or "mdy" (month first).'


def _value_faults(name: str, said: object) -> Iterator[str]:
    if name not in ELEMENTS or not choices(name):
        yield f"[values.{name}] names no field whose words can be explained."
    elif not _is_table(said):
        yield f"values.{name} must be a table, written [values.{name}] with its lines below."
    else:
        for word, value in said.items():
            if value not in choices(name):
                yield (
                    f'[values.{name}] gives "{word}" the value {_quoted(value)};'
                    f" expected one of {', '.join(choices(name))}."
                )


def _quoted(value: object) -> str:
    return f'"{value}"'
