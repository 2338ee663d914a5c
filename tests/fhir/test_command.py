"""`pathway import fhir` and `pathway candidates` as they are typed; the spreadsheet door stays as it was."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from coordinator.cli import app
from tests.fhir.exports import condition, lines, pain, patient, write

EXAMPLE = Path(__file__).parents[2] / "examples" / "cohort.csv"
TIME = ("--now", "2026-03-16T09:00")


class Terminal:
    def __init__(self, folder: Path) -> None:
        self.folder, self.runner = folder, CliRunner()

    def __call__(self, *words: str) -> Result:
        return self.runner.invoke(app, [*TIME, *words])

    def ok(self, *words: str) -> str:
        result = self(*words)
        assert result.exit_code == 0, result.output
        return result.stdout


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, blank_url: str) -> Terminal:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATHWAY_DATABASE", blank_url)
    found = Terminal(tmp_path)
    found.runner.invoke(app, ["init", "--simulation"])
    return found


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: Path) -> Terminal:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATHWAY_DATABASE", f"sqlite:///{file}")
    found = Terminal(tmp_path)
    found.runner.invoke(app, ["init", "--simulation"])
    return found


def test_from_an_export_to_the_worklist(terminal, tmp_path):
    write(tmp_path, patient(), condition(), pain("o1", 7), condition("c2", "M80.08XA", onsetDateTime="2025-09-01"))
    rehearsed = terminal.ok("import", "fhir", "export.json", "--dry-run")
    assert "Dry run: nothing is written." in rehearsed
    assert "Would enrol H1: L1 (export.json, line 1, Condition/c1)." in rehearsed
    assert terminal.ok("candidates") == "No candidate waits.\n"
    said = terminal.ok("import", "fhir", "export.json")
    assert "Enrolled H1: L1 (export.json, line 1, Condition/c1)." in said
    assert "1 enrolled, 0 followed already; 1 new candidates" in said
    assert "H1" in terminal.ok("worklist")
    (waiting,) = json.loads(terminal.ok("candidates", "--json"))
    assert (waiting["reasons"], waiting["kind"]) == (["level unknown"], "spine")
    assert "Dismissed 1." in terminal.ok("candidates", "--dismiss", waiting["id"], "--because", "old", "--by", "B. S.")
    assert "1 followed already; 0 new candidates, 0 changed, 1 known" in terminal.ok("import", "fhir", "export.json")
    assert terminal.ok("verify") == "all 1 episodes agree\n"


def test_accepting_registers(small, tmp_path):
    write(tmp_path, patient(), condition(code="M80.08XA"))
    small.ok("import", "fhir", "export.json")
    (waiting,) = json.loads(small.ok("candidates", "--json"))
    answer = ("candidates", "--accept", waiting["id"], "--by", "B. Sample")
    assert "give it with --level" in small(*answer).stderr
    assert "L3 is outside this pathway" in small(*answer, "--level", "L3").stderr
    assert "Recorded. Episode H1-1 is in" in small.ok(*answer, "--level", "l1", "--fracture", "01-Feb-2026")


def test_what_was_refused_is_said_and_the_exit_code_is_2(small, tmp_path):
    lines(tmp_path, patient(), '{"resourceType": "Obs', condition())
    result = small("import", "fhir", "export.ndjson")
    assert result.exit_code == 2
    assert "Refused: export.ndjson, line 2: the line is not JSON" in result.stdout
    assert "Enrolled H1" in result.stdout


def test_the_json_answer_has_everything(small, tmp_path):
    write(
        tmp_path, patient(), condition(), pain("o1", 2.5), condition("c2", "263102004", system="http://snomed.info/sct")
    )
    result = small("import", "fhir", "export.json", "--json")
    assert result.exit_code == 2
    answer = json.loads(result.stdout)
    place = {"file": "export.json", "line": 1, "resource": "Condition/c1"}
    assert answer["enrolled"] == [{"patient": "H1", "level": "L1", **place}]
    assert [(c["reasons"], c["what"]) for c in answer["candidates"]] == [
        (["the site is the wrist", "two conditions of one event (wrist, L1)"], "new")
    ]
    assert answer["facts"]["refused"] == answer["refused_count"] == 1
    assert answer["refused"][0]["resource"] == "Observation/o1"
    assert (answer["files"], answer["resources"], answer["by_type"]["Condition"]) == (1, 4, 2)


def test_a_long_list_of_faults_is_cut_for_people_only(small, tmp_path):
    lines(tmp_path, *(["no json"] * 60))
    assert "… and 20 more refused (see --json)." in small("import", "fhir", "export.ndjson").stdout
    assert len(json.loads(small("import", "fhir", "export.ndjson", "--json").stdout)["refused"]) == 60


@pytest.mark.parametrize(
    ("words", "because"),
    [
        (("import", "fhir", "nowhere"), "nowhere does not exist; expected a FHIR file or a folder"),
        (("candidates", "--accept", "x", "--dismiss", "y"), "accepted or dismissed, not both"),
        (("candidates", "--accept", "x", "--level", "L9"), "--level 'L9' is no vertebra"),
        (("candidates", "--accept", "x", "--as", "king"), "--as 'king' is not a role"),
        (("candidates", "--accept", "x", "--by", "B", "--level", "L1"), "there is no candidate 'x' waiting"),
        (("candidates", "--dismiss", "x", "--by", "B", "--because", "c"), "there is no candidate 'x' waiting"),
        (("candidates", "--kind", "toe"), "--kind 'toe' is not known"),
    ],
)
def test_bad_input_is_one_sentence(small, words, because):
    result = small(*words)
    assert result.exit_code == 2
    assert because in result.stderr


@pytest.mark.parametrize(
    "words", [(str(EXAMPLE), "--dry-run"), ("--dry-run", str(EXAMPLE)), ("csv", str(EXAMPLE), "--dry-run")]
)
def test_a_spreadsheet_is_imported_as_before(small, words):
    result = small("import", *words)
    assert result.exit_code == 2
    assert "25 rows: 16 would be recorded" in result.stdout


def test_no_other_command_waits_for_the_fhir_models():
    """In a process of its own, or another test would have loaded them."""
    code = "import sys, coordinator.cli; print([m for m in sys.modules if m.startswith('fhir')])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
