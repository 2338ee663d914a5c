import pytest

from tests.journeys import repeatable
from tests.persistence.shelf import store_in

repeatable.load()


@pytest.fixture
def store(tmp_path):
    with store_in(tmp_path / "pathway.db") as found:
        yield found


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    """One store for a whole module: its tests use patients of their own."""
    with store_in(tmp_path_factory.mktemp("shelf") / "pathway.db") as found:
        yield found
