"""`pathway export fhir` as it is typed: one patient, folders, a stream; a file has its name only when it is whole."""

import gzip
import json
import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from coordinator.cli import app
from pathway.errors import StoreError
from tests.fhir import r4
from tests.journeys.people import examined, pain, registered
from tests.persistence.shelf import store_on, tell

PAGE = Path(__file__).parents[2] / "docs" / "fhir.md"
NOW = ("--now", "2026-03-16T09:00")


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: Path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATHWAY_DATABASE", f"sqlite:///{file}")
    CliRunner().invoke(app, ["init", "--simulation"])
    with store_on(f"sqlite:///{file}") as store:
        for number in ("P1", "P2", "P-3 a"):
            tell(store, registered(), examined(), pain(6), patient=number)

    def run(*words: str) -> Result:
        return CliRunner().invoke(app, [*NOW, "export", "fhir", *words])

    return run


def test_one_patient_is_one_bundle_on_standard_output(terminal):
    result = terminal("--patient", "P-3 a")
    assert result.exit_code == 0, result.output
    whole = json.loads(result.stdout)
    (person,) = [e["resource"] for e in whole["entry"] if e["resource"]["resourceType"] == "Patient"]
    assert person["identifier"][0]["value"] == "P-3 a"


def test_one_patient_in_a_file(terminal, tmp_path):
    assert terminal("--patient", "P1", "--out", "p1.json").exit_code == 0
    assert json.loads((tmp_path / "p1.json").read_text())["resourceType"] == "Bundle"


def test_everybody_as_bundles_in_a_folder(terminal, tmp_path):
    result = terminal("--out", "export")
    assert result.exit_code == 0, result.output
    assert "3 patients written to export" in result.stderr
    names = sorted(found.name for found in (tmp_path / "export").iterdir())
    assert names == ["P-2D3-20a.json", "P1.json", "P2.json", "definitions.json"]


@pytest.mark.parametrize("packed", [False, True])
def test_everybody_as_ndjson_one_file_a_type(terminal, tmp_path, packed):
    result = terminal("--ndjson", "--out", "export", *(["--gzip"] if packed else []))
    assert result.exit_code == 0, result.output
    files = sorted((tmp_path / "export").iterdir())
    assert not [found for found in files if found.name.endswith(".part")]
    seen = {}
    for found in files:
        text = gzip.decompress(found.read_bytes()).decode() if packed else found.read_text()
        lines = [json.loads(line) for line in text.splitlines()]
        assert {f"{line['resourceType']}.ndjson" for line in lines} == {found.name.removesuffix(".gz")}
        seen.update({f"{line['resourceType']}/{line['id']}": line for line in lines})
    assert sum(name.startswith("Patient/") for name in seen) == 3
    assert {target for line in seen.values() for target in r4.references(line)} <= set(seen)


def test_the_same_export_packed_is_the_same_file(terminal, tmp_path):
    for folder in ("one", "two"):
        assert terminal("--ndjson", "--gzip", "--out", folder).exit_code == 0
    for found in (tmp_path / "one").iterdir():
        assert found.read_bytes() == (tmp_path / "two" / found.name).read_bytes()


def test_everything_as_a_stream(terminal):
    result = terminal("--ndjson")
    assert result.exit_code == 0, result.output
    kinds = {json.loads(line)["resourceType"] for line in result.stdout.splitlines()}
    assert {"Patient", "CarePlan", "Task", "PlanDefinition", "MeasureReport"} <= kinds


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--patient", "nobody"), "there is no patient 'nobody'; nothing was written"),
        ((), "everybody does not fit into one Bundle"),
        (("--gzip", "--out", "x"), "--gzip packs the files of --ndjson"),
        (("--patient", "P1", "--ndjson"), "--patient is written as one Bundle"),
        (("--out", "full"), "full is not empty; expected a new or empty folder; nothing was written"),
        (("--out", "file"), "file is a file; expected a new or empty folder"),
    ],
)
def test_what_cannot_be_written_is_said_in_a_sentence(terminal, tmp_path, words, said):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "other.json").write_text("{}")
    (tmp_path / "file").write_text("")
    result = terminal(*words)
    assert result.exit_code == 2
    assert said in result.stderr
    assert "Traceback" not in result.output


def test_a_patient_who_cannot_be_read_is_named_and_the_others_are_written(terminal, tmp_path, file):
    with store_on(f"sqlite:///{file}") as store, store.database.writing() as connection:
        connection.exec_driver_sql("UPDATE episode SET document = '{' WHERE patient_id = 'P1'")
    result = terminal("--ndjson", "--out", "export")
    assert result.exit_code == 2
    assert "patient P1 could not be read" in result.stderr
    assert "2 patients written" in result.stderr
    alone = terminal("--patient", "P1")
    assert isinstance(alone.exception, StoreError)
    assert "patient P1 cannot be read" in str(alone.exception)
    people = (tmp_path / "export" / "Patient.ndjson").read_text().splitlines()
    assert [json.loads(line)["id"] for line in people] == ["P-2D3-20a", "P2"]


def test_the_sessions_of_the_page_run_as_they_stand_there(tmp_path, monkeypatch, file):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATHWAY_DATABASE", f"sqlite:///{file}")
    with store_on(f"sqlite:///{file}") as store:
        tell(store, registered(), examined(), pain(6), patient="9991002375")
    said = []
    for words in sessions():
        assert words[0] == "pathway"
        result = CliRunner().invoke(app, words[1:])
        assert result.exit_code == 0, (words, result.output, result.exception)
        said.append(result.stdout)
    assert "the journals of 1 patients with 1 episodes would be taken in" in said[-3]
    assert "the journals of 1 patients with 1 episodes taken in" in said[-2]
    assert said[-1] == "all 1 episodes agree\n"


def sessions():
    blocks = re.findall(r"```sh\n(pathway.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    lines = [shlex.split(line.partition("  #")[0]) for block in blocks for line in block.splitlines()]
    first = lines.index(["pathway", "export", "fhir", "--ndjson", "--gzip", "--out", "bulk"])
    # Exported once, for a folder must be new.
    return [words for n, words in enumerate(lines) if n == first or words != lines[first]]
