"""The codes that are known here, read from coordinator/data/fhir_codes.toml with their status and source."""

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

TABLE = Path(__file__).parents[1] / "data" / "fhir_codes.toml"
STATUS = ("V", "C")
TABLES = ("fracture", "burst", "lumbar_spine", "condition", "measurement", "imaging", "procedure")

Coding = tuple[str, str]
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Codes:
    """Each table by what it is looked up by: whole codes first, then the longest beginning that fits."""

    systems: Mapping[str, str]
    whole: Mapping[str, Mapping[Coding, Row]]
    starts: Mapping[str, Mapping[str, Mapping[str, Row]]]
    body_sites: Mapping[Coding, str]
    modalities: Mapping[str, str]
    late_stages: Mapping[str, str]
    medicines: tuple[Row, ...]

    def system(self, uri: str) -> str:
        """Our short name of a code system; empty when it is none of ours."""
        return self.systems.get(uri, "")

    def row(self, table: str, coding: Coding) -> Row | None:
        """What a table says of one code."""
        found = self.whole[table].get(coding)
        if found is not None:
            return found
        system, code = coding
        beginnings = self.starts[table].get(system, {})
        for length in range(len(code), 0, -1):
            if code[:length] in beginnings:
                return beginnings[code[:length]]
        return None

    def first(self, table: str, codings: Iterable[Coding]) -> Row | None:
        return next((row for coding in codings if (row := self.row(table, coding)) is not None), None)


def spelled(system: str, code: str) -> str:
    """ICD-10-CM is written with and without its point; it is compared without."""
    return code.replace(".", "").upper() if system == "icd10cm" else code


@lru_cache(maxsize=1)
def known_codes() -> Codes:
    document = tomllib.loads(TABLE.read_text(encoding="utf-8"))
    whole: dict[str, dict[Coding, Row]] = {table: {} for table in TABLES}
    starts: dict[str, dict[str, dict[str, Row]]] = {table: {} for table in TABLES}
    for table in TABLES:
        for row in document[table]:
            system = row["system"]
            for code in row.get("codes", ()):
                whole[table][system, spelled(system, code)] = row
            for start in row.get("starts", ()):
                starts[table].setdefault(system, {})[spelled(system, start)] = row
    return Codes(
        systems={uri: name for name, uris in document["systems"].items() for uri in uris},
        whole=whole,
        starts=starts,
        body_sites={(row["system"], code): level for row in document["body_site"] for code, level in _pairs(row)},
        modalities=document["modalities"],
        late_stages=document["late_stages"],
        medicines=tuple(document["medicine"]),
    )


def _pairs(row: Row) -> Iterator[tuple[str, str]]:
    yield from row["codes"].items()
