import shutil

import pytest

from persistence.database import Database
from tests.scheduler.ward import Pigeon, mail_server, open_store


@pytest.fixture(scope="session")
def empty_file(tmp_path_factory):
    """A database with its tables, made once and copied for each test."""
    file = tmp_path_factory.mktemp("empty") / "pathway.db"
    database = Database(f"sqlite:///{file}")
    database.upgrade()
    database.close()
    return file


@pytest.fixture
def file(empty_file, tmp_path):
    return shutil.copy(empty_file, tmp_path / "pathway.db")


@pytest.fixture
def store(file):
    opened = open_store(file)
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
