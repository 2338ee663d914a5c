"""`pathway token` and `pathway webhook`, as those who run the machine type them."""

import json
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from coordinator.cli import app
from coordinator.settings import Settings
from coordinator.web.app import create_app
from coordinator.web.house import House
from scheduler.clock import utcnow
from tests.api.test_webhooks import Receiver, listening
from tests.persistence.shelf import store_on

LEAD, DESK = "lead@example.org", "desk@example.org"


class Terminal:
    def __call__(self, *words: str, code: int = 0, typed: str | None = None) -> str:
        result = CliRunner().invoke(app, list(words), input=typed)
        assert result.exit_code == code, (words, result.output, result.exception)
        return result.output

    def json(self, *words: str):
        return json.loads(self(*words, "--json"))


@pytest.fixture
def pathway(file: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.chdir(file.parent)
    monkeypatch.setenv("PATHWAY_DATABASE", f"sqlite:///{file}")
    found = Terminal()
    for email, role in ((LEAD, "lead"), (DESK, "coordinator")):
        found("account", email, "--role", role, typed="a long pass phrase of ours\n")
    return found


def status(file: Path, secret: str) -> int:
    with store_on(f"sqlite:///{file}") as store:
        client = TestClient(create_app(House(store, Settings(), utcnow)), "http://testserver/api/v1")
        return client.get("/me", headers={"Authorization": f"Bearer {secret}"}).status_code


def test_a_token_is_made_listed_and_revoked(pathway, file):
    said = pathway("token", "add", DESK, "--name", "ward board", "--scope", "read", "--scope", "record")
    secret = said.split()[0]
    assert "not shown again" in said
    assert status(file, secret) == 200
    (row,) = pathway.json("token", "list", "--email", DESK)
    assert (row["name"], row["scopes"], row["state"]) == ("ward board", "read record", "standing")
    assert secret not in pathway("token", "list")
    assert "opens nothing" in pathway("token", "revoke", row["id"])
    assert status(file, secret) == 401
    assert pathway.json("token", "list")[0]["state"] == "revoked"
    assert "no standing token" in pathway("token", "revoke", row["id"], code=2)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nobody@example.org",), "no open account"),
        ((DESK, "--scope", "everything"), "is no scope"),
        ((DESK, "--scope", "webhooks"), "may not connect other systems"),
        ((DESK, "--days", "1000"), "from 1 to 366 days"),
    ],
)
def test_a_token_that_cannot_be_is_refused_in_a_sentence(pathway, words, said):
    output = pathway("token", "add", *words, "--name", "x", code=2)
    assert said in " ".join(output.split())
    assert pathway.json("token", "list") == []


def test_a_webhook_is_made_called_and_stopped(pathway):
    receiver = Receiver()
    with listening(receiver):
        made = pathway.json("webhook", "add", receiver.url, "--owner", LEAD)
        assert made["secret"].startswith("whsec_")
        pathway("register", "P100", "--level", "L1", "--surname", "Sample")
        assert pathway.json("webhook", "deliver") == {"delivered": 1, "refused": 0, "given_up": 0}
    assert receiver.bodies()[0]["patient"] == "P100"
    (row,) = pathway.json("webhook", "list")
    assert (row["id"], row["deliveries"]) == (made["id"], {"delivered": 1})
    assert made["secret"] not in pathway("webhook", "list")
    pathway("webhook", "stop", made["id"])
    assert "stopped" in pathway("webhook", "list")
    assert "no standing webhook" in pathway("webhook", "stop", made["id"], code=2)


def test_a_webhook_that_is_down_is_told_of_in_the_list(pathway):
    pathway("webhook", "add", "http://127.0.0.1:9/x", "--owner", LEAD)
    pathway("register", "P100", "--level", "L1")
    assert "1 not" in pathway("webhook", "deliver")
    assert "1 tries failed, the next after" in pathway("webhook", "list")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("http://example.org/", "--owner", LEAD), "only https"),
        (("https://example.org/", "--owner", DESK), "may not connect other systems"),
        (("https://example.org/", "--owner", "nobody@example.org"), "no open account"),
    ],
)
def test_a_webhook_that_cannot_be_is_refused_in_a_sentence(pathway, words, said):
    assert said in " ".join(pathway("webhook", "add", *words, code=2).split())
    assert pathway.json("webhook", "list") == []
