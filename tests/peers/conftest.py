import pytest

from tests.journeys import repeatable
from tests.persistence.shelf import store_on
from tests.scheduler.ward import Pigeon

repeatable.load()


@pytest.fixture
def store(url):
    with store_on(url) as found:
        yield found


@pytest.fixture
def pigeon():
    return Pigeon()
