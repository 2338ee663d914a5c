"""docs/api.md promises calls: each is made as it stands there, against the running server."""

import re
import shlex
from pathlib import Path

import httpx
import pytest

from coordinator.api.document import operations
from coordinator.api.limiting import LARGEST
from coordinator.api.problems import KINDS
from coordinator.api.writing import REPEATED
from coordinator.tokens import LONGEST_DAYS, SCOPES
from persistence.repeated import KEPT
from scheduler.channels.webhook import FOR_GOOD, REPLAY_WINDOW
from scheduler.webhooks import GIVEN_UP
from tests.api.calls import EPISODE
from tests.api.conftest import token, version

PAGE = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")


def calls() -> list[str]:
    blocks = re.findall(r"```sh\n(curl .*?)```", PAGE, flags=re.DOTALL)
    return [block.replace("\\\n", " ").strip() for block in blocks]


def made(words: list[str]) -> httpx.Response:
    """What curl would do: -X, -H, -d and -i are all that the page uses."""
    assert words.pop(0) == "curl"
    method, url, headers, body = "GET", "", {}, None
    while words:
        word = words.pop(0)
        if word == "-X":
            method = words.pop(0)
        elif word == "-H":
            name, _colon, value = words.pop(0).partition(": ")
            headers[name] = value
        elif word == "-d":
            body = words.pop(0)
        elif word != "-i":
            assert not word.startswith("-"), word
            url = word
    return httpx.request(method, url, headers=headers, content=body)


def test_the_ten_calls_are_answered_as_the_page_says(served, store):
    known = {"URL": served, "TOKEN": token(store, "coordinator"), "EPISODE": EPISODE, "ETAG": ""}
    statuses = []
    for call in calls():
        known["ETAG"] = f'\\"{version(store)}\\"'
        filled = re.sub(r"\$([A-Z]+)", lambda name: known[name[1]], call)
        answer = made(shlex.split(filled))
        statuses.append(answer.status_code)
        assert answer.is_success, (call, answer.text)
    assert len(statuses) == 10
    assert statuses.count(201) == 2


def test_the_python_on_the_page_runs(served, store, capsys):
    (block,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    exec(block, {"URL": served, "TOKEN": token(store, "coordinator"), "EPISODE": EPISODE})  # the page's own words
    assert "nrs 4" in capsys.readouterr().out


def test_every_address_is_on_the_page():
    flat = PAGE.replace("`/timers`", "/guideline/timers").replace("`/tasks`", "/guideline/tasks /tasks")
    missing = []
    for _method, path, _route in operations():
        end = path.removeprefix("/episodes/{episode}").removeprefix("/guideline")
        if path not in flat and f"…{end}" not in PAGE and f"`{end}`" not in PAGE:
            missing.append(path)
    allowed = {"/webhooks/{webhook}", "/webhooks/{webhook}/stop", "/webhooks/{webhook}/deliveries",
               "/deliveries/{delivery}/again", "/episodes/{episode}/entries/{seq}"}  # fmt: skip
    assert set(missing) <= allowed


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_every_status_is_on_the_page(kind):
    assert re.search(rf"\b{kind.status}\b", PAGE)


def test_the_figures_on_the_page_are_those_of_the_program():
    assert f"at the latest after {LONGEST_DAYS} days" in PAGE
    assert f"kept for {KEPT.days} days" in PAGE
    assert LARGEST == 1024**2
    assert "more than 1 MB" in PAGE
    assert GIVEN_UP.days == 3
    assert "after three days" in PAGE
    assert REPLAY_WINDOW.total_seconds() == 300
    assert ", ".join(str(status) for status in FOR_GOOD[:3]) + f" and {FOR_GOOD[3]}" in PAGE
    assert f"`{REPEATED}: true`" in PAGE
    assert all(f"`{scope}`" in PAGE for scope in SCOPES)
