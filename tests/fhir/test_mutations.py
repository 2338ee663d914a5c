"""Two thousand damaged exports: each gives the right answer or a sentence, and never an exception."""

import copy
import json
import random
from typing import Any

import pytest

from coordinator.fhir.taking import take_in
from tests.fhir.exports import (
    ICD,
    L1,
    LOINC,
    RXNORM,
    about,
    at_level,
    bundle,
    coded,
    condition,
    observation,
    pain,
    patient,
    resource,
)

ROUNDS = 2000
SEEDS = range(4)
ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1e308, 2.6188, "", " ", "x", "L1", "2026-02", "2026-02-30", "9999-12-31", "0001-01-01",
    "2026-02-02T25:00:00Z", "Patient/p1", "Patient/", "/", "urn:uuid:", "\ud800", "a\u0000b", "\u202e", "ä" * 300, [],
    {},    [[]], [None], {"coding": None}, {"coding": [None]}, {"reference": 7}, {"reference": "#"},
    {"value": "7"}, {"start": 3},    10**30, "entered-in-error", "active", "final", "DELETE",
)  # fmt: skip


def whole() -> dict[str, Any]:
    """Everything that is read here, once."""
    mri = coded(LOINC, "24968-0")
    order = {"status": "active", "intent": "order", "authoredOn": "2026-02-10"}
    return bundle(
        patient(),
        condition(),
        condition("c2", "M80.08XA", bodySite=at_level(L1), onsetDateTime="2026-02"),
        condition("c3", coded(ICD, "G83.4"), onsetDateTime="2026-02-20"),
        pain("o1", 7),
        observation("o2", "38267-1", -3.1, "2026-02-10", "{T-score}"),
        observation("o3", "39156-5", 26.4, "2026-02-10", "kg/m2"),
        about(
            "DiagnosticReport", "r1", status="final", code=mri, effectiveDateTime="2026-02-10", conclusion="weak leg"
        ),
        about("ImagingStudy", "i1", status="available", started="2026-02-10T10:00:00+00:00"),
        about("Procedure", "x1", status="completed", code=mri, performedPeriod={"start": "2026-02-10"}),
        about("MedicationRequest", "m1", medicationCodeableConcept=coded(RXNORM, "904419", "Alendronate"), **order),
        about("MedicationRequest", "m2", medicationReference={"reference": "Medication/d1"}, **order),
        resource("Medication", "d1", code={"text": "calcitonin"}),
    )


def paths(value: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a document."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [here, *(path for key, found in inner for path in paths(found, (*here, key)))]


def mutated(document: Any, chance: random.Random) -> Any:
    document = copy.deepcopy(document)
    for _ in range(chance.choice((1, 1, 1, 2, 5))):
        places = [path for path in paths(document) if path]
        if not places:
            break
        *way, last = chance.choice(places)
        parent = document
        for step in way:
            parent = parent[step]
        _change(parent, last, chance)
    return document


def _change(parent: Any, last: Any, chance: random.Random) -> None:
    what = chance.choice(("odd", "odd", "drop", "double", "rename", "wrap"))
    if what == "drop":
        del parent[last]
    elif what == "double" and isinstance(parent, list):
        parent.append(copy.deepcopy(parent[last]))
    elif what == "rename" and isinstance(parent, dict):
        parent[chance.choice(("extra", "context", "value", "id", last))] = parent.pop(last)
    elif what == "wrap":
        parent[last] = [parent[last]]
    else:
        parent[last] = copy.deepcopy(chance.choice(ODD))


def damaged(text: str, chance: random.Random) -> str:
    """Now and then the text itself is hurt: cut, or a piece of it lost."""
    if chance.random() < 0.1:
        return text[: chance.randrange(len(text))]
    if chance.random() < 0.1:
        at = chance.randrange(len(text))
        return text[:at] + chance.choice(("", "}", "]", ",", '"', "\\", "\x00", "é")) + text[at + chance.randrange(9) :]
    return text


@pytest.mark.parametrize("seed", SEEDS)
def test_a_damaged_export_is_understood_or_told_and_never_breaks_the_import(small_desk, tmp_path, seed):
    chance, document = random.Random(seed), whole()
    intake = small_desk.intake(dry_run=True)
    file = tmp_path / "mutant.json"
    for number in range(ROUNDS // len(SEEDS)):
        text = damaged(json.dumps(mutated(document, chance)), chance)
        file.write_text(text, encoding="utf-8")
        report = take_in(intake, file)
        said = [fault.sentence() for fault in report.findings.faults] + report.findings.notes
        assert all(sentence.endswith(".") and "\n" not in sentence for sentence in said), (seed, number, said)
        assert len(report.enrolled.registered) <= 1, (seed, number)
        json.dumps([str(place) for _, _, place in report.enrolled.registered], ensure_ascii=False).encode()
        "".join(said).encode()


@pytest.mark.parametrize("seed", SEEDS)
def test_what_a_damaged_export_leaves_behind_is_a_sound_record(desk, tmp_path, seed):
    """A few of them written for good, and the sound export after them: nothing is in its way."""
    chance, document = random.Random(1000 + seed), whole()
    for number in range(12):
        file = tmp_path / f"mutant-{number}.json"
        file.write_text(damaged(json.dumps(mutated(document, chance)), chance), encoding="utf-8")
        desk.file(file)
    sound = tmp_path / "sound.json"
    sound.write_text(json.dumps(document), encoding="utf-8")
    desk.file(sound)
    before = desk.lines()
    report = desk.file(sound)
    assert desk.lines() == before
    assert report.observed.recorded == 0
    assert desk.store.person("H1") is not None
