"""The site over a demo cohort, and somebody of each role at the door."""

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from coordinator.demo_cohort import build
from coordinator.settings import Settings
from coordinator.web.access import ROLES
from coordinator.web.app import create_app
from coordinator.web.house import House
from coordinator.web.passwords import hash_password
from persistence.accounts import Accounts
from persistence.database import Database
from persistence.store import Store
from tests.journeys.people import ENGINE

NOW = datetime(2026, 3, 16, 7, 30, tzinfo=UTC)
ADDRESS = "http://testserver"
PASSWORD = "made up for the tests"
PATIENTS = 80


@pytest.fixture(scope="session")
def cohort_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A demo cohort with an account for every role, made once and copied for each test."""
    file = tmp_path_factory.mktemp("cohort") / "pathway.db"
    database = Database(f"sqlite:///{file}")
    database.upgrade()
    store = Store(database, ENGINE)
    build(store, now=NOW, patients=PATIENTS)
    known = hash_password(PASSWORD)
    for role in ROLES:
        people(store, role, known)
    database.close()
    return file


def people(store: Store, role: str, known: str) -> None:
    store.keep_user(address(role), f"A. {role.title()}", role, active=True)
    row = {"email": address(role), "password_hash": known, "must_change": False, "shortcuts": True}
    Accounts(store.database).keep({**row, "made_at": NOW, "made_by": "tests"})


def address(role: str) -> str:
    return f"{role}@example.org"


@pytest.fixture
def store(cohort_file: Path, tmp_path: Path) -> Iterator[Store]:
    database = Database(f"sqlite:///{shutil.copy(cohort_file, tmp_path / 'pathway.db')}")
    yield Store(database, ENGINE)
    database.close()


class Clock:
    """The site's clock, which a test moves."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock(NOW)


@pytest.fixture
def house(store: Store, clock: Clock) -> House:
    return House(store, Settings(), clock)


@pytest.fixture
def nobody(house: House) -> Iterator[TestClient]:
    """A browser in which nobody is signed in; what it writes comes from the site's own pages."""
    with TestClient(create_app(house), ADDRESS, headers={"Origin": ADDRESS}, follow_redirects=False) as found:
        yield found


@pytest.fixture
def signed_in(house: House) -> Iterator[Callable[[str], TestClient]]:
    """A browser in which somebody of that role has signed in."""
    opened: list[TestClient] = []

    def sign_in(role: str) -> TestClient:
        found = TestClient(create_app(house), ADDRESS, headers={"Origin": ADDRESS}, follow_redirects=False)
        opened.append(found)
        answer = found.post("/sign-in", data={"email": address(role), "password": PASSWORD})
        assert answer.status_code == 303, answer.text
        return found

    yield sign_in
    for found in opened:
        found.close()


@pytest.fixture
def coordinator(signed_in: Callable[[str], TestClient]) -> TestClient:
    return signed_in("coordinator")


@pytest.fixture
def clinician(signed_in: Callable[[str], TestClient]) -> TestClient:
    return signed_in("clinician")
