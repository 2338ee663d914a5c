"""What is written out is what is on record, in both kinds of file, and missing stays missing."""

import csv
import io
import tracemalloc
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq
import pytest

from coordinator.export import sources
from coordinator.export.columns import DAY, INSTANT, NEVER, NUMBER, TEXT, TYPES, WHOLE, YES_NO, Table, column
from coordinator.export.csv_file import as_csv, text_of
from coordinator.export.dictionary import dictionary
from coordinator.export.parquet_file import GROUP, as_parquet
from coordinator.export.tables import COHORT, JOURNAL, TABLES, WORKLIST
from pathway.journal import Step
from persistence.worklist import worklist
from tests.export.conftest import EVIL, NOW
from tests.persistence.shelf import OPENED, many_in_care, tell

ROOT = Path(__file__).parents[2]
SOURCES = {
    "worklist": lambda store, **more: sources.work(store, NOW, **more),
    "cohort": lambda store, **more: sources.cohort(store, NOW, **more),
    "journal": sources.journal,
}
READ = {
    TEXT: text_of,
    WHOLE: lambda cell: int(cell) if cell else None,
    NUMBER: lambda cell: float(cell) if cell else None,
    DAY: lambda cell: date.fromisoformat(cell) if cell else None,
    INSTANT: lambda cell: datetime.fromisoformat(cell) if cell else None,
    YES_NO: lambda cell: {"true": True, "false": False, "": None}[cell],
}


def values(table, records):
    return [{c.name: c.value(record) for c in table.columns} for record in records]


def from_csv(table, text):
    kinds = {c.name: c.type for c in table.columns}
    return [
        {name: READ[kinds[name]](cell) for name, cell in row.items()}
        for row in csv.DictReader(io.StringIO(text, newline=""))
    ]


def from_parquet(parts):
    return pq.read_table(pa.BufferReader(b"".join(parts)))


@pytest.mark.parametrize("name", TABLES)
def test_both_files_hold_exactly_what_is_on_record(store, name):
    table = TABLES[name]
    expected = values(table, SOURCES[name](store))
    assert len(expected) > 1
    assert from_csv(table, "".join(as_csv(table, SOURCES[name](store)))) == expected
    assert from_parquet(as_parquet(table, SOURCES[name](store))).to_pylist() == expected


@pytest.mark.parametrize("name", TABLES)
def test_another_reader_of_csv_sees_the_same_rows(store, name):
    table = TABLES[name]
    text = "".join(as_csv(table, SOURCES[name](store)))
    options = arrow_csv.ParseOptions(newlines_in_values=True)
    kinds = arrow_csv.ConvertOptions(column_types={c.name: pa.string() for c in table.columns})
    read = arrow_csv.read_csv(pa.BufferReader(text.encode()), parse_options=options, convert_options=kinds)
    assert read.to_pylist() == list(csv.DictReader(io.StringIO(text, newline="")))


@pytest.mark.parametrize("name", TABLES)
def test_no_text_is_a_formula_and_every_number_is_a_number(store, name):
    table = TABLES[name]
    for row in csv.DictReader(io.StringIO("".join(as_csv(table, SOURCES[name](store))), newline="")):
        for found in table.columns:
            if found.type == TEXT:
                assert not row[found.name].startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
            if found.type == NUMBER and row[found.name]:
                float(row[found.name])


@pytest.mark.parametrize("text", EVIL)
def test_what_a_spreadsheet_would_run_is_marked_and_comes_back_as_it_was(text):
    table = Table("one", "one", (column("said", TEXT, "x", of=lambda record: record),))
    written = "".join(as_csv(table, [text]))
    (row,) = csv.DictReader(io.StringIO(written, newline=""))
    assert not row["said"].startswith(("=", "+", "-", "@", "\t", "\r", "\n", "＝"))
    assert text_of(row["said"]) == text


def test_a_negative_number_is_no_formula(store):
    (known,) = [row for row in values(COHORT, sources.cohort(store, NOW)) if row["patient"] == "P1"]
    assert known["t_score"] == -2.9
    text = "".join(as_csv(COHORT, sources.cohort(store, NOW)))
    assert [row["t_score"] for row in csv.DictReader(io.StringIO(text))] == ["", "-2.9"]


