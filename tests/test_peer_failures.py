"""The published table of failures seen elsewhere names the tests that keep ours away; it cannot drift from them."""

import ast
import re
from pathlib import Path

TABLE = Path(__file__).parents[1] / "docs" / "peer-failures.md"
TESTS = Path(__file__).parent / "peers"
SEEDS = 25


def in_the_table() -> dict[int, list[str]]:
    """The tests that each row names, by its number; a row has four cells and none of them is empty."""
    found = {}
    for line in TABLE.read_text(encoding="utf-8").splitlines():
        if not re.match(r"\| \d", line):
            continue
        number, elsewhere, here, tests = (cell.strip() for cell in line.strip("|").split("|"))
        assert elsewhere and here, f"row {number} says nothing"
        assert int(number) not in found, f"row {number} stands there twice"
        found[int(number)] = re.findall(r"`(\w+)`", tests)
    return found


def in_the_tests() -> dict[int, list[str]]:
    """The tests themselves, by the number in their name."""
    found: dict[int, list[str]] = {}
    for file in sorted(TESTS.glob("test_*.py")):
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                number = re.match(r"test_seed_(\d\d)_", node.name)
                assert number, f"{file.name}: {node.name} is of no seed"
                found.setdefault(int(number[1]), []).append(node.name)
    return found


def test_every_failure_has_its_row_and_every_row_its_tests() -> None:
    rows = in_the_table()
    assert list(rows) == list(range(1, SEEDS + 1))
    assert [number for number, tests in rows.items() if not tests] == []


def test_the_table_names_exactly_the_tests_that_there_are() -> None:
    rows, tests = in_the_table(), in_the_tests()
    assert {number: sorted(names) for number, names in rows.items()} == {
        number: sorted(names) for number, names in sorted(tests.items())
    }
