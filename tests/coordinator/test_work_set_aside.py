"""Setting work aside and taking things back, as staff type it."""

import json

import pytest
from typer.testing import CliRunner

from coordinator.cli import app

NOW = "2026-01-13T10:00"
REGISTER = ("register", "P1", "--level", "L1", "--born", "01-Jun-1950", "--fracture", "02-Jan-2026")


@pytest.fixture
def desk(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATHWAY_DATABASE", f"sqlite:///{tmp_path / 'p.db'}")

    def say(*words, code=0):
        result = CliRunner().invoke(app, ["--now", NOW, *words])
        assert result.exit_code == code, (words, result.output, result.exception)
        return " ".join((result.stdout if code == 0 else result.stderr).split())

    CliRunner().invoke(app, ["init", "--simulation"])
    say(*REGISTER)
    return say


def test_work_is_set_aside_until_a_typed_day_and_taken_back(desk):
    why = ("--reason", "the scan is booked")
    told = json.loads(desk("admin", "P1", "look_again", "code=K-DXA", "until=20-Jan-2026", *why, "--json"))
    (effect,) = [e for e in told["episodes"][0]["effects"] if e["event"] == "look_again"]
    assert (effect["until"], effect["because"]) == ("2026-01-20", "the scan is booked")
    assert "Look again on 20-Jan-2026: Obtain bone densitometry" in desk("patient", "P1")
    desk("admin", "P1", "look_again", "code=K-DXA", "--reason", "the scan is off")
    assert "No longer set aside: Obtain bone densitometry" in desk("patient", "P1")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("until=soon",), "'soon' is not a date"),
        (("until=13-Jan-2026", "--reason", "later"), "13-Jan-2026 is not after today"),
        (("until=28-Jan-2026", "--reason", "later"), "work waits 14 days at most, until 27-Jan-2026"),
        (("until=20-Jan-2026",), "needs a reason in words"),
    ],
)
def test_a_day_that_will_not_do_is_refused_with_a_sentence(desk, words, sentence):
    assert sentence in desk("admin", "P1", "look_again", "code=K-DXA", *words, code=2)


def test_a_ticked_off_task_and_a_call_are_taken_back(desk):
    desk("task", "P1", "K-DXA")
    desk("correct", "P1", "task", "K-DXA", "--reason", "the wrong patient")
    assert "open already" in desk("correct", "P1", "task", "K-DXA", code=2)
    desk("call", "P1", "reached")
    assert "Talk with the patient: reached [line 5]" in desk("patient", "P1")
    desk("correct", "P1", "contact", "5")
    assert "taken back already" in desk("correct", "P1", "contact", "5", code=2)
