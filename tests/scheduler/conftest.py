import sys
from collections.abc import Callable

import pytest

from coordinator.cli import main
from tests.scheduler.faults import EXAM
from tests.scheduler.ward import Pigeon, mail_server, open_store


@pytest.fixture
def store(url):
    opened = open_store(url)
    yield opened
    opened.database.close()


@pytest.fixture
def pigeon():
    return Pigeon()


@pytest.fixture
def post():
    with mail_server() as (found, port):
        found.port = port
        yield found


@pytest.fixture
def pathway(monkeypatch, capsys) -> Callable[..., tuple[object, str, str]]:
    """A command in this process: its exit code and what it said on either stream."""

    def run(url: str, *words: str) -> tuple[object, str, str]:
        monkeypatch.setattr(sys, "argv", ["pathway", "--database", url, *words])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main()
        return end.value.code, *capsys.readouterr()

    return run


@pytest.fixture
def refused(pathway) -> Callable[[str, str], None]:
    """The commands that fire and that record are refused in one sentence."""

    def ask(url: str, sentence: str) -> None:
        for words in (("settle",), EXAM):
            code, out, said = pathway(url, *words)
            assert (code, out) == (2, ""), said
            assert said.startswith(f"pathway: {sentence}")
            assert said.count("\n") == 1

    return ask
