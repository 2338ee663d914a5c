"""The 89 scenarios of the specification, each against the real engine and the real store, on both databases."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from coordinator.scenario_runner import Stage, stage, trace_all
from pathway.errors import ScenarioFaulty, StoreError, StoreNotReady
from pathway.scenario import read_scenarios
from pathway.scenario_checks import run
from tests.journeys.people import GUIDELINE
from tests.persistence.shelf import CARE, counts, store_on, tell

FILE = Path(__file__).parents[1] / "data" / "scenarios.yaml"
SCENARIOS = {scenario.id: scenario for scenario in read_scenarios(FILE, GUIDELINE)}
ONE = """
scenarios:
- id: SC-X
  timezone: Europe/London
  steps:
  - {at: 2026-01-05T09:00, event: register, data: {level: L1}}
  - {at: 2026-01-06T09:00, event: observe, kind: symptoms, data: {nrs: 5}}
  expect:
  - {at: 2026-01-06T09:00, check: state, is: ACUTE_ASSESSMENT}
"""


@pytest.fixture(scope="module")
def theatre(kind, new_url) -> Iterator[Stage]:
    with closing(stage(GUIDELINE, new_url()) if kind == "postgresql" else stage(GUIDELINE)) as found:
        yield found


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenario(name, theatre):
    assert run(theatre.walk(SCENARIOS[name])) == []


def test_there_are_eighty_nine_of_them():
    assert len(SCENARIOS) == 89


def test_a_stage_leaves_the_database_as_it_found_it(blank_url, tmp_path):
    with closing(stage(GUIDELINE, blank_url)) as found:
        assert run(found.walk(read(tmp_path, ONE)[0])) == []
    with closing(stage(GUIDELINE, blank_url)) as found:
        assert run(found.walk(read(tmp_path, ONE)[0])) == []


def test_a_database_with_people_in_it_is_no_stage(url):
    with store_on(url) as store:
        tell(store, *CARE)
        before = counts(store)
        with pytest.raises(StoreError, match=r"has rows in .*patient.*; expected an empty database"):
            stage(GUIDELINE, url)
        assert counts(store) == before


def test_a_database_of_another_version_is_no_stage(blank_url):
    with store_on(blank_url) as store:
        store.database.upgrade()
        with store.database.writing() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    with pytest.raises(StoreNotReady, match="is at 0001"):
        stage(GUIDELINE, blank_url)


def test_a_scenario_that_expects_too_much_fails_with_what_was_found(theatre, tmp_path):
    failing = read(tmp_path, ONE.replace("is: ACUTE_ASSESSMENT", "is: REASSESSMENT"))
    (failure,) = run(theatre.walk(failing[0]))
    assert (failure.at, failure.found) == ("2026-01-06T09:00", "ACUTE_ASSESSMENT")


def test_a_trace_shows_the_world_after_each_step(theatre, tmp_path):
    first, second = trace_all(theatre, read(tmp_path, ONE))
    assert (first["at"], second["step"]) == ("2026-01-05T09:00:00+00:00", 2)
    assert second["episodes"][0]["timers"] == [["IMAGING_8W", "2026-03-02", "pending"]]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("event: register", "event: enrol", "SC-X, steps.0.event: Input should be"),
        ("at: 2026-01-06T09:00, event", "at: tomorrow, event", "step 2, at: 'tomorrow' is not a time"),
        ("at: 2026-01-06T09:00, event", "at: 2026-01-04T09:00, event", "is before the step above it"),
        ("kind: symptoms", "kind: feelings", "step 2, kind: 'feelings' is not one of"),
        ("timezone: Europe/London", "timezone: Mars/Base", "not the name of a time zone"),
        ("timezone: Europe/London", "profile: seed-s9", "profile: 'seed-s9' is not one of default"),
        ("check: state", "check: mood", "expect.0.check: Input should be"),
        ("- {at: 2026-01-06T09:00, check", "- {at: noon, check", "expectation 1, at: 'noon' is not a time"),
        ("id: SC-X", "identity: SC-X", "number 1, id: Field required"),
        ("data: {level: L1}", "data: {level: L1}, note: x", "steps.0.note: Extra inputs are not permitted"),
        ("scenarios:", "scenes:", "expected a list of scenarios under the key 'scenarios'"),
        ("data: {level: L1}", "data: {level: [L1}", "while parsing"),
        ("event: register", "actor: nurse, event: register", "steps.0.actor: Input should be"),
    ],
)
def test_a_malformed_file_is_refused_with_place_and_reason(tmp_path, old, new, told):
    assert old in ONE
    with pytest.raises(ScenarioFaulty) as refused:
        read(tmp_path, ONE.replace(old, new))
    assert told in str(refused.value)


def test_every_fault_of_a_file_is_told_at_once(tmp_path):
    spoilt = ONE.replace("event: register", "event: enrol") + ONE.replace("scenarios:\n", "").replace(
        "kind: symptoms", "kind: feelings"
    ).replace("SC-X", "SC-Y")
    with pytest.raises(ScenarioFaulty) as refused:
        read(tmp_path, spoilt)
    assert [str(detail).partition(",")[0] for detail in refused.value.details] == ["own.yaml: SC-X", "own.yaml: SC-Y"]


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ScenarioFaulty, match=r"nowhere\.yaml"):
        read_scenarios(tmp_path / "nowhere.yaml", GUIDELINE)


def read(folder: Path, text: str):
    path = folder / "own.yaml"
    path.write_text(text, encoding="utf-8")
    return read_scenarios(path, GUIDELINE)
