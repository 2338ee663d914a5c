"""A daily job whose database goes away in the middle: done on the same morning, by whoever comes, and once."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import NullPool, create_engine, make_url, text

from pathway.errors import StoreError
from persistence import models
from scheduler.job_runs import ABANDONED, once_a_day
from scheduler.jobs import nightly_verify, run_settle
from tests import postgres
from tests.scheduler.ward import LATE, ZONE, enrol, open_store, rows, staff

SOON = LATE + timedelta(minutes=1)
JOB, DAY = "nightly:verify", LATE.date()


class Outage:
    """Nobody can reach the database any more, whoever is connected to it."""

    def __init__(self, url: str) -> None:
        self.url = make_url(url)

    def begin(self) -> None:
        if self.url.get_backend_name() == "sqlite":
            self._file.rename(self._elsewhere)
        else:
            self._allow("false")
            self._tell(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{self._name}'")

    def end(self) -> None:
        if self.url.get_backend_name() != "sqlite":
            self._allow("true")
        elif self._elsewhere.exists():
            self._elsewhere.rename(self._file)

    def _allow(self, whether: str) -> None:
        self._tell(f'ALTER DATABASE "{self._name}" ALLOW_CONNECTIONS {whether}')

    def _tell(self, statement: str) -> None:
        engine = create_engine(postgres.server(), poolclass=NullPool, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(statement))

    @property
    def _name(self) -> str:
        return str(self.url.database)

    @property
    def _file(self) -> Path:
        return Path(self._name)

    @property
    def _elsewhere(self) -> Path:
        return self._file.with_name("elsewhere.db")


@pytest.fixture
def outage(url) -> Iterator[Outage]:
    found = Outage(url)
    yield found
    found.end()


@pytest.fixture
def ward(store):
    staff(store)
    enrol(store)
    return store


@pytest.fixture
def other(url):
    """Another process on the same database."""
    found = open_store(url)
    yield found
    found.database.close()


@pytest.fixture
def cut_off(ward, outage):
    """A process whose database went away in the middle of the verification, so that it could not even say so."""

    def stop() -> bool:
        outage.begin()
        return False

    with pytest.raises(StoreError):
        nightly_verify(ward, LATE, zone=ZONE, stop=stop)
    outage.end()
    return ward


def finished(store) -> list:
    return [row.finished_at for row in rows(store, models.JobRun) if row.job == JOB]


def test_the_verification_is_begun_again_by_the_process_that_was_cut_off(cut_off, other):
    assert finished(other) == [None]
    assert nightly_verify(cut_off, SOON, zone=ZONE).line() == "all 1 episodes agree"
    assert nightly_verify(other, SOON, zone=ZONE) is None
    assert finished(other) == [SOON]


def test_it_is_begun_again_by_another_process_once_the_one_that_was_cut_off_has_settled(cut_off, other):
    assert nightly_verify(other, SOON, zone=ZONE) is None
    run_settle(cut_off, SOON)
    assert nightly_verify(other, SOON, zone=ZONE).line() == "all 1 episodes agree"
    assert nightly_verify(cut_off, SOON, zone=ZONE) is None


def test_while_the_database_is_away_the_claim_is_kept_in_mind(cut_off, outage, other):
    outage.begin()
    for _ in range(2):
        with pytest.raises(StoreError):
            run_settle(cut_off, SOON)
    outage.end()
    run_settle(cut_off, SOON)
    assert nightly_verify(other, SOON, zone=ZONE) is not None


def test_who_was_cut_off_takes_nothing_from_the_one_that_has_begun_since(cut_off, other):
    later = LATE + ABANDONED

    def work() -> str:
        run_settle(cut_off, later)
        assert nightly_verify(cut_off, later, zone=ZONE) is None
        return "done"

    assert once_a_day(other, JOB, DAY, later, work, lambda said: {"line": said}) == "done"
    assert nightly_verify(cut_off, later, zone=ZONE) is None


def test_where_the_last_word_was_lost_the_work_is_done_again_at_the_next_look_and_then_no_more(ward, outage, other):
    done = []

    def work() -> str:
        done.append(len(done))
        if len(done) == 1:
            outage.begin()
        return "done"

    def ask(store):
        return once_a_day(store, JOB, DAY, LATE, work, lambda said: {"line": said})

    with pytest.raises(StoreError):
        ask(ward)
    outage.end()
    assert [ask(ward), ask(ward), ask(other)] == ["done", None, None]
    assert done == [0, 1]
