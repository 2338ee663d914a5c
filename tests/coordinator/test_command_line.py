"""The command line as a new user meets it: a first session, and every kind of bad input.

The journeys that write run on both databases; what is said about bad input is the same on either.
"""

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from coordinator.cli import app, main
from coordinator.settings import SettingsFaulty
from pathway.errors import NoSuchPatient, PathwayError, StoreError, StoreNotReady

EXAMPLE = Path(__file__).parents[2] / "examples" / "cohort.csv"
SCENARIOS = Path(__file__).parents[1] / "data" / "scenarios.yaml"
CONFIRMED = ("--as", "clinician", "--by", "Dr C. Sample")


class Terminal:
    """A user's terminal in an empty folder with a database of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.runner = folder, CliRunner()

    def __call__(self, *words: str) -> Result:
        return self.runner.invoke(app, list(words))

    def ok(self, *words: str) -> str:
        result = self(*words)
        assert result.exit_code == 0, result.output
        return result.stdout

    def json(self, *words: str):
        return json.loads(self.ok(*words, "--json"))


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATHWAY_DATABASE", f"sqlite:///{tmp_path}/pathway.db")
    monkeypatch.setenv("PATHWAY_OUTBOX_LOG", str(tmp_path / "outbox.log"))
    return Terminal(tmp_path)


@pytest.fixture
def anywhere(empty: Terminal, blank_url: str, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """The same on SQLite and on PostgreSQL: one URL is all that differs."""
    monkeypatch.setenv("PATHWAY_DATABASE", blank_url)
    return empty


@pytest.fixture
def terminal(empty: Terminal) -> Terminal:
    empty.ok("init")
    return empty


@pytest.fixture
def ann(terminal: Terminal) -> Terminal:
    """Ann Sample, fractured, examined and imaged, under conservative care."""
    terminal.ok(
        *("register", "P1", "--surname", "SAMPLE", "--given", "Ann", "--born", "01-Jun-1950", "--sex", "F"),
        *("--level", "L1", "--fracture", "02-Jan-2026", "--identified", "05-Jan-2026", "--mechanism", "low_energy"),
    )
    exam = "complete=yes motor_deficit=no sensory_deficit=no bowel_bladder=no radicular=no"
    terminal.ok("observe", "P1", "neuro_exam", *exam.split(), "--on", "05-Jan-2026")
    scan = "modality=MRI performed=06-Jan-2026 collapse_pct=8 kyphosis=5 scoliosis=2 retropulsion=no"
    terminal.ok("observe", "P1", "imaging", *scan.split())
    return terminal


def test_a_first_session_ends_with_a_census_that_adds_up(anywhere: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """At a site that is always open, or the day and the hour of the test would decide what goes out."""
    for name, value in {"WORKDAYS": "mon-sun", "QUIET_FROM": "00:00", "QUIET_UNTIL": "00:00"}.items():
        monkeypatch.setenv(f"PATHWAY_{name}", value)
    terminal = anywhere
    terminal.ok("init")
    terminal.ok("staff", "desk@example.org", "--role", "coordinator")
    terminal("import", str(EXAMPLE))
    terminal.ok("settle")
    assert "sent" in terminal.ok("deliver")
    assert "Worklist of" in terminal.ok("worklist")
    assert terminal.ok("census").startswith("16 enrolled = ")
    agree = "all 16 episodes agree"
    assert terminal.ok("verify") == f"{agree}\n"
    assert terminal.ok("verify") == f"{agree}\n0 replayed, 16 unchanged to the byte since they last agreed\n"
    assert json.loads(terminal.ok("verify", "--whole", "--json"))["unchanged"] == 0
    assert (terminal.folder / "outbox.log").read_text().count("\n") > 0


def test_care_that_is_started_sets_the_clocks_and_what_was_missed_fires_at_once(ann: Terminal) -> None:
    ann.ok("decide", "P1", "start_conservative", "care_start=06-Jan-2026", *CONFIRMED)
    episode = ann.json("patient", "P1")["episodes"][0]
    assert episode["state"] == "REASSESSMENT"
    assert {"K-REASSESS", "K-3M-DECISION"} <= {work["code"] for work in episode["work"]}


def test_the_patient_page_says_who_where_what_and_why(ann: Terminal) -> None:
    page = ann.ok("patient", "P1")
    assert "SAMPLE, Ann  Born 01-Jun-1950" in page
    assert "S1-18: Begin an osteoporosis drug at once" in page
    assert "[E]" in page
    assert "does not replace clinical judgement" in page


def test_a_red_flag_is_answered_at_once_with_whom_to_phone(ann: Terminal) -> None:
    said = ann.ok("observe", "P1", "neuro_exam", "complete=yes", "motor_deficit=yes")
    assert "moved to Surgical referral (red flag, waiting for a clinician, nothing sent) by rule TR-03" in said
    assert "This program does not call anyone: phone now." in said


def test_as_of_answers_as_things_stood_then(ann: Terminal) -> None:
    ann.ok("observe", "P1", "neuro_exam", "complete=yes", "motor_deficit=yes")
    registered = ann.json("patient", "P1")["episodes"][0]["past"][0]["recorded_at"]
    then = ann.json("patient", "P1", "--as-of", registered)["episodes"][0]
    assert then["state"] == "ACUTE_ASSESSMENT"


def test_every_reading_command_answers_as_of_an_instant(ann: Terminal) -> None:
    registered = ann.json("patient", "P1")["episodes"][0]["past"][0]["recorded_at"]
    ann("observe", "P1", "neuro_exam", "complete=yes", "motor_deficit=yes")
    assert [item["code"] for item in ann.json("worklist", "--as-of", registered) if item["red_flag"]] == []
    assert ann.json("digest", "--role", "clinician", "--as-of", registered)["red_flags"] == 0
    assert ann.json("digest", "--role", "clinician")["red_flags"] == 1
    ladder = [item["code"] for item in ann.json("preview", "--days", "2")]
    assert "K-SURG-ACK" in ladder
    assert "K-SURG-ACK" not in [i["code"] for i in ann.json("preview", "--days", "2", "--as-of", registered)]
    assert ann.json("census", "--as-of", registered)["enrolled"] == 1
    assert ann.json("concerns", "--as-of", registered) == []


def test_preview_looks_ahead_and_writes_nothing(ann: Terminal) -> None:
    before = ann.json("patient", "P1")
    assert ann.json("preview", "--days", "30")
    assert ann.json("patient", "P1")["episodes"][0]["past"] == before["episodes"][0]["past"]


def test_time_can_be_moved_in_a_database_made_for_it(anywhere: Terminal) -> None:
    anywhere.ok("init", "--simulation")
    anywhere("--now", "2026-03-16T09:00", "import", str(EXAMPLE))
    anywhere.ok("--now", "2026-03-16T09:01", "settle")
    before = json.loads(anywhere.ok("--now", "2026-03-16T09:02", "worklist", "--due", "overdue", "--json"))
    fired = json.loads(anywhere.ok("--now", "2026-05-18T09:00", "settle", "--json"))["fired"]
    after = json.loads(anywhere.ok("--now", "2026-05-18T09:01", "worklist", "--due", "overdue", "--json"))
    assert fired > 0
    assert len(after) > len(before)


def test_a_database_with_patients_cannot_become_a_simulation(ann: Terminal) -> None:
    result = ann("init", "--simulation")
    assert result.exit_code == 2
    assert "holds patients" in result.stderr


def test_the_same_event_id_twice_has_one_effect(ann: Terminal) -> None:
    ann.ok("observe", "P1", "dxa", "t_score=-2.7", "--event-id", "lab-1")
    assert "nothing changed" in ann.ok("observe", "P1", "dxa", "t_score=-2.7", "--event-id", "lab-1")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("observe P1 symptoms nrs=11", "nrs was 11; expected a whole number from 0 to 10"),
        ("observe P1 symptoms nrs", "'nrs' is not of the form field=value"),
        ("observe P1 symptoms painscore=4", "symptoms has no field 'painscore'"),
        ("observe P1 sympts nrs=4", "'sympts' is not a kind of observation"),
        ("observe P1 symptoms nrs=4 --on 31-Feb-2026", "'31-Feb-2026' is not a date"),
        ("observe P1 symptoms nrs=4 --as wizard", "--as 'wizard' is not a role"),
        ("observe P9 symptoms nrs=4", "There is no patient with that identifier: P9"),
        ("decide P1 cure", "'cure' is not a decision"),
        ("decide P1 start_conservative --as coordinator", "start conservative needs a clinician"),
        ("decide P1 complete_reassessment --outcome continue", "is possible in Reassessment, not in Acute assessment"),
        ("task P1 K-START", "K-START closes only when the patient leaves acute assessment"),
        ("task P1 K-DXA --how declined --as clinician", "needs a reason"),
        ("correct P1 fracture_date 01-Jan-2030", "lies in the future"),
        ("correct P1 shoe_size 01-Jan-2026", "'shoe_size' cannot be corrected"),
        ("admin P1 vanish", "'vanish' is not an administrative event"),
        ("patient P9", "There is no patient with that identifier: P9"),
        ("worklist --due sometimes", "--due 'sometimes' is not one of now, overdue, all"),
        ("worklist --as-of 01-Jan-2040", "lies in the future"),
        ("guideline show TR-99", "'TR-99' is neither a list"),
        ("--now 2030-01-01T00:00 settle", "works only on a database made for it"),
        ("staff nobody", "'nobody' is not an e-mail address"),
        ("scenario run nowhere.yaml", "does not fit the schema"),
        ("import nowhere.csv", "nowhere.csv cannot be read"),
    ],
)
def test_bad_input_gets_one_sentence_and_exit_code_two(
    ann: Terminal, words: str, sentence: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["pathway", *words.split()])
    before = ann.json("patient", "P1")["episodes"][0]["anchors"]
    with pytest.raises(SystemExit) as stopped:
        main()
    said = capsys.readouterr().err
    assert stopped.value.code == 2
    assert sentence in said
    assert "Traceback" not in said
    assert ann.json("patient", "P1")["episodes"][0]["anchors"] == before


def test_a_refused_value_is_in_the_journal_and_becomes_work(ann: Terminal) -> None:
    ann("observe", "P1", "dxa", "t_score=-29.5")
    episode = ann.json("patient", "P1")["episodes"][0]
    assert "K-DATAQ" in {work["code"] for work in episode["work"]}
    assert any(told["what"].startswith("Refused (OUT_OF_RANGE)") for told in episode["past"])


def test_commands_before_init_say_what_to_do(empty: Terminal) -> None:
    assert isinstance(empty("census").exception, StoreNotReady)


def test_a_faulty_setting_is_named(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATHWAY_ZONE", "Mars/Olympus")
    found = terminal("census").exception
    assert isinstance(found, SettingsFaulty)
    assert "PATHWAY_ZONE" in str(found)


def test_import_twice_changes_nothing(anywhere: Terminal) -> None:
    anywhere.ok("init")
    anywhere("import", str(EXAMPLE))
    before = [anywhere.json("patient", row["patient"]) for row in _rows(anywhere)]
    assert "0 recorded, 16 already known" in anywhere("import", str(EXAMPLE)).stdout
    assert [anywhere.json("patient", row["patient"])["episodes"][0]["past"] for row in _rows(anywhere)] == [
        page["episodes"][0]["past"] for page in before
    ]


def _rows(terminal: Terminal) -> list[dict[str, str]]:
    return json.loads(terminal("import", str(EXAMPLE), "--dry-run", "--json").stdout)["rows"]


def test_a_dry_run_writes_nothing(terminal: Terminal) -> None:
    assert "16 would be recorded" in terminal("import", str(EXAMPLE), "--dry-run").stdout
    assert terminal.ok("census").startswith("0 enrolled")
    assert not (terminal.folder / "cohort.rejected.csv").exists()


def test_refused_rows_can_be_fixed_and_fed_again(terminal: Terminal) -> None:
    assert terminal("import", str(EXAMPLE)).exit_code == 2
    rejected = terminal.folder / "cohort.rejected.csv"
    fixed = terminal.folder / "fixed.csv"
    fixed.write_text(rejected.read_text(encoding="utf-8-sig").replace("2026-02-30", "2026-02-26"), encoding="utf-8")
    assert "9 rows: 1 recorded" in terminal("import", str(fixed)).stdout


def test_free_text_that_looks_critical_stands_at_the_top_of_the_worklist(terminal: Terminal) -> None:
    terminal("import", str(EXAMPLE))
    first = terminal.json("worklist")[:3]
    assert all(item["red_flag"] for item in first[:2])
    assert "K-FREETEXT" in {item["code"] for item in first}


def test_free_text_of_a_refused_row_waits_until_somebody_closes_it(anywhere: Terminal) -> None:
    anywhere.ok("init")
    file = anywhere.folder / "one.csv"
    file.write_text("NHS number,Surname,Level,Comments\n9991002375,TEST,,left leg weak\n", encoding="utf-8")
    anywhere("import", str(file))
    (waiting,) = anywhere.json("concerns")
    assert anywhere("concerns", "--close", waiting["id"]).exit_code == 2
    assert anywhere.json("concerns", "--close", waiting["id"], "--because", "phoned", "--by", "B. Sample") == []


def test_documented_care_is_taken_over_and_a_clinician_is_asked_to_confirm(terminal: Terminal) -> None:
    terminal("import", str(EXAMPLE))
    episode = terminal.json("patient", "9991002375")["episodes"][0]
    assert episode["anchors"]["care_start"] == "2025-10-28"
    assert "K-STABILITY" in {work["code"] for work in episode["work"]}


def test_scenarios_run_on_any_empty_database_and_leave_it_empty(anywhere: Terminal) -> None:
    url = os.environ["PATHWAY_DATABASE"]
    for _ in range(2):
        said = anywhere.ok("--database", url, "scenario", "run", str(SCENARIOS), "--only", "SC-001,SC-002")
        assert said.endswith("2 passed, 0 failed\n")
    assert anywhere.ok("census").startswith("0 enrolled")


def test_scenarios_never_touch_a_database_with_people_in_it(ann: Terminal) -> None:
    """That of the settings is left alone; one that is named is refused."""
    before = ann.json("patient", "P1")
    command = ("scenario", "run", str(SCENARIOS), "--only", "SC-001")
    assert ann.ok(*command).endswith("1 passed, 0 failed\n")
    refused = ann("--database", os.environ["PATHWAY_DATABASE"], *command).exception
    assert isinstance(refused, StoreError)
    assert "expected an empty database" in str(refused)
    assert ann.json("patient", "P1") == before


def test_every_error_message_is_one_sentence() -> None:
    def tree(kind: type[PathwayError]) -> list[type[PathwayError]]:
        return [kind, *(inner for sub in kind.__subclasses__() for inner in tree(sub))]

    for kind in tree(PathwayError):
        said = " ".join((kind.__doc__ or "").split())
        assert said.endswith(".") and said[0].isupper(), kind
    assert str(NoSuchPatient("P9")) == "There is no patient with that identifier: P9"
