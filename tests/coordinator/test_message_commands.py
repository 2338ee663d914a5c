"""Cover, calls, consent, receipts and the outage report, as staff type them, where time may be moved."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import update
from typer.testing import CliRunner, Result

from coordinator.cli import app, main
from coordinator.settings import Settings
from pathway.checking import load_guideline
from persistence import models
from persistence.database import Database
from persistence.messages import OUTCOMES
from persistence.store import table
from tests.scheduler.ward import mail_server

ROOT = Path(__file__).parents[2]
ANN, BOB, LEA = "ann@hospital.example", "bob@hospital.example", "lea@hospital.example"
PATIENT = "p.sample@home.example"


class Desk:
    """A user's terminal in an empty folder, with a mail server, at the time that the test says."""

    def __init__(self, folder: Path, post) -> None:
        self.folder, self.post, self.now = folder, post, "2026-01-05T09:00"

    def __call__(self, *words: str) -> Result:
        return CliRunner().invoke(app, ["--now", self.now, *words])

    def ok(self, *words: str) -> str:
        result = self(*words)
        assert result.exit_code == 0, (words, result.output, result.exception)
        return result.stdout

    def json(self, *words: str):
        return json.loads(self.ok(*words, "--json"))

    def refused(self, *words: str) -> str:
        """The one sentence with which a command ends that did nothing."""
        result = self(*words)
        assert result.exit_code == 2, (words, result.output, result.exception)
        assert "Traceback" not in result.output
        return " ".join(result.stderr.split())

    def beat(self, at: str) -> None:
        self.now = at
        self.ok("settle")
        self.ok("deliver")

    def to(self, address: str) -> list:
        return [letter for letter in self.post.letters if letter["To"] == address]


@pytest.fixture
def post():
    with mail_server() as (found, port):
        found.port = port
        yield found


@pytest.fixture
def desk(tmp_path, monkeypatch, post):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATHWAY_DATABASE", f"sqlite:///{tmp_path}/pathway.db")
    monkeypatch.setenv("PATHWAY_SMTP_HOST", "127.0.0.1")
    monkeypatch.setenv("PATHWAY_SMTP_PORT", str(post.port))
    monkeypatch.setenv("PATHWAY_SMTP_FROM", "pathway@hospital.example")
    desk = Desk(tmp_path, post)
    desk.ok("init", "--simulation")
    desk.ok("staff", ANN, "--name", "Ann", "--role", "coordinator")
    desk.ok("staff", BOB, "--name", "Bob", "--role", "clinician")
    return desk


@pytest.fixture
def ward(desk):
    """P1 on conservative care since 6 January, so that a milestone comes on 3 February."""
    desk.ok(
        *("register", "P1", "--surname", "SAMPLE", "--given", "Pat", "--born", "01-Jun-1950", "--sex", "F"),
        *("--level", "L1", "--fracture", "02-Jan-2026", "--mechanism", "low_energy"),
    )
    exam = "complete=yes motor_deficit=no sensory_deficit=no bowel_bladder=no radicular=no"
    desk.ok("observe", "P1", "neuro_exam", *exam.split(), "--as", "clinician")
    desk.now = "2026-01-06T16:00"
    scan = "modality=MRI performed=06-Jan-2026 collapse_pct=8 kyphosis=5 scoliosis=2 retropulsion=no"
    desk.ok("observe", "P1", "imaging", *scan.split())
    desk.ok("decide", "P1", "start_conservative", "--by", "Dr C. Sample")
    desk.beat("2026-02-02T17:00")
    desk.post.letters.clear()
    return desk


# ---------------------------------------------------------------- cover


def test_who_stands_in_is_listed_until_the_last_day(desk):
    desk.ok("staff", LEA, "--name", "Lea", "--role", "lead")
    assert desk.ok("cover").strip() == "Nobody is away."
    said = desk.ok("cover", ANN, LEA, "--from", "02-Feb-2026", "--until", "06-Feb-2026", "--by", "Ann")
    assert said.strip() == f"02-Feb-2026 to 06-Feb-2026  {LEA} stands in for {ANN}"
    (row,) = desk.json("cover")
    assert (row["absent"], row["stand_in"], row["noted_by"]) == (ANN, LEA, "Ann")
    desk.now = "2026-02-06T23:59"
    assert "stands in" in desk.ok("cover")
    desk.now = "2026-02-07T00:00"
    assert desk.ok("cover").strip() == "Nobody is away."


