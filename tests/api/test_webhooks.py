"""State changes reach other systems: each at least once, signed, whoever wrote it and however long they were away."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from coordinator.webhooks import WebhookRefused, new_webhook
from persistence import models
from persistence.webhooks import Webhooks
from scheduler.channels.webhook import verify
from scheduler.chores import Chores, Rhythm
from scheduler.health import health
from scheduler.webhooks import GIVEN_UP, LEASE, call_webhooks, take_up
from tests.api.calls import EPISODE
from tests.api.conftest import FIRST, SECOND, address
from tests.persistence.shelf import rows, store_on
from tests.web.conftest import NOW
from tests.web.people import Step, examined, registered, told

MOVE = Step("decide", "refer_surgery", {"reason": "worse"}, "clinician")


class Receiver:
    """A program of the hospital: what it was told, and how it answers."""

    def __init__(self) -> None:
        self.calls: list[tuple[dict[str, str], bytes]] = []
        self.status = 204
        self.url = ""

    def bodies(self) -> list[dict]:
        return [json.loads(body) for _headers, body in self.calls]


@contextmanager
def listening(receiver: Receiver) -> Iterator[None]:
    class Call(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            receiver.calls.append((dict(self.headers), body))
            self.send_response(receiver.status)
            self.end_headers()

        def log_message(self, *_said: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Call) as server:
        receiver.url = f"http://127.0.0.1:{server.server_port}/state?key=of-theirs"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()
    with listening(found):
        yield found


def hook(store, url: str) -> dict:
    row = new_webhook(url, ["transition"], address("lead"), NOW)
    Webhooks(store.database).add(row)
    return row


def deliveries(store, **match) -> list:
    return sorted(rows(store, models.WebhookDelivery, **match), key=lambda row: (row.happened_at, row.seq))


def test_a_move_is_told_signed_and_without_the_patients_story(store, receiver):
    made = hook(store, receiver.url)
    told(store, MOVE)
    assert call_webhooks(store, NOW).delivered == 1
    ((headers, body),) = receiver.calls
    assert verify(made["secret"], headers, body, NOW)
    assert not verify("another", headers, body, NOW)
    assert not verify(made["secret"], headers, body, NOW + timedelta(minutes=6)), "a replay is old"
    said = json.loads(body)
    assert set(said) == {"id", "event", "at", "patient", "episode", "version"}
    assert (said["episode"], said["patient"], said["event"]) == (EPISODE, FIRST, "transition")
    assert headers["Idempotency-Key"] == said["id"]
    assert call_webhooks(store, NOW).delivered == 0
    assert [row.outcome for row in deliveries(store)] == ["delivered"]


def test_a_site_may_tell_from_where_to_where(store, receiver):
    hook(store, receiver.url)
    told(store, MOVE)
    call_webhooks(store, NOW, detail=True)
    (said,) = receiver.bodies()
    assert (said["from_state"], said["to_state"]) == ("CONSERVATIVE_CARE", "SURGICAL_REFERRAL")
    assert said["rule"].startswith("TR-")


def test_what_moved_nobody_is_not_told(store, receiver):
    hook(store, receiver.url)
    told(store, Step("admin", "contact", {"outcome": "reached"}))
    assert deliveries(store) == []


def test_a_move_that_was_not_saved_is_not_told(store, receiver):
    hook(store, receiver.url)
    with pytest.raises(ZeroDivisionError), store.database.writing() as connection:
        store.record_within(connection, FIRST, MOVE, NOW)
        raise ZeroDivisionError
    assert deliveries(store) == []


def test_whoever_commits_last_is_told_of_as_well(url, store, receiver):
    """Two processes write; the one that began first ends last. No number of a row tells what came after what."""
    hook(store, receiver.url)
    with store_on(url) as early:
        if early.database.engine.dialect.name == "sqlite":
            told(early, MOVE)
            told(store, examined(motor_deficit=True), patient=SECOND)
            call_webhooks(store, NOW)
        else:
            with early.database.writing() as connection:
                early.record_within(connection, FIRST, MOVE, NOW)
                told(store, examined(motor_deficit=True), patient=SECOND)
                assert call_webhooks(store, NOW).delivered == 1
            call_webhooks(store, NOW)
    assert {said["patient"] for said in receiver.bodies()} == {FIRST, SECOND}


def test_two_that_call_at_once_tell_each_thing_once(url, store, receiver):
    hook(store, receiver.url)
    for number in range(6):
        registered(store, f"99900001{number:02d}", days=0)
    with store_on(url) as other, ThreadPoolExecutor(2) as pool:
        done = list(pool.map(lambda desk: call_webhooks(desk, NOW), (store, other)))
    assert sum(found.delivered for found in done) == 6
    assert len({said["id"] for said in receiver.bodies()}) == len(receiver.calls) == 6


def test_an_address_that_does_not_answer_is_tried_again_later_and_later(store, receiver):
    hook(store, receiver.url)
    told(store, MOVE)
    receiver.status, now, waits = 503, NOW, []
    for _ in range(4):
        assert call_webhooks(store, now).refused == 1
        (row,) = rows(store, models.WebhookEndpoint)
        waits.append(row.try_at - now)
        assert call_webhooks(store, row.try_at - timedelta(seconds=1)).refused == 0
        now = row.try_at
    assert waits == sorted(waits)
    assert len({said["id"] for said in receiver.bodies()}) == 1
    receiver.status = 200
    assert call_webhooks(store, now).delivered == 1
    (row,) = rows(store, models.WebhookEndpoint)
    assert row.failures == 0


def test_an_address_that_is_down_keeps_no_other_waiting(store, receiver):
    hook(store, "http://127.0.0.1:9/nobody-listens")
    hook(store, receiver.url)
    told(store, MOVE)
    told(store, examined(motor_deficit=True), patient=SECOND)
    done = call_webhooks(store, NOW)
    assert (done.delivered, done.refused) == (2, 1)


def test_a_call_that_a_dead_worker_took_up_is_done_by_another(store, receiver):
    hook(store, receiver.url)
    told(store, MOVE)
    # As one leaves it who dies between taking it up and calling.
    (row,) = deliveries(store)
    assert take_up(store, row.webhook_id, NOW).id == row.id
    assert call_webhooks(store, NOW).delivered == 0
    assert call_webhooks(store, NOW + LEASE).delivered == 1


def test_after_three_days_it_is_given_up_and_people_are_told(store, receiver):
    made = hook(store, receiver.url)
    told(store, MOVE)
    receiver.status = 500
    call_webhooks(store, NOW)
    assert [row.outcome for row in deliveries(store)] == ["waiting"]
    soon = NOW + timedelta(minutes=59)
    assert "webhook_untold" not in {problem.code for problem in health(store, soon).findings}
    assert "webhook_untold" in {problem.code for problem in health(store, NOW + timedelta(hours=1)).findings}
    late = NOW + GIVEN_UP
    assert call_webhooks(store, late).given_up == 1
    (row,) = deliveries(store)
    assert row.outcome == "failed"
    assert "500" in row.because
    assert "webhook_untold" in {problem.code for problem in health(store, late).findings}
    (alert,) = rows(store, models.Reminder, code="WEBHOOK")
    assert made["id"] in alert.detail
    assert "of-theirs" not in alert.detail, "an address may hold a token"


def test_what_is_refused_for_good_holds_up_nothing_behind_it(store, receiver):
    hook(store, receiver.url)
    told(store, MOVE)
    told(store, examined(motor_deficit=True), patient=SECOND)
    receiver.status = 422
    done = call_webhooks(store, NOW)
    assert (done.refused, done.given_up) == (2, 2)
    assert len(rows(store, models.Reminder, code="WEBHOOK")) == 1, "once a day, not once a call"


def test_what_was_given_up_can_be_tried_again(store, receiver, program):
    hook(store, receiver.url)
    told(store, MOVE)
    receiver.status = 422
    call_webhooks(store, NOW)
    (row,) = deliveries(store)
    lead = program("lead")
    again = f"/deliveries/{row.id}/again"
    assert lead.post(again, headers={"Idempotency-Key": "1"}).json() == {"id": row.id, "outcome": "waiting"}
    assert lead.post(again, headers={"Idempotency-Key": "1"}).status_code == 200
    assert lead.post(again, headers={"Idempotency-Key": "2"}).status_code == 404
    receiver.status = 200
    assert call_webhooks(store, NOW).delivered == 1


def test_a_webhook_that_was_stopped_is_told_nothing(store, receiver, program):
    made = hook(store, receiver.url)
    told(store, MOVE)
    lead = program("lead")
    answer = lead.post(f"/webhooks/{made['id']}/stop", headers={"Idempotency-Key": "1"})
    assert answer.json()["stopped_at"]
    told(store, examined(motor_deficit=True), patient=SECOND)
    assert call_webhooks(store, NOW).delivered == 0
    assert [row.outcome for row in deliveries(store)] == ["stopped"]
    assert receiver.calls == []


def test_a_webhook_is_made_by_the_api_and_its_secret_is_shown_with_that_answer_only(store, receiver, program):
    lead = program("lead")
    headers = {"Idempotency-Key": "1"}
    first = lead.post("/webhooks", json={"url": receiver.url}, headers=headers)
    assert first.status_code == 201
    assert lead.post("/webhooks", json={"url": receiver.url}, headers=headers).json() == first.json()
    (known,) = lead.get("/webhooks").json()
    assert "secret" not in known
    told(store, MOVE)
    call_webhooks(store, NOW)
    assert verify(first.json()["secret"], *receiver.calls[0], NOW)
    (delivery,) = lead.get(f"/webhooks/{known['id']}/deliveries").json()["items"]
    assert (delivery["outcome"], delivery["episode"]) == ("delivered", EPISODE)
    assert lead.get(f"/webhooks/{known['id']}").json()["deliveries"] == {"delivered": 1}


@pytest.mark.parametrize(
    "bad",
    ["http://example.org/x", "ftp://127.0.0.1/x", "https://a:b@example.org/", "https://", "file:///etc/passwd",
     "http://127.0.0.1.example.org/", "http://169.254.169.254/latest", "https://example.org/#x", "http://[::2]/"],
)  # fmt: skip
def test_an_address_that_must_not_be_called_is_refused(store, program, bad):
    with pytest.raises(WebhookRefused):
        new_webhook(bad, ["transition"], address("lead"), NOW)
    answer = program("lead").post("/webhooks", json={"url": bad}, headers={"Idempotency-Key": "1"})
    assert answer.status_code == 422
    assert "Nothing was saved" in answer.json()["detail"]
    assert rows(store, models.WebhookEndpoint) == []


def test_the_heartbeat_calls_them(store, receiver):
    hook(store, receiver.url)
    told(store, MOVE)
    chores = Chores(store, [], Rhythm(event_detail=True))
    assert chores.webhooks(NOW).delivered == 1
    assert receiver.bodies()[0]["to_state"] == "SURGICAL_REFERRAL"
