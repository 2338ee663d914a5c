"""MLLP over real sockets: an answer to each message, only when it is stored, and a stop that loses nothing."""

import asyncio
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import text

from coordinator.hl7.listening import Listener
from coordinator.hl7.receiving import Site, receive
from persistence.database import Database
from persistence.hl7_messages import counts, messages
from persistence.store import Store
from tests.hl7.conftest import NOW
from tests.hl7.messages import admission, dg1, message, msh, obr, obx, pid, result
from tests.journeys.people import ENGINE
from tests.persistence.shelf import store_on

FRAME = b"\x0b%s\x1c\r"


class Line:
    """A sender's end of a connection."""

    opened: list[socket.socket] = []

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.opened.append(self.socket)

    def send(self, data: bytes, *, framed: bool = True) -> None:
        self.socket.sendall(FRAME % data if framed else data)

    def answer(self) -> list[str]:
        """MSA of the next answer."""
        read = b""
        while not read.endswith(b"\x1c\r"):
            part = self.socket.recv(1)
            if not part:
                raise EOFError(read)
            read += part
        assert read.startswith(b"\x0bMSH|")
        return read[1:-2].decode().split("\r")[1].split("|")


@pytest.fixture(autouse=True)
def hung_up() -> Iterator[None]:
    """Every line is closed, however its test ended."""
    yield
    while Line.opened:
        Line.opened.pop().close()


@contextmanager
def listening(site: Site, **more) -> Iterator[tuple[int, Listener]]:
    """A listener in a thread of its own, stopped gracefully at the end."""
    ready, ports, listeners = threading.Event(), [], []

    async def serve() -> None:
        listeners.append(Listener(site, lambda: NOW, **more))

        def on_ready(port: int) -> None:
            ports.append((port, asyncio.get_running_loop()))
            ready.set()

        await listeners[0].serve("127.0.0.1", 0, on_ready)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert ready.wait(20)
    port, loop = ports[0]
    try:
        yield port, listeners[0]
    finally:
        loop.call_soon_threadsafe(listeners[0].stopping.set)
        thread.join(20)
        assert not thread.is_alive()


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with store_on(url) as found:
        yield found


@pytest.fixture
def site(store: Store) -> Site:
    return Site(store, "Europe/London", "default", "Desk")


def test_each_message_is_answered_by_its_control_id_and_is_stored_by_then(site, store):
    with listening(site) as (port, _listener):
        line = Line(port)
        line.send(admission("M1"))
        assert line.answer()[:3] == ["MSA", "AA", "M1"]
        assert counts(store.database) == {"taken": 1}
        assert len(store.case("H1").episodes) == 1
        line.send(result("M2", obr("38268-9", "B1"), obx("38267-1", "-2.9")))
        assert line.answer()[:3] == ["MSA", "AA", "M2"]
        assert len(list(store.case("H1").episodes[0].facts("dxa"))) == 1
        line.send(admission("M1", sent="20260316100000+0000"))
        assert line.answer()[:3] == ["MSA", "AA", "M1"]
        assert sum(counts(store.database).values()) == 2


def test_errors_and_rejections_are_answered_and_the_connection_goes_on(site, store):
    with listening(site) as (port, _listener):
        line = Line(port)
        line.send(message(msh("ADT^A01", "M1"), "EVN|A01"))
        assert line.answer() == ["MSA", "AE", "M1", "it names no patient (PID)"]
        line.send(message(msh("SIU^S12", "M2"), pid()))
        assert line.answer()[:3] == ["MSA", "AR", "M2"]
        line.send(b"no message at all")
        assert line.answer()[:2] == ["MSA", "AR"]
        line.send(message(msh("ADT^A02", "M3"), pid()))
        assert line.answer()[:3] == ["MSA", "AA", "M3"]
        assert counts(store.database) == {"refused": 1, "unknown": 2, "unreadable": 1}


def test_many_messages_in_one_go_are_answered_in_their_order(site, store):
    with listening(site) as (port, _listener):
        line = Line(port)
        line.send(b"".join(FRAME % admission(f"M{n}", "A01", dg1("J18.9"), person=pid(f"H{n}")) for n in range(20)),
                  framed=False)  # fmt: skip
        assert [line.answer()[2] for _ in range(20)] == [f"M{n}" for n in range(20)]
        assert counts(store.database) == {"noted": 20}


