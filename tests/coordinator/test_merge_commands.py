"""`pathway patient merge` and `unmerge`, as a person types them."""

import json

import pytest
from typer.testing import CliRunner

from coordinator.cli import app

WHY = ("--because", "same person", "--by", "C. Sample")


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATHWAY_DATABASE", f"sqlite:///{tmp_path}/pathway.db")

    def answer(*words: str, code: int = 0):
        result = CliRunner().invoke(app, ["--now", "2026-03-16T09:00", *words])
        assert result.exit_code == code, (words, result.output, result.exception)
        return " ".join(result.output.split())

    CliRunner().invoke(app, ["init", "--simulation"])
    for number, born in (("A", "01-Jun-1950"), ("B", "01-Jun-1950"), ("C", "02-Jun-1950")):
        answer("register", number, "--level", "L1", "--fracture", "01-Mar-2026", "--born", born, "--owner", "Desk")
    return answer


def test_merged_looked_at_and_taken_back(run):
    shown = run("patient", "merge", "A", "B", "--dry-run")
    assert "Goes on: Not known Born 01-Jun-1950 No. A" in shown
    assert "episodes A-1 and B-1 may be one fracture of L1 (01-Mar-2026 and 01-Mar-2026)" in shown
    refused = run("patient", "merge", "A", "B", *WHY, code=2)
    assert "say which goes on, or that both do" in refused
    merged = run("patient", "merge", "A", "B", *WHY, "--goes-on", "A-1")
    assert "B goes on as A. B-1 was put to rest; the other episode of that fracture goes on." in merged
    assert "This is the record of No. B too: they were merged." in run("patient", "B")
    assert json.loads(run("patient", "show", "B", "--json").partition("2026 09:00. ")[2])["formerly"] == ["B"]
    assert "all 3 episodes agree" in run("verify")
    assert "needs a clinician" in run("patient", "unmerge", "B", *WHY, code=2)
    parted = run("patient", "unmerge", "B", *WHY, "--as", "clinician")
    assert "B and A are two records again. B-1 is open again, with what is owed." in parted
    assert "B was not merged into another record" in run("patient", "unmerge", "B", *WHY, code=2)
    assert "all 3 episodes agree" in run("verify")
    assert "3 enrolled = 3 active" in run("census")


def test_records_that_differ_need_a_person_s_word(run):
    refused = run("patient", "merge", "A", "C", *WHY, "--goes-on", "A-1", code=2)
    assert "the two records differ in date of birth; say that it is the same person all the same" in refused
    run("patient", "merge", "A", "C", *WHY, "--goes-on", "A-1", "--although-different")


def test_without_a_reason_or_a_name_nothing_is_merged(run):
    refused = run("patient", "merge", "A", "B", "--goes-on", "A-1", code=2)
    assert "merging records needs a reason and a name" in refused
    assert "there is no patient Z" in run("patient", "merge", "A", "Z", *WHY, code=2)


def test_what_comes_from_a_file_under_the_old_number_lands_in_the_record(run, tmp_path):
    heading = "hospital number,date of birth,level,fracture date,pain score,pain date"
    row = "D,01-Jun-1950,L1,01-Mar-2026"
    (tmp_path / "first.csv").write_text(f"{heading}\n{row},,\n")
    (tmp_path / "more.csv").write_text(f"{heading}\n{row},7,12-Mar-2026\n")
    run("import", "first.csv")
    run("patient", "merge", "A", "D", *WHY, "--goes-on", "A-1", "--goes-on", "D-1")
    assert "1 rows: 1 recorded" in run("import", "more.csv")
    page = json.loads(run("patient", "A", "--json").partition("2026 09:00. ")[2])
    assert [episode["episode"] for episode in page["episodes"]] == ["A-1", "D-1"]
    said = [line["what"] for line in page["episodes"][1]["past"]]
    assert any("Symptoms of 12-Mar-2026: nrs 7" in line for line in said), said
    assert "0 recorded, 1 already known" in run("import", "more.csv")
