"""On SQLite one writes at a time: whoever waits is seen, goes first, and waits for little of the engine's work."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select

from pathway.journal import Step
from persistence import models
from persistence.store import table
from persistence.turns import FEW, HURRIED, Turns
from scheduler.settle import settle_all
from tests.persistence.shelf import many_in_care, store_in
from tests.persistence.test_settling_many import DUE

PLENTY = 5 * FEW
MANY = 2 * PLENTY + HURRIED + FEW


@pytest.fixture
def ward(tmp_path):
    with store_in(tmp_path / "pathway.db") as store:
        many_in_care(store, MANY)
        yield store


@pytest.fixture
def impatient(monkeypatch):
    """The engine gives way for a millisecond only, to somebody who never comes."""
    monkeypatch.setattr("persistence.turns.MOST_GIVEN", 1)


def still_due(store):
    episodes = table(models.Episode)
    with store.database.reading() as connection:
        return connection.scalar(select(func.count()).where(episodes.c.next_wake_at <= DUE))


def test_after_somebody_had_to_wait_batches_are_small_for_a_while(ward, impatient):
    with ward.database.turns.waiting():
        assert ward.settle(DUE, PLENTY).episodes == PLENTY
        assert ward.settle(DUE, PLENTY).episodes == FEW
    for _ in range(HURRIED):
        assert ward.settle(DUE, 1).episodes == 1
    assert ward.settle(DUE, PLENTY).episodes == PLENTY


def test_however_a_sweep_is_divided_it_comes_to_the_same(ward, tmp_path, impatient):
    with store_in(tmp_path / "other.db") as other:
        many_in_care(other, MANY)
        whole = settle_all(other, DUE)
        with ward.database.turns.waiting():
            divided = settle_all(ward, DUE)
        assert (divided.episodes, divided.fired, divided.set_aside) == (whole.episodes, whole.fired, whole.set_aside)
        assert ward.episodes() == other.episodes()


def test_a_nurse_who_records_during_a_sweep_does_not_wait_for_its_end(ward):
    call = Step("admin", "contact", {"outcome": "reached"}, by="A. Desk")
    with ThreadPoolExecutor(1) as pool:
        recorded = pool.submit(ward.record, "N0000", call, DUE)
        settle_all(ward, DUE, batch=1, stop=recorded.done)
        assert recorded.result().refusal is None
    assert still_due(ward)


def test_whoever_waits_for_another_writer_is_seen_and_gets_in_when_it_is_done(ward):
    turns = ward.database.turns
    with ThreadPoolExecutor(1) as pool:
        with ward.database.writing():
            assert not turns.somebody_waits()
            waiting = pool.submit(ward.settle, DUE, 1)
            while not turns.somebody_waits():
                assert not waiting.done()
        assert waiting.result().episodes == 1
    assert not turns.somebody_waits()


def test_the_wait_of_a_program_that_was_killed_is_over(tmp_path):
    file = tmp_path / "pathway.db"
    program = (
        "import pathlib, sys, time\n"
        "from persistence.turns import Turns\n"
        "with Turns(pathlib.Path(sys.argv[1])).waiting():\n"
        "    print('waits', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", program, str(file)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "waits\n"
        assert Turns(file).somebody_waits()
        os.kill(other.pid, signal.SIGKILL)
        other.wait()
    assert not Turns(file).somebody_waits()


def test_where_no_file_can_be_made_nobody_is_seen_waiting(tmp_path):
    turns = Turns(tmp_path / "missing" / "pathway.db")
    with turns.waiting():
        assert not turns.somebody_waits()


@pytest.mark.parametrize("file", [None])
def test_a_database_in_memory_has_no_turns(file):
    with Turns(file).waiting():
        assert not Turns(file).somebody_waits()
