"""Both kinds of database: a test that takes `url`, or what is made of it, runs on SQLite and on PostgreSQL."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from persistence.database import Database
from tests import postgres

KINDS = ("sqlite", "postgresql")


@pytest.fixture(scope="session", params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="session")
def empty_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with its tables, made once and copied for each test."""
    file = tmp_path_factory.mktemp("empty") / "pathway.db"
    database = Database(f"sqlite:///{file}")
    database.upgrade()
    database.close()
    return file


@pytest.fixture
def file(empty_file: Path, tmp_path: Path) -> Path:
    """A SQLite file with its tables and no rows, for what only SQLite has."""
    return Path(shutil.copy(empty_file, tmp_path / "pathway.db"))


@pytest.fixture
def url(kind: str, file: Path) -> str:
    """A database with its tables and no rows. Two stores on one URL are two processes on one database."""
    return postgres.cleared(postgres.shared()) if kind == "postgresql" else f"sqlite:///{file}"


@pytest.fixture
def blank_url(kind: str, tmp_path: Path) -> str:
    """A database with nothing in it, not even tables."""
    return postgres.empty("blank") if kind == "postgresql" else f"sqlite:///{tmp_path / 'blank.db'}"


@pytest.fixture(scope="module")
def new_url(kind: str, empty_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], str]]:
    """Makes a further database with its tables at each call, for what needs one of its own."""
    folder, made = tmp_path_factory.mktemp("further"), list[str]()

    def new() -> str:
        name = f"further_{len(made)}"
        on_postgres = kind == "postgresql"
        copy = postgres.fresh(name) if on_postgres else f"sqlite:///{shutil.copy(empty_file, folder / name)}"
        made.append(copy)
        return copy

    yield new
    if kind == "postgresql":
        for url in made:
            postgres.drop(url)
