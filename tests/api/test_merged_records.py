"""Programs that know a patient by the number that was merged away find the record that goes on."""

import pytest

from pathway.journal import Refusal
from persistence.merging import Asked, merge
from tests.api.conftest import FIRST, SECOND
from tests.web.conftest import NOW


@pytest.fixture
def merged(store):
    goes_on = frozenset({f"{FIRST}-1", f"{SECOND}-1"})
    made = merge(store, Asked(FIRST, SECOND, "one person", "C. Desk", goes_on=goes_on), NOW)
    assert not isinstance(made, Refusal)
    return made


def test_either_number_answers_with_the_record_in_use(coordinator, merged):
    for number in (FIRST, SECOND):
        found = coordinator.get(f"/patients/{number}").json()
        assert found["patient"] == FIRST
        assert [each["episode"] for each in found["episodes"]] == [f"{FIRST}-1", f"{SECOND}-1"]


def test_the_list_has_each_person_once(coordinator, merged):
    listed = coordinator.get("/patients").json()
    assert [row["patient"] for row in listed["items"]] == [FIRST]
    assert [row["patient"] for row in coordinator.get("/patients", params={"q": SECOND}).json()["items"]] == [FIRST]


def test_an_episode_keeps_its_id_and_says_whose_it_is_now(coordinator, merged):
    found = coordinator.get(f"/episodes/{SECOND}-1").json()
    assert (found["patient"], found["n"]) == (FIRST, 2)
    answer = coordinator.post(
        f"/episodes/{SECOND}-1/observations",
        json={"kind": "symptoms", "effective": "2026-03-15", "data": {"nrs": 5, "trend": "unchanged"}},
        headers={"Idempotency-Key": "k1", "If-Match": f'"{found["version"]}"'},
    )
    assert answer.status_code == 201, answer.text
    assert coordinator.get(f"/episodes/{SECOND}-1").json()["version"] > found["version"]
