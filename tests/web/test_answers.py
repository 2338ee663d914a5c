"""What every answer of the site carries, whoever asks for what."""

import re

import pytest
from fastapi.testclient import TestClient

from coordinator.web.app import create_app
from coordinator.web.pages import sign_in

PAGES = ("/", "/sign-in", "/nowhere", "/static/app.css")


@pytest.mark.parametrize("path", PAGES)
def test_every_answer_keeps_to_this_site_and_is_kept_by_nobody(coordinator, path):
    headers = coordinator.get(path).headers
    assert headers["content-security-policy"].startswith("default-src 'self';")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"


def test_a_static_file_under_its_fingerprint_is_kept_for_a_year(nobody):
    (path,) = re.findall(r'href="(/static/app.css[^"]*)"', nobody.get("/sign-in").text)
    assert "max-age=31536000" in nobody.get(path).headers["cache-control"]


def test_a_page_that_is_not_there_says_so_in_a_page(coordinator):
    answer = coordinator.get("/nowhere")
    assert answer.status_code == 404
    assert "There is no such page." in answer.text


@pytest.mark.parametrize("origin", ["https://elsewhere.example", "null", None])
def test_a_write_from_another_site_saves_nothing(coordinator, origin):
    headers = {"Origin": origin} if origin else {}
    del coordinator.headers["Origin"]
    answer = coordinator.post("/sign-out", headers=headers)
    assert answer.status_code == 403
    assert "nothing was saved" in answer.text
    coordinator.headers["Origin"] = "http://testserver"
    assert coordinator.get("/").status_code == 200


def test_what_breaks_is_one_sentence_and_no_trace(house, monkeypatch):
    def broken(*_args, **_more):
        raise RuntimeError("a secret of the inside")

    monkeypatch.setattr(sign_in, "_form", broken)
    with TestClient(create_app(house), raise_server_exceptions=False) as browser:
        answer = browser.get("/sign-in")
    assert answer.status_code == 500
    assert "Something went wrong on our side." in answer.text
    assert "secret" not in answer.text