def test_two_systems_at_once_are_both_served(site, store):
    with listening(site) as (port, _listener):
        lines = [Line(port), Line(port)]
        for n, line in enumerate(lines):
            line.send(admission(f"M{n}", person=pid(f"H{n}")))
        assert [line.answer()[1] for line in lines] == ["AA", "AA"]
        assert len(store.episodes()) == 2


def test_a_message_in_pieces_is_put_together_and_one_that_is_cut_off_is_kept(site, store):
    with listening(site) as (port, _listener):
        line = Line(port)
        data = FRAME % admission()
        line.send(data[:40], framed=False)
        line.send(data[40:], framed=False)
        assert line.answer()[1] == "AA"
        line.send(b"\x0b" + admission("M2")[:95], framed=False)
        line.socket.shutdown(socket.SHUT_WR)
        assert line.answer()[:3] == ["MSA", "AE", "M2"]
    assert sorted(counts(store.database)) == ["refused", "taken"]


def test_noise_between_messages_is_kept_and_answered_as_such(site, store):
    with listening(site) as (port, _listener):
        line = Line(port)
        line.send(b"\r\n" + FRAME % admission() + b"noise" + FRAME % admission("M2"), framed=False)
        assert [line.answer()[1] for _ in range(3)] == ["AA", "AR", "AA"]


def test_what_is_too_large_to_be_a_message_is_kept_in_part_and_not_waited_for(site, store):
    with listening(site, largest=2000) as (port, _listener):
        line = Line(port)
        line.send(b"\x0b" + admission()[:-1] + b"|" * 5000, framed=False)
        assert line.answer()[1] in ("AE", "AR", "AA")
    assert len(messages(store.database)[0].raw) <= 2000


def test_nothing_is_accepted_before_the_transaction_that_stores_it_is_committed(file):
    """Somebody else writes into the database for a while: until they are done, the sender hears nothing."""
    with store_on(f"sqlite:///{file}") as store:
        with listening(Site(store, "Europe/London", "default", "Desk")) as (port, _listener):
            other = sqlite3.connect(file, isolation_level=None)
            other.execute("BEGIN IMMEDIATE")
            line = Line(port)
            line.send(admission())
            line.socket.settimeout(1)
            with pytest.raises(TimeoutError):
                line.socket.recv(1)
            other.execute("ROLLBACK")
            other.close()
            line.socket.settimeout(20)
            assert line.answer()[:3] == ["MSA", "AA", "M1"]
        assert counts(store.database) == {"taken": 1}


def test_what_a_machine_that_died_had_only_stored_is_done_at_the_next_start(site, store):
    receive(site, admission(), "a test", NOW)
    with store.database.writing() as connection:
        connection.execute(text("UPDATE hl7_message SET outcome = 'stored', because = ''"))
    with listening(site):
        pass
    assert counts(store.database) == {"taken": 1}


def test_a_database_that_is_away_accepts_nothing(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'no-tables.db'}")
    site = Site(Store(database, ENGINE), "Europe/London", "default", "Desk")
    with listening(site) as (port, _listener):
        line = Line(port)
        for _ in range(2):
            line.send(admission())
            _msa, code, control, because = line.answer()
            assert (code, control) == ("AE", "M1")
            assert because.startswith("it could not be stored, so nothing was done: send it again")
    database.close()


def test_a_stop_answers_what_has_come_and_lets_the_idle_go(site, store):
    with listening(site) as (port, _listener):
        idle, busy = Line(port), Line(port)
        busy.send(admission())
        assert busy.answer()[1] == "AA"
    with pytest.raises(EOFError):
        idle.answer()
    with pytest.raises(EOFError):
        busy.answer()
    with pytest.raises(ConnectionRefusedError):
        Line(port)
    assert counts(store.database) == {"taken": 1}


def test_the_command_listens_on_this_machine_alone_and_stops_when_told(file, tmp_path):
    """A process of its own, as a service manager runs it."""
    command = [sys.executable, "-m", "coordinator", "--database", f"sqlite:///{file}", "hl7-listen", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        assert said.startswith("Listening for HL7 v2 on 127.0.0.1:")
        port = int(said.partition("127.0.0.1:")[2].partition(";")[0])
        line = Line(port)
        line.send(admission("M1", "A01", dg1("J18.9")))
        assert line.answer()[:3] == ["MSA", "AA", "M1"]
        assert process.stdout.readline() == "ADT^A01 M1 AA noted\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert "Stopped; what had come is stored and answered." in process.stdout.read()
    with store_on(f"sqlite:///{file}") as store:
        assert counts(store.database) == {"noted": 1}
