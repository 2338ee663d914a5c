"""The table of codes: each with its status and where it was looked up, each with a right check digit."""

import re
import tomllib

import pytest

from coordinator.fhir.codes import STATUS, TABLE, known_codes

DOCUMENT = tomllib.loads(TABLE.read_text(encoding="utf-8"))
ROWS = [(table, row) for table, rows in DOCUMENT.items() if isinstance(rows, list) for row in rows]
# Verhoeff's tables for the check digits of SNOMED CT.
PRODUCT = [
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
    [1, 2, 3, 4, 0, 6, 7, 8, 9, 5],
    [2, 3, 4, 0, 1, 7, 8, 9, 5, 6],
    [3, 4, 0, 1, 2, 8, 9, 5, 6, 7],
    [4, 0, 1, 2, 3, 9, 5, 6, 7, 8],
    [5, 9, 8, 7, 6, 0, 4, 3, 2, 1],
    [6, 5, 9, 8, 7, 1, 0, 4, 3, 2],
    [7, 6, 5, 9, 8, 2, 1, 0, 4, 3],
    [8, 7, 6, 5, 9, 3, 2, 1, 0, 4],
    [9, 8, 7, 6, 5, 4, 3, 2, 1, 0],
]
PERMUTATION = [
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
    [1, 5, 7, 6, 2, 8, 3, 0, 9, 4],
    [5, 8, 0, 3, 7, 9, 6, 1, 4, 2],
    [8, 9, 1, 6, 0, 4, 3, 5, 2, 7],
    [9, 4, 5, 3, 1, 2, 6, 8, 7, 0],
    [4, 2, 8, 6, 5, 7, 3, 9, 0, 1],
    [2, 7, 9, 3, 8, 0, 6, 4, 1, 5],
    [7, 0, 4, 6, 9, 1, 3, 2, 5, 8],
]


def codes_in(system: str) -> list[str]:
    direct = [code for _, row in ROWS if row.get("system") == system for code in row.get("codes", ())]
    return direct + [code for row in DOCUMENT["medicine"] for code in row.get("codes", {}).get(system, ())]


@pytest.mark.parametrize(("table", "row"), ROWS)
def test_every_row_says_how_sure_it_is_and_where_it_was_looked_up(table, row):
    assert row["status"] in STATUS
    assert row["source"] in DOCUMENT["sources"]
    assert row.get("codes") or row.get("starts") or row.get("words"), table


@pytest.mark.parametrize("code", codes_in("snomed"))
def test_snomed_codes_have_a_right_check_digit(code):
    check = 0
    for place, digit in enumerate(reversed(code)):
        check = PRODUCT[check][PERMUTATION[place % 8][int(digit)]]
    assert check == 0


@pytest.mark.parametrize("code", codes_in("loinc"))
def test_loinc_codes_have_a_right_check_digit(code):
    body, digit = code.split("-")
    total = 0
    for place, found in enumerate(reversed(body)):
        doubled = int(found) * (2 if place % 2 == 0 else 1)
        total += doubled - 9 if doubled > 9 else doubled
    assert (10 - total % 10) % 10 == int(digit)


def test_what_fails_its_check_digit_is_not_there():
    assert "241648003" not in TABLE.read_text(encoding="utf-8")


def test_only_whole_levels_of_the_spine_are_levels():
    levels = {row["level"] for table, row in ROWS if table == "fracture" and "level" in row}
    assert all(re.fullmatch(r"T\d|L[1-5]", level) for level in levels)


def test_the_longest_beginning_wins():
    codes = known_codes()
    found = {code: codes.row("fracture", ("icd10cm", code)) for code in ("S32010A", "S32000A", "S3210XA", "M8008XA")}
    assert [found[code] and found[code].get("level") for code in found] == ["L1", None, None, None]
    assert found["S32000A"]["region"] == "lumbar"
    assert found["S3210XA"]["site"] == "pelvis or sacrum"
    assert found["M8008XA"]["osteoporotic"] is True


def test_a_code_without_its_system_is_no_code():
    assert known_codes().system("") == ""
