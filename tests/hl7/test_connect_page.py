"""The part of docs/connect.md about HL7 v2 is run as it stands there."""

import json
import re
import shlex
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from coordinator.cli import app
from scheduler.health import health
from tests.hl7.conftest import NOW, Desk
from tests.hl7.messages import admission, dg1, message, msh, pid
from tests.hl7.test_listening import Line

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "connect.md").read_text(encoding="utf-8").partition("## HL7 v2 in")[2]


def blocks() -> list[list[list[str]]]:
    found = re.findall(r"```sh\n(.*?)```", PAGE.partition("\n## ")[0], flags=re.DOTALL)
    return [
        [shlex.split(part) for line in block.splitlines() for part in line.partition(" #")[0].split("&&")]
        for block in found
    ]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATHWAY_DATABASE", f"sqlite:///{tmp_path}/pathway.db")
    (tmp_path / "tests").symlink_to(ROOT / "tests")
    return tmp_path


def run(words: list[str], code: int = 0) -> str:
    result = CliRunner().invoke(app, words)
    assert result.exit_code == code, (words, result.output, result.exception)
    return " ".join(result.stdout.split())


def test_from_messages_to_a_worklist(here):
    said = [run(words[1:]) for words in blocks()[0]]
    (
        _init,
        rehearsed,
        written,
        corrected,
        merged,
        again,
        listed,
        waiting,
        retried,
        candidates,
        patient,
        _census,
        proof,
    ) = said
    assert rehearsed.startswith("Dry run: nothing is written.")
    assert "4 messages: 2 taken, 1 noted, 1 unknown" in rehearsed
    assert "DEMO-0001 (admissions.hl7, line 3) taken: 1 enrolled" in written
    assert "DEMO-0004 (admissions.hl7, line 17) taken: 4 recorded" in written
    assert "1 corrected" in corrected
    assert "1 messages: 1 noted" in merged
    assert "4 messages: 3 taken, 1 unknown; 4 known already." in again
    assert "messages ADT^A02 are not used here; it is kept as it came" in listed
    assert "6 stored, 0 wait for a person." in listed
    assert "No such message is stored." in waiting
    assert "0 tried again." in retried
    assert "DEMO-7002" in candidates
    assert "t score -2.4" in patient
    assert "Retracted: dxa" in patient
    assert proof == "all 1 episodes agree"


def test_the_listener_of_the_page_answers(here, file):
    ((words,),) = blocks()[1:]
    assert words[0] == "pathway"
    command = ["0" if word == "2575" else word for word in words[1:]]
    program = [sys.executable, "-m", "coordinator", "--database", f"sqlite:///{file}", *command]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = Line(int(process.stdout.readline().partition("127.0.0.1:")[2].partition(";")[0]))
        line.send(admission("M1", "A01", dg1("J18.9")))
        assert line.answer()[:3] == ["MSA", "AA", "M1"]
        line.socket.close()
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0


# ---------------------------------------------------------------- the other words of the commands


def test_a_file_with_something_wrong_says_what_keeps_the_rest_and_exits_with_2(here):
    run(["init"])
    (here / "odd.hl7").write_bytes(b"note\r" + message(msh(), "EVN|A01") + admission("M2") + b"BTS|3\r")
    said = run(["import", "hl7", "odd.hl7"], code=2)
    assert "odd.hl7: 1 lines before the first message belong to none, and were not taken in." in said
    assert "its trailer says 3 messages, and there are 2" in said
    assert "ADT^A01 M1 (odd.hl7, line 2) refused: it names no patient (PID)." in said
    assert "ADT^A01 M2 (odd.hl7, line 4) taken: 1 enrolled." in said
    waiting = json.loads(run(["hl7", "messages", "--outcome", "waiting", "--json"]))
    (row,) = waiting["messages"]
    assert (row["control_id"], row["outcome"], row["place"]) == ("M1", "refused", "odd.hl7, line 2")
    assert "MSH|^~" in run(["hl7", "messages", "--show", str(row["id"])])
    assert "1 tried again: 1 refused." in run(["hl7", "retry"])
    run(["hl7", "close", str(row["id"])], code=2)
    assert "Closed" in run(["hl7", "close", str(row["id"]), "--because", "phoned", "--by", "C. Sample"])
    assert "2 stored, 0 wait for a person." in run(["hl7", "messages"])


def test_what_is_no_file_and_what_is_no_message_is_said(here):
    run(["init"])
    run(["import", "hl7", "nothing.hl7"], code=2)
    (here / "empty.txt").write_text("Dear colleague,\n")
    assert "empty.txt: there is no HL7 v2 message in it" in run(["import", "hl7", "empty.txt"], code=2)
    run(["hl7", "messages", "--outcome", "odd"], code=2)
    run(["hl7", "messages", "--show", "9"], code=2)


def test_a_message_never_speaks_to_the_terminal(here):
    run(["init"])
    (here / "odd.hl7").write_bytes(admission(person=pid(family="EX\x1b[2JAMPLE")))
    run(["import", "hl7", "odd.hl7"])
    assert "\x1b" not in run(["hl7", "messages", "--show", "1"])


def test_health_says_that_messages_wait(small_desk: Desk):
    small_desk.take(message(msh(), "EVN|A01"))
    found = health(small_desk.store, NOW + timedelta(minutes=1), settle_seconds=None)
    assert [(p.code, p.level) for p in found.findings] == [("hl7_waiting", "degraded")]
    assert "HL7 v2 messages that wait for a person: 1; see `pathway hl7 messages" in found.problems[0]
