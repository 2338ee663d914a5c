"""The client for Python: typed, without the server, and as safe as the API when an answer is lost."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import httpx
import pytest

from coordinator.client import PathwayClient, PathwayProblem
from pathway.journal import Step
from tests.api.calls import EPISODE, FRACTURE, NEW
from tests.api.conftest import FIRST, SECOND, token, version
from tests.persistence.shelf import counts
from tests.web.people import told


class Lossy(httpx.HTTPTransport):
    """A network that carries every call and loses the first answers."""

    def __init__(self, losses: int) -> None:
        super().__init__()
        self.losses, self.sent = losses, 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = super().handle_request(request)
        self.sent += 1
        if self.sent <= self.losses:
            answer.close()
            raise httpx.ReadTimeout("the answer was lost", request=request)
        return answer


@pytest.fixture
def client(served, store):
    with PathwayClient(served, token(store, "coordinator"), wait=lambda seconds: None) as found:
        yield found


def test_it_imports_nothing_of_the_server():
    asked = "import sys; import coordinator.client; print(sorted({name.partition('.')[0] for name in sys.modules}))"
    root = Path(__file__).parents[2]
    said = subprocess.run([sys.executable, "-c", asked], cwd=root, capture_output=True, text=True, check=True).stdout
    assert "httpx" in said
    for server in ("fastapi", "starlette", "sqlmodel", "sqlalchemy", "apscheduler", "transitions", "persistence"):
        assert f"'{server}'" not in said


def test_what_is_read_is_typed(client, store):
    assert {patient.patient for patient in client.patients()} == {FIRST, SECOND}
    assert client.patient(FIRST).birth_date == date(1945, 6, 1)
    episode = client.episode(EPISODE)
    assert (episode.state, episode.version) == ("CONSERVATIVE_CARE", version(store))
    assert client.episode(EPISODE, as_of=datetime(2026, 2, 24, 8, tzinfo=UTC)).state == "ACUTE_ASSESSMENT"
    assert [entry.seq for entry in client.entries(EPISODE)] == list(range(1, version(store) + 1))
    assert next(client.worklist("all")).episode
    assert {task.status for task in client.tasks(status="open", due_until=date(2026, 12, 31))} == {"open"}
    assert client.census().adds_up
    assert client.guideline().id == "vcf"
    assert client.me().role == "coordinator"
    assert any(choice.possible for choice in client.choices(EPISODE))
    assert client.preview(EPISODE)
    assert list(client.timeline(EPISODE))
    assert {episode.episode for episode in client.episodes(open=True)} == {EPISODE, f"{SECOND}-1"}
    assert isinstance(list(client.outbox(outcome="waiting")), list)


def test_every_kind_of_write_is_saved(client, store):
    made = client.register(NEW, "L1", fracture_date=date(2026, 3, 10), fracture_date_precision="day", surname="Sample")
    assert (made.saved, made.version) == (True, 1)
    assert client.further_fracture(FIRST, "L2", **{k: v for k, v in FRACTURE.items() if k != "level"}).saved
    done = client.observe(EPISODE, "symptoms", {"nrs": 4}, seen=version_of(client), effective=date(2026, 3, 15))
    done = client.correct(EPISODE, "observation", obs_id=done.observation, reason="mixed up", seen=done.version)
    done = client.administer(EPISODE, "contact", data={"outcome": "reached"}, seen=done.version)
    assert done.version == version_of(client)


def version_of(client) -> int:
    return client.episode(EPISODE).version


def test_what_goes_wrong_is_raised_with_what_is_known_of_it(client, store):
    seen = version(store)
    told(store, Step("admin", "contact", {"outcome": "reached"}), by="C. Colleague")
    with pytest.raises(PathwayProblem, match="C. Colleague saved contact") as overtaken:
        client.decide(EPISODE, "refer_surgery", seen=seen, reason="worse")
    assert (overtaken.value.status, overtaken.value.saved_since[0]["who"]) == (412, "C. Colleague")
    with pytest.raises(PathwayProblem) as refused:
        client.close_task(EPISODE, "K-OPRX", seen=version_of(client), how="declined", reason="declines")
    assert (refused.value.status, refused.value.code) == (403, "ROLE")
    with pytest.raises(PathwayProblem, match="no episode"):
        client.episode("nobody-1")


def test_a_write_whose_answer_was_lost_happens_once(served, store):
    network, seen = Lossy(2), version(store)
    with PathwayClient(served, token(store, "coordinator"), wait=lambda seconds: None, transport=network) as client:
        done = client.observe(EPISODE, "symptoms", {"nrs": 4}, seen=seen)
    assert network.sent == 3
    assert done.saved
    assert [entry.kind for entry in store.journal(EPISODE) if entry.seq > seen].count("observe") == 1


def test_a_network_that_stays_away_is_told(served, store):
    with (
        PathwayClient(served, "x", tries=2, wait=lambda seconds: None, transport=Lossy(9)) as client,
        pytest.raises(httpx.ReadTimeout),
    ):
        client.me()


@contextmanager
def answering(*answers: tuple[int, dict[str, str], bytes]) -> Iterator[str]:
    """The address of a server that answers just so, one after the other."""
    left = list(answers)

    class Call(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = left.pop(0)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_said: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Call) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_a_busy_server_is_waited_for_as_long_as_it_asks():
    waited: list[float] = []
    busy = ((429, {"Retry-After": "7"}, b""), (503, {}, b""), (200, {}, b"[]"))
    with answering(*busy) as url, PathwayClient(url, "x", wait=waited.append) as client:
        assert client.choices("a-1") == []
    assert waited == [7.0, 1.0]


def test_something_in_between_that_answers_in_its_own_form_is_told():
    with (
        answering((502, {}, b"<h1>No route</h1>")) as url,
        PathwayClient(url, "x") as client,
        pytest.raises(PathwayProblem, match="No route"),
    ):
        client.me()


def test_a_write_may_be_foreseen(client, store):
    before = counts(store)["entry"]
    found = client.foresee(
        f"/episodes/{EPISODE}/observations", {"kind": "symptoms", "data": {"nrs": 99}}, seen=version(store)
    )
    assert (found.accepted, found.code) == (False, "OUT_OF_RANGE")
    assert counts(store)["entry"] == before
