"""Finding a patient by what somebody types: parts of names, identifiers, dates of birth."""

import pytest

from persistence.search import search
from persistence.store import Person
from persistence.work_page import View, work_page
from tests.journeys.people import fractured_again, registered
from tests.persistence.shelf import CARE, OPENED, tell

PEOPLE = {
    "9991002375": ("Smith", "Mary Ann", "1945-07-14"),
    "9991002376": ("Smith-Jones", "Ann", "1950-06-01"),
    "9990000001": ("O'Brien", "Zoë", "1945-07-14"),
    "P100": ("Strauß", "Łukasz", "1938-01-02"),
    "P1001": ("Smithers", "Bob", "1950-06-01"),
    "P7": ("", "", "1960-02-29"),
}


@pytest.fixture
def house(store):
    for patient, (surname, given, born) in PEOPLE.items():
        tell(store, registered(birth_date=born), patient=patient)
        store.name_person(Person(patient, "Europe/London", surname=surname, given=given))
    return store


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("smith", ["9991002375", "9991002376", "P1001"]),
        ("SMI", ["9991002375", "9991002376", "P1001"]),
        ("ann smith", ["9991002375", "9991002376"]),
        ("smith mary ann", ["9991002375"]),
        ("SMITH, Mary", ["9991002375"]),
        ("smith-jo", ["9991002376"]),
        ("jones", ["9991002376"]),
        ("obrien", ["9990000001"]),
        ("o'brien zoe", ["9990000001"]),
        ("zoë", ["9990000001"]),
        ("strauss", ["P100"]),
        ("mith", []),
        ("9991002375", ["9991002375"]),
        ("999 100 2375", ["9991002375"]),
        ("999 100", ["9991002375", "9991002376"]),
        ("p100", ["P1001", "P100"]),
        ("P7", ["P7"]),
        ("14-Jul-1945", ["9990000001", "9991002375"]),
        ("14/07/1945", ["9990000001", "9991002375"]),
        ("1945-07-14", ["9990000001", "9991002375"]),
        ("14-jul-1945 smith", ["9991002375"]),
        ("smith 999 100 2376", ["9991002376"]),
        ("31-Feb-1945", []),
        ("smith 31/02/1945", []),
        ("100%", []),
        ("_mith", []),
        ("'", []),
        ("", []),
        ("   ", []),
    ],
)
def test_who_is_found(house, typed, found):
    result = search(house, typed)
    assert [person.patient for person in result.people] == found
    assert result.total == len(found)


@pytest.mark.parametrize("typed", ["smith", "ann smith", "999 100 2375", "14-Jul-1945", "31-Feb-1945", "nobody"])
def test_the_worklist_finds_the_work_of_the_same_people(house, typed):
    found = work_page(house, OPENED, View("all", q=typed), size=200).rows
    assert {row.item.patient for row in found} == {person.patient for person in search(house, typed).people}


def test_somebody_is_shown_with_both_identifiers_and_where_they_are(house):
    tell(house, *CARE[1:], fractured_again("2026-01-05"), patient="9991002375")
    (person,) = search(house, "mary").people
    assert (person.name, str(person.birth_date), person.sex) == ("SMITH, Mary Ann", "1945-07-14", "F")
    assert [(where.n, where.state) for where in person.episodes] == [
        (1, "CONSERVATIVE_CARE"),
        (2, "ACUTE_ASSESSMENT"),
    ]


def test_who_has_a_namesake_is_marked_whatever_the_spelling(house):
    tell(house, registered(), patient="X1")
    house.name_person(Person("X1", "Europe/London", surname="SMITH", given="mary ann"))
    assert {person.patient: person.alike for person in search(house, "smith").people} == {
        "9991002375": True,
        "X1": True,
        "9991002376": False,
        "P1001": False,
    }


def test_two_people_without_a_name_are_no_namesakes(house):
    tell(house, registered(), patient="P8")
    assert [person.alike for person in search(house, "P8").people] == [False]


def test_a_long_answer_is_cut_and_says_how_long_it_was(house):
    found = search(house, "smith", limit=2)
    assert (len(found.people), found.total) == (2, 3)


def test_of_very_many_it_is_said_that_there_are_more(house, monkeypatch):
    monkeypatch.setattr("persistence.search.COUNTED", 1)
    assert search(house, "smith", limit=1).total == 2
    assert search(house, "smith", limit=3).total == 2
    assert search(house, "smith").total == 3
