import pytest

from tests.journeys import repeatable
from tests.persistence.cohorts import fill
from tests.persistence.shelf import store_on

repeatable.load()


@pytest.fixture
def store(url):
    with store_on(url) as found:
        yield found


@pytest.fixture
def two_desks(url):
    """Two stores on one database, as two processes would have them."""
    with store_on(url) as one, store_on(url) as other:
        yield one, other


@pytest.fixture(scope="module")
def shelf(new_url):
    """One store for a whole module: its tests use patients of their own."""
    with store_on(new_url()) as found:
        yield found


@pytest.fixture(scope="module")
def cohort(new_url):
    """A whole service for a whole module, to be read only."""
    with store_on(new_url()) as found:
        fill(found)
        yield found