def test_letters_go_to_who_stands_in_and_return_by_themselves(ward):
    ward.ok("staff", LEA, "--name", "Lea", "--role", "lead")
    ward.ok("cover", ANN, LEA, "--from", "02-Feb-2026", "--until", "03-Feb-2026")
    ward.beat("2026-02-03T08:00")
    assert (len(ward.to(ANN)), len(ward.to(LEA)) > 0) == (0, True)
    ward.beat("2026-02-16T17:00")
    assert len(ward.to(ANN)) > 0


def test_who_is_back_early_stands_in_for_themselves(ward):
    ward.ok("staff", LEA, "--name", "Lea", "--role", "lead")
    ward.ok("cover", ANN, LEA, "--from", "02-Feb-2026", "--until", "20-Feb-2026")
    said = ward.ok("cover", ANN, ANN, "--from", "03-Feb-2026", "--until", "20-Feb-2026")
    assert f"03-Feb-2026 to 20-Feb-2026  {ANN} is there after all" in said
    ward.beat("2026-02-03T08:00")
    assert len(ward.to(ANN)) > 0
    told = {letter["Subject"] for letter in ward.to(ANN)}
    assert {letter["Subject"] for letter in ward.to(LEA)} < told, "of a milestone a lead hears only as a stand-in"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((ANN,), "Say who stands in, and --from and --until when; nothing was saved."),
        ((ANN, BOB), "Say who stands in, and --from and --until when; nothing was saved."),
        ((ANN, BOB, "--from", "02-Feb-2026"), "Say who stands in, and --from and --until when; nothing was saved."),
        ((ANN, "x@y.z", "--from", "02-Feb-2026", "--until", "03-Feb-2026"), "'x@y.z' is no colleague"),
        (("x@y.z", ANN, "--from", "02-Feb-2026", "--until", "03-Feb-2026"), "'x@y.z' is no colleague"),
        ((ANN, LEA, "--from", "02-Feb-2026", "--until", "03-Feb-2026"), "expected an active colleague"),
        ((ANN, BOB, "--from", "03-Feb-2026", "--until", "02-Feb-2026"), "lies before --from 03-Feb-2026"),
        ((ANN, BOB, "--from", "soon", "--until", "02-Feb-2026"), "'soon' is not a date; expected dd-Mmm-yyyy"),
        ((ANN, BOB, "--from", "30-Feb-2026", "--until", "02-Mar-2026"), "is not a date"),
    ],
)
def test_a_cover_that_cannot_be_is_refused(desk, words, sentence):
    desk.ok("staff", LEA, "--name", "Lea", "--role", "lead", "--inactive")
    said = desk.refused("cover", *words)
    assert sentence in said
    assert "nothing was saved" in said
    assert desk.json("cover") == []


# ---------------------------------------------------------------- calls


def test_a_call_is_in_the_journal_with_its_day(ward):
    ward.ok("call", "P1", "reached", "--note", "will come on Monday", "--on", "01-Feb-2026", "--by", "Ann")
    ((outcome, happened),) = contacts()
    assert (outcome, happened.isoformat()) == ("reached", "2026-02-01T08:00:00+00:00")


def contacts():
    database = Database(os.environ["PATHWAY_DATABASE"])
    rows = table(models.Contact)
    with database.reading() as connection:
        found = [(row.outcome, row.happened_at) for row in connection.execute(rows.select())]
    database.close()
    return found


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("P1", "talked"), "expected one of reached, no_answer, left_message, wrong_number, declined"),
        (("P1", "reached", "--on", "03-Feb-2026"), "lies in the future; nothing was saved"),
        (("P1", "reached", "--on", "yesterday"), "is not a date"),
        (("P1", "reached", "--as", "porter"), "is not a role"),
    ],
)
def test_a_call_that_cannot_be_is_refused(ward, words, sentence):
    assert sentence in ward.refused("call", *words)
    assert contacts() == []


