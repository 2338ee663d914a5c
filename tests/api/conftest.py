"""The API over a few patients, on both kinds of database, and programs of every role at its door."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from socket import create_server
from threading import Thread

import pytest
import uvicorn
from fastapi.testclient import TestClient

from coordinator.settings import Settings
from coordinator.tokens import READ, RECORD, SCOPES, make_token
from coordinator.web.access import ROLES, refusal
from coordinator.web.app import create_app
from coordinator.web.house import House
from persistence.accounts import Accounts
from persistence.store import Store
from tests.journeys import repeatable
from tests.persistence.shelf import store_on
from tests.web.conftest import NOW, Clock, address
from tests.web.people import in_care, registered

repeatable.load()

ADDRESS = "http://testserver"
FIRST, SECOND = "9990000018", "9990000026"


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    """A patient in care, one newly registered, and an account for every role."""
    with store_on(url) as found:
        in_care(found, FIRST)
        registered(found, SECOND, days=2)
        for role in ROLES:
            give_account(found, role)
        yield found


def give_account(store: Store, role: str) -> None:
    store.keep_user(address(role), f"A. {role.title()}", role, active=True)
    row = {"email": address(role), "password_hash": None, "must_change": False, "shortcuts": True}
    Accounts(store.database).keep({**row, "made_at": NOW, "made_by": "tests"})


@pytest.fixture
def clock() -> Clock:
    return Clock(NOW)


@pytest.fixture
def house(store: Store, clock: Clock) -> House:
    return House(store, Settings(), clock)


def usable(role: str) -> list[str]:
    """The scopes that a token of that role may have."""
    return [scope for scope, needed in SCOPES.items() if needed is None or refusal(role, needed) is None]


def token(store: Store, role: str, *scopes: str, days: int = 30) -> str:
    made = make_token(
        store, address(role), f"a program of {role}", scopes or usable(role), days=days, at=NOW, by="tests"
    )
    return made.secret


@pytest.fixture
def nobody(house: House) -> Iterator[TestClient]:
    with TestClient(create_app(house), f"{ADDRESS}/api/v1") as found:
        yield found


@pytest.fixture
def program(house: House) -> Iterator[Callable[..., TestClient]]:
    """A program that shows a token of that role, with all scopes that the role can use unless some are named."""
    with ExitStack() as opened:

        def make(role: str = "coordinator", *scopes: str) -> TestClient:
            shown = {"Authorization": f"Bearer {token(house.store, role, *scopes)}"}
            return opened.enter_context(TestClient(create_app(house), f"{ADDRESS}/api/v1", headers=shown))

        yield make


@pytest.fixture
def coordinator(program: Callable[..., TestClient]) -> TestClient:
    return program("coordinator", READ, RECORD)


@pytest.fixture
def served(house: House) -> Iterator[str]:
    """The address of the running server."""
    server = uvicorn.Server(uvicorn.Config(create_app(house), log_level="warning", lifespan="off"))
    with create_server(("127.0.0.1", 0)) as socket:
        thread = Thread(target=server.run, kwargs={"sockets": [socket]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{socket.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def version(store: Store, patient: str = FIRST) -> int:
    return store.case(patient).episodes[-1].seq
