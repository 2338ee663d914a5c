"""The server as people start it: what it prints, what it refuses, and the demo that ends in a browser."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

import httpx
import pytest

from persistence.database import Database
from scheduler.job_runs import SETTLE, last_beat

OPEN = re.compile(r"Open (http://127\.0\.0\.1:\d+)/ in a browser; stop with Ctrl-C\.")


class Program:
    """A running `pathway`, whose lines are read as they come."""

    def __init__(self, *words: str, **settings: str) -> None:
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", "COLUMNS": "200", **settings}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "coordinator", *words],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.said: list[str] = []

    def hear(self, pattern: re.Pattern[str]) -> re.Match[str]:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(line)
            found = pattern.search(line)
            if found:
                return found
        raise AssertionError(f"it ended before it said that: {''.join(self.said)}")

    def stop(self) -> int:
        self.process.send_signal(signal.SIGINT)
        self.said += self.process.communicate(timeout=60)[0].splitlines(keepends=True)
        return self.process.returncode


@pytest.fixture
def start(tmp_path) -> Iterator[Callable[..., Program]]:
    started: list[Program] = []

    def begin(*words: str, **settings: str) -> Program:
        database = f"sqlite:///{tmp_path / 'served.db'}"
        known = {"PATHWAY_WEB_ADDRESS": "127.0.0.1:0", **settings}
        started.append(Program("--database", database, *words, **known))
        return started[-1]

    yield begin
    for program in started:
        program.process.kill()
        program.process.communicate()


@pytest.fixture
def ready(tmp_path) -> Database:
    database = Database(f"sqlite:///{tmp_path / 'served.db'}")
    database.upgrade()
    yield database
    database.close()


def browser(address: str) -> httpx.Client:
    return httpx.Client(base_url=address, headers={"Origin": address})


def test_the_code_that_is_printed_makes_the_first_account_and_the_next_start_prints_none(start, ready):
    program = start("serve")
    address = program.hear(OPEN)[1]
    code = program.hear(re.compile(r"/first-run with the code (\S+)"))[1]
    first = {"code": code, "name": "A. First", "email": "first@example.org", "password": "a few good words"}
    with browser(address) as client:
        assert client.post("/first-run", data=first).headers["location"] == "/accounts"
    assert program.stop() == 0
    assert "Traceback" not in "".join(program.said)
    again = start("serve")
    again.hear(OPEN)
    again.stop()
    assert "first-run" not in "".join(again.said)


def test_a_port_that_is_taken_is_one_sentence(start, ready):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        program = start("serve", PATHWAY_WEB_ADDRESS=place)
        said = program.process.communicate(timeout=60)[0]
    assert program.process.returncode == 2
    assert f"{place} cannot be used (Address already in use); name another in PATHWAY_WEB_ADDRESS" in said
    assert "nothing was started" in said
    assert "Traceback" not in said


def test_an_address_that_others_reach_needs_https(start, ready):
    program = start("serve", PATHWAY_WEB_ADDRESS="0.0.0.0:0")
    assert "PATHWAY_WEB_URL must be the https address" in program.process.communicate(timeout=60)[0]
    assert program.process.returncode == 2


def test_demo_accounts_need_a_database_that_demo_made(start, ready):
    program = start("serve", "--demo")
    assert "it needs a database made by demo, on this machine only" in program.process.communicate(timeout=60)[0]
    assert program.process.returncode == 2


def test_one_process_can_do_the_work_of_the_engine_as_well(start, ready):
    program = start("serve", "--with-engine", PATHWAY_SETTLE_SECONDS="1")
    address = program.hear(OPEN)[1]
    patience = threading.Event()
    for _tenth in range(600):
        with ready.reading() as connection:
            beat = last_beat(connection, SETTLE)
        if beat is not None:
            break
        patience.wait(0.1)
    assert beat is not None, "the engine did not run"
    with browser(address) as client:
        assert client.get("/sign-in").status_code == 200
    assert program.stop() == 0


def test_the_demo_ends_in_a_browser_with_somebody_of_every_role(start):
    program = start("demo", "--patients", "12", "--serve")
    address = program.hear(OPEN)[1]
    with browser(address) as client:
        page = client.get("/sign-in").text
        people = re.findall(r'name="email" value="(demo-\w+@example.org)"', page)
        assert len(people) == 5
        assert "Demo Coordinator (made up)" in page
        answer = client.post("/demo-sign-in", data={"email": people[0], "next": "/account"})
        assert answer.headers["location"] == "/account"
    assert program.stop() == 0
    assert "Simulation: every person here is made up." in "".join(program.said)


def test_without_a_terminal_the_demo_ends_by_itself(start):
    program = start("demo", "--patients", "12")
    said = program.process.communicate(timeout=120)[0]
    assert program.process.returncode == 0
    assert "What to try next" in said
    assert not OPEN.search(said)