# ---------------------------------------------------------------- consent

AGREED = ("consent", "P1", "smtp", PATIENT, "--on", "05-Jan-2026", "--source", "form of 5 January")


def test_a_consent_is_noted_listed_and_ended(ward):
    assert "No consent is noted" in ward.ok("consent", "P1")
    assert ward.ok(*AGREED).strip() == f"smtp {PATIENT}: given 05-Jan-2026 (form of 5 January)"
    said = ward.ok("consent", "P1", "--withdrawn", "--source", "by telephone")
    assert said.strip() == f"smtp {PATIENT}: given 05-Jan-2026 (form of 5 January), ended 02-Feb-2026"
    (row,) = ward.json("consent", "P1")
    assert (row["withdrawn_on"], row["withdrawn_source"]) == ("2026-02-02", "by telephone")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("P9",), "There is no patient 'P9'"),
        (("P1", "smtp", PATIENT), "need --source, where they are written down"),
        (("P1", "smtp", "--source", "x"), "needs the patient's address on that channel"),
        (("P1", "smtp", PATIENT, "--source", "x", "--on", "03-Feb-2026"), "03-Feb-2026 lies in the future"),
        (("P1", "--withdrawn"), "need --source"),
        (("P1", "sms", "--withdrawn", "--source", "x"), "P1 has not agreed to sms (smtp)"),
        (("P1", "sms", "--withdrawn", "--source", "x", "--on", "soon"), "'soon' is not a date"),
    ],
)
def test_a_consent_that_cannot_be_is_refused(ward, words, sentence):
    ward.ok(*AGREED)
    before = ward.json("consent", "P1")
    said = ward.refused("consent", *words)
    assert sentence in said
    assert "nothing was saved" in said
    assert ward.json("consent", "P1") == before


def test_ending_what_was_never_agreed_says_so(ward):
    said = ward.refused("consent", "P1", "--withdrawn", "--source", "x")
    assert "P1 has not agreed to anything (there is no consent); nothing was saved" in said


def test_the_whole_way_to_a_message_to_a_patient_and_back(ward, monkeypatch):
    """Each step of docs/reminders.md; without any of them nothing is sent."""
    monkeypatch.setenv("PATHWAY_PATIENT_MESSAGES", "true")
    monkeypatch.setenv("PATHWAY_SERVICE_PHONE", "01632 960 100")
    ward.ok("template", "approve", "patient-review", "--by", "Dr C. Sample", "--as", "clinician")
    ward.ok(*AGREED)
    ward.beat("2026-02-03T08:00")
    (letter,) = ward.to(PATIENT)
    said = letter.get_body(("plain",)).get_content()
    assert "01632 960 100" in said
    assert not [word for word in ("P1", "SAMPLE", "Pat ", "fracture") if word in said + letter["Subject"]]
    (row,) = [row for row in ward.json("outbox", "--patient", "P1") if row["role"] == "patient"]
    assert (row["outcome"], row["kind"]) == ("sent", "patient")
    # What is overdue on the eighteenth would be told too, but somebody called on the day before.
    ward.ok("template", "approve", "patient-missed", "--by", "Dr C. Sample", "--as", "clinician")
    ward.now = "2026-02-17T15:00"
    ward.ok("call", "P1", "left_message")
    ward.beat("2026-02-18T08:00")
    assert len(ward.to(PATIENT)) == 1
    (row,) = [row for row in ward.json("outbox", "--patient", "P1") if row["code"] == "patient-missed"]
    assert (row["outcome"], row["because"]) == ("suppressed", "staff spoke to the patient on 17-Feb-2026")


# ---------------------------------------------------------------- receipts


def reach(desk):
    return [item["code"] for item in desk.json("worklist") if item["code"] == "K-REACH"]


