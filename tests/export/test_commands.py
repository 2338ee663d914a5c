"""`pathway export`: to a file, whole or not at all, or to a pipe."""

import csv
import io
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import typer
from typer.testing import CliRunner

from coordinator.cli import app
from coordinator.cli.exporting import write_whole
from coordinator.export.dictionary import dictionary
from coordinator.export.tables import TABLES


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATHWAY_DATABASE", f"sqlite:///{tmp_path}/pathway.db")

    def answer(*words: str, code: int = 0):
        result = CliRunner().invoke(app, ["--now", "2026-03-16T09:00", *words])
        assert result.exit_code == code, (words, result.output, result.exception)
        return result

    CliRunner().invoke(app, ["init", "--simulation"])
    answer("register", "P1", "--level", "L1", "--fracture", "01-Mar-2026", "--born", "01-Jun-1950")
    return answer


@pytest.mark.parametrize("name", TABLES)
def test_printed_and_in_a_file_it_is_the_same(run, name):
    printed = run("export", name).stdout
    run("export", name, "--out", "it.csv")
    assert Path("it.csv").read_text(encoding="utf-8") == printed.replace("\r\n", "\n")
    rows = list(csv.DictReader(io.StringIO(printed)))
    assert rows
    assert list(rows[0]) == TABLES[name].names
    said = run("export", name, "--format", "parquet", "--out", "it.parquet").stderr
    assert said == f"Simulation: it is 16-Mar-2026 09:00.\nWrote {len(rows)} rows to it.parquet.\n"
    assert pq.read_table("it.parquet").num_rows == len(rows)


def test_as_of_a_day_before_there_is_nobody(run):
    assert len(run("export", "cohort", "--as-of", "01-Jan-2026").stdout.splitlines()) == 1


def test_the_dictionary_is_printed(run):
    assert run("export", "dictionary").stdout == dictionary()


def test_an_unknown_format_writes_nothing(run):
    said = run("export", "cohort", "--format", "xlsx", "--out", "it.xlsx", code=2).output
    assert "--format 'xlsx' is not known; expected one of csv, parquet; nothing was written." in said
    assert not Path("it.xlsx").exists()


def test_what_cannot_be_written_is_said_in_one_sentence_and_leaves_nothing(run):
    said = run("export", "cohort", "--out", "nowhere/it.csv", code=2).output
    assert "nowhere/it.csv cannot be written (No such file or directory); nothing was written." in said


def test_a_file_that_fails_half_way_leaves_the_one_that_was_there(tmp_path):
    file = tmp_path / "it.csv"
    file.write_text("as it was")
    with pytest.raises(typer.Exit):
        write_whole(file, breaking())
    assert file.read_text() == "as it was"
    assert list(tmp_path.iterdir()) == [file]


def breaking():
    yield b"patient"
    raise OSError(28, "No space left on device")
