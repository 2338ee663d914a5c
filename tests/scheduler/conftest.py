import pytest

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