def test_what_is_not_known_is_empty_and_never_a_zero(store):
    (bare,) = [row for row in values(COHORT, sources.cohort(store, NOW)) if row["patient"] == "-2"]
    unknown = ("surname", "birth_date", "sex", "fracture_date", "age_at_onset", "pain_nrs", "t_score", "t_score_site",
               "bmi", "last_mri_or_ct", "care_start", "procedure_date", "owner")  # fmt: skip
    assert {name: bare[name] for name in unknown} == dict.fromkeys(unknown)
    schema = from_parquet(as_parquet(COHORT, sources.cohort(store, NOW)))
    assert schema["pain_nrs"].to_pylist() == [None, 6.0]


@pytest.mark.parametrize("name", TABLES)
def test_a_column_that_is_never_empty_never_is(store, name):
    table = TABLES[name]
    for row in values(table, SOURCES[name](store)):
        assert [c.name for c in table.columns if c.empty == NEVER and row[c.name] is None] == []


def test_the_worklist_is_in_its_order_and_the_journal_newest_first(store):
    expected = [(item.episode, item.code) for item in worklist(store, NOW)]
    assert [(r["episode"], r["code"]) for r in values(WORKLIST, sources.work(store, NOW))] == expected
    recorded = [row["recorded_at"] for row in values(JOURNAL, sources.journal(store))]
    assert recorded == sorted(recorded, reverse=True)


def test_as_of_answers_as_things_stood_then(store):
    before = {name: values(TABLES[name], SOURCES[name](store)) for name in TABLES}
    tell(store, Step("admin", "assign", {"owner": "Somebody else"}), at=datetime(2026, 3, 17, 9, tzinfo=UTC))
    for name, expected in before.items():
        then = values(TABLES[name], SOURCES[name](store, as_of=NOW))
        assert then == expected, name
    assert values(COHORT, sources.cohort(store, NOW)) != before["cohort"]
    assert values(COHORT, sources.cohort(store, NOW, as_of=OPENED.replace(year=2025))) == []


def test_memory_stays_flat_however_many_there_are(file):
    from tests.persistence.shelf import store_on  # noqa: PLC0415 this test alone has a database of its own

    with store_on(f"sqlite:///{file}") as store:
        many_in_care(store, 3000)
        peaks = {}
        for name in ("cohort", "journal"):
            tracemalloc.start()
            rows = sum(1 for _ in as_csv(TABLES[name], SOURCES[name](store)))
            peaks[name] = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            assert rows > 3000
    # 3000 episodes with their documents are well over 30 MB at once.
    assert max(peaks.values()) < 12_000_000, peaks


def test_parquet_is_handed_out_group_by_group():
    table = Table("one", "one", (column("n", WHOLE, "x", of=lambda record: record),))
    read = []

    def numbers():
        for n in range(3 * GROUP):
            read.append(n)
            yield n

    parts = as_parquet(table, numbers())
    next(parts)
    next(parts)
    assert len(read) == GROUP
    assert from_parquet(as_parquet(table, range(3 * GROUP)))["n"].to_pylist() == list(range(3 * GROUP))


def test_each_column_of_a_parquet_file_says_what_it_means(store):
    schema = from_parquet(as_parquet(COHORT, sources.cohort(store, NOW))).schema
    for found in COHORT.columns:
        about = schema.field(found.name).metadata
        assert about[b"meaning"].decode() == found.meaning
        assert about[b"empty"].decode() == found.empty


def test_the_dictionary_is_what_the_writers_use():
    assert (ROOT / "docs" / "data-dictionary.md").read_text(encoding="utf-8") == dictionary(), "run `make docs`"
    for table in TABLES.values():
        assert len(set(table.names)) == len(table.names)
        for found in table.columns:
            assert found.type in TYPES
            assert f"| `{found.name}` | {found.type} |" in dictionary()
            assert found.meaning
            assert found.empty