def milestone_id(desk):
    """The Message-ID of the letter that tells of the milestone, as the mail server saw it."""
    desk.beat("2026-02-03T08:00")
    (row,) = [row for row in desk.json("outbox", "--patient", "P1") if row["kind"] == "milestone"]
    name = row["attempts"][0]["message_id"]
    (found,) = [letter["Message-ID"] for letter in desk.post.letters if name in letter["Message-ID"]]
    return found


def test_a_letter_that_came_back_becomes_a_task_once(ward):
    name = milestone_id(ward)
    assert name.endswith("@hospital.example>")
    for _ in range(2):
        said = ward.ok("receipt", name, "--bounced", "550 no such mailbox")
        assert said.strip() == "Noted; the message counts as failed."
    assert reach(ward) == ["K-REACH"]
    (row,) = [row for row in ward.json("outbox", "--outcome", "failed") if row["kind"] == "milestone"]
    assert row["because"] == "refused for good: 550 no such mailbox"
    ward.ok("task", "P1", "K-REACH", "--how", "done", "--reason", "told by telephone")
    assert reach(ward) == []


def test_a_letter_that_arrived_is_delivered(ward):
    assert ward.json("receipt", milestone_id(ward)) == {"outcome": "delivered"}
    assert reach(ward) == []


@pytest.mark.parametrize("reason", ["", "  "])
def test_a_bounce_without_a_reason_is_not_taken_for_a_delivery(ward, reason):
    name = milestone_id(ward)
    said = ward.refused("receipt", name, "--bounced", reason)
    assert "--bounced needs the reason, in the server's words; nothing was saved." in said
    assert [row["outcome"] for row in ward.json("outbox", "--patient", "P1") if row["kind"] == "milestone"] == ["sent"]


def test_a_receipt_for_nothing_is_refused(ward, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["pathway", "receipt", "<nothing@hospital.example>"])
    with pytest.raises(SystemExit) as stopped:
        main()
    said = capsys.readouterr().err
    assert stopped.value.code == 2
    assert "No message of this id was ever sent; nothing was saved: <nothing@hospital.example>" in said


# ---------------------------------------------------------------- the outage report


def test_without_an_outage_there_is_nothing_to_report(desk):
    assert desk.ok("outage-report").strip() == (
        "There has been no outage: nothing was down for an hour, and no channel failed."
    )


@pytest.fixture
def back(ward):
    """The engine stood still from Monday evening to Tuesday of the week after."""
    ward.beat("2026-02-10T08:10")
    return ward


def test_the_latest_outage_is_reported_and_adds_up(back):
    said = back.ok("outage-report")
    assert said.splitlines()[0] == "engine was down from 02-Feb-2026 17:00 to 10-Feb-2026 08:10: nothing was settled"
    report = back.json("outage-report")
    assert report["adds_up"]
    assert report["line"] == said.splitlines()[1]
    assert report["due"] == report["sent"] == len(back.post.letters) > 0
    assert (report["since"], report["until"]) == ("2026-02-02T17:00:00+00:00", "2026-02-10T08:10:00+00:00")


def test_a_day_as_the_beginning_means_its_first_moment_and_as_the_end_its_last(back):
    milestone_only = back.json("outage-report", "--from", "03-Feb-2026", "--until", "03-Feb-2026")
    assert milestone_only["since"] == "2026-02-03T00:00:00+00:00"
    assert milestone_only["until"] == "2026-02-03T23:59:59+00:00"
    assert milestone_only["due"] >= 1
    assert back.json("outage-report", "--from", "2026-02-03T08:00", "--until", "2026-02-03T09:00")["due"] == 0
    assert back.json("outage-report", "--from", "2026-02-03T07:59")["until"] == "2026-02-10T08:10:00+00:00"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--until", "03-Feb-2026"), "--until needs --from"),
        (("--from", "04-Feb-2026", "--until", "03-Feb-2026"), "does not lie after --from 04-Feb-2026"),
        (("--from", "11-Feb-2026"), "--until now does not lie after --from 11-Feb-2026"),
        (("--from", "Monday"), "'Monday' is not a date"),
    ],
)
def test_a_time_that_cannot_be_is_refused(back, words, sentence):
    assert sentence in back.refused("outage-report", *words)


def test_a_report_that_does_not_add_up_says_so_by_its_exit_code(back):
    database = Database(os.environ["PATHWAY_DATABASE"])
    rows = table(models.Reminder)
    with database.writing() as connection:
        connection.execute(update(rows).where(rows.c.kind == "milestone").values(outcome="mislaid"))
    database.close()
    result = back("outage-report", "--json")
    assert (result.exit_code, json.loads(result.stdout)["adds_up"]) == (1, False)


def test_the_commands_work_as_a_process(back):
    """As a shell or a bounce handler would call them."""
    call = [sys.executable, "-m", "coordinator"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([*call, "outage-report"], capture_output=True, text=True, env=environment, check=False)
    assert (done.returncode, "due while down" in done.stdout, done.stderr) == (0, True, "")
    failed = subprocess.run([*call, "receipt", "x"], capture_output=True, text=True, env=environment, check=False)
    assert failed.returncode == 2
    assert failed.stderr == "pathway: No message of this id was ever sent; nothing was saved: x\n"


# ---------------------------------------------------------------- docs/reminders.md

PAGE = (ROOT / "docs" / "reminders.md").read_text(encoding="utf-8")


def rows_of(heading: str) -> list[list[str]]:
    """The rows of the table of the page whose first heading is that."""
    lines = PAGE[PAGE.index(f"| {heading} |") :].partition("\n\n")[0].splitlines()
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines[2:]]


def test_the_table_of_windows_is_the_guideline() -> None:
    rules = sorted(load_guideline().reminders.values(), key=lambda rule: rule.rank)
    assert rows_of("rank") == [
        [
            *(str(rule.rank), f"`{rule.kind}`", f"{rule.title} [E]" if rule.engineering else rule.title),
            f"{rule.useful_hours} hours" if rule.useful_hours else "as long as it is true",
            "heeds neither" if rule.urgent else "heeds both",
            also(rule.also_by_step),
        ]
        for rule in rules
    ]


def also(steps) -> str:
    last = len(steps)
    said = [f"{'from ' if n == last else ''}step {n}: {', '.join(roles)}" for n, roles in enumerate(steps, start=1)]
    return "; ".join(said)


def test_the_page_states_the_defaults_and_the_ladder_as_they_are() -> None:
    stated = {cells[0].replace("`", ""): cells[1].replace("`", "") for cells in rows_of("setting")}
    for names, values in stated.items():
        defaults = [Settings.model_fields[name.removeprefix("PATHWAY_").lower()].default for name in names.split(", ")]
        assert ", ".join(map(str, defaults)) == values, names
    assert "PATHWAY_DAILY_CAP" in stated
    guideline = load_guideline()
    assert guideline.profile("default")["ack_ladder_hours"] == (1, 4, 24)
    assert "after 1, 4 and 24 hours" in PAGE
    assert Settings.model_fields["patient_weekly_cap"].default == 2
    assert {cells[0].strip("`") for cells in rows_of("outcome")} == {name.replace("_", " ") for name in OUTCOMES}
    reach = guideline.tasks["K-REACH"]
    assert (reach.role, reach.overdue_days, reach.repeat_days, reach.closed_by) == ("coordinator", 1, 7, ("person",))


def test_every_command_of_the_page_works_as_written(ward, monkeypatch) -> None:
    ward.ok("receipt", milestone_id(ward), "--bounced", "550 so that there is a task")
    another = next(letter["Message-ID"] for letter in ward.post.letters if "overdue" in letter["Subject"])
    tried = set()
    for line in "\n".join(re.findall(r"```sh\n(.*?)```", PAGE, flags=re.DOTALL)).splitlines():
        words = shlex.split(line.replace("<MESSAGE-ID>", another), comments=True)
        if words[:1] == ["export"]:
            for setting in words[1:]:
                monkeypatch.setenv(*setting.split("=", 1))
        elif words:
            assert words[0] == "pathway"
            ward.ok(*words[1:])
            tried.add(words[1])
    assert tried == {"outbox", "task", "receipt", "staff", "cover", "template", "consent", "call", "outage-report"}
