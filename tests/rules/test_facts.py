"""Every data element: the lowest and the highest value that fits, the first that does not, and what never is one."""

from datetime import date, timedelta

import pytest

from pathway.facts import FIELDS, LEVELS, as_date, dated, parsed
from tests.journeys.clinic import clinic_in_memory
from tests.journeys.people import observed, registered

# kind, field, lowest, highest, step to the first value outside (data dictionary 1.0).
NUMBERS = [
    ("imaging", "collapse_pct", 0, 100, 0.1),
    ("imaging", "kyphosis", -60, 120, 0.1),
    ("imaging", "scoliosis", 0, 120, 0.1),
    ("symptoms", "nrs", 0, 10, 1),
    ("dxa", "t_score", -8.0, 5.0, 0.01),
    ("anthropometry", "height_cm", 100, 220, 0.1),
    ("anthropometry", "weight_kg", 25, 300, 0.1),
    ("anthropometry", "bmi", 10, 80, 0.1),
    ("supplements", "calcium_mg", 0, 5000, 1),
    ("supplements", "vitamin_d_iu", 0, 20000, 1),
    ("mobility", "bed_rest_days", 0, 365, 1),
]
CHOICES = [
    ("imaging", "modality", ("XR", "MRI", "CT", "BONE_SCAN", "SPECT_CT")),
    ("imaging", "pathologic", ("none", "suspected", "confirmed")),
    ("symptoms", "trend", ("improving", "unchanged", "worsening")),
    ("malignancy", "status", ("suspected", "confirmed", "excluded")),
    ("calcitonin", "action", ("start", "stop")),
    ("function", "trend", ("improving", "unchanged", "worsening")),
]
DATES = [
    ("imaging", "performed"),
    ("dxa", "date"),
    ("osteoporosis_rx", "start"),
    ("bone_referral", "date"),
    ("calcitonin", "date"),
    ("physiotherapy", "date"),
]
LEVEL_FIELDS = [("imaging", "acute_levels"), ("imaging", "fracture_levels")]
TEXTS = [
    ("imaging", "region"),
    ("dxa", "site"),
    ("osteoporosis_rx", "agent"),
    ("osteoporosis_rx", "adherence"),
    ("bone_referral", "service"),
    ("calcitonin", "route"),
    ("mobility", "brace"),
    ("function", "scale"),
]
TABLED = {row[:2] for table in (NUMBERS, CHOICES, DATES, LEVEL_FIELDS, TEXTS) for row in table}
YES_NO = [(kind, name) for kind, fields in FIELDS.items() for name in fields if (kind, name) not in TABLED]
TODAY, BIRTH = date(2026, 3, 16), date(1950, 6, 1)


def taken(kind: str, name: str, value: object) -> bool:
    """Whether the value is kept as it is; what is not must be a fault of range, never a changed value."""
    good, faults = parsed(kind, {name: value})
    assert [fault.code for fault in faults] == ([] if good else ["OUT_OF_RANGE"])
    return bool(good)


@pytest.mark.parametrize(("kind", "name", "lowest", "highest", "step"), NUMBERS)
def test_a_number_fits_from_its_lowest_to_its_highest_value(kind, name, lowest, highest, step):
    assert taken(kind, name, lowest)
    assert taken(kind, name, highest)
    assert not taken(kind, name, lowest - step)
    assert not taken(kind, name, highest + step)


@pytest.mark.parametrize(("kind", "name", "lowest", "highest", "step"), NUMBERS)
@pytest.mark.parametrize("stranger", ["5", True, None, [5], float("nan"), float("inf")])
def test_a_number_is_never_guessed_from_something_else(kind, name, lowest, highest, step, stranger):
    good, _ = parsed(kind, {name: stranger})
    assert good == {}


@pytest.mark.parametrize(("kind", "name"), [("symptoms", "nrs"), ("mobility", "bed_rest_days")])
def test_a_count_has_no_fractions(kind, name):
    assert taken(kind, name, 6)
    assert not taken(kind, name, 6.5)


@pytest.mark.parametrize(("kind", "name", "choices"), CHOICES)
def test_a_choice_is_one_of_the_words(kind, name, choices):
    assert all(taken(kind, name, word) for word in choices)
    assert not any(taken(kind, name, word) for word in ("", "other", choices[0].swapcase(), 1))


@pytest.mark.parametrize(("kind", "name"), YES_NO)
def test_a_yes_or_no_is_nothing_else(kind, name):
    assert taken(kind, name, True)
    assert taken(kind, name, False)
    assert not any(taken(kind, name, value) for value in ("yes", "true", 1, 0, ""))


@pytest.mark.parametrize(("kind", "name"), LEVEL_FIELDS)
def test_levels_are_vertebrae_of_the_list(kind, name):
    assert taken(kind, name, list(LEVELS))
    assert taken(kind, name, [])
    assert not any(taken(kind, name, value) for value in (["L6"], ["T0"], ["T13"], "L1", ["L1", None]))


@pytest.mark.parametrize(("kind", "name"), TEXTS)
def test_a_text_is_a_text(kind, name):
    assert taken(kind, name, "as the letter says")
    assert not taken(kind, name, 7)


@pytest.mark.parametrize(("kind", "name"), DATES)
def test_a_date_is_from_birth_to_today(kind, name):
    def faults(day: date) -> set[str]:
        good, wrong = parsed(kind, {name: day.isoformat()})
        assert not wrong
        return {fault.code for fault in dated(kind, good, None, TODAY, BIRTH)[1]}

    assert faults(TODAY) == set()
    assert faults(BIRTH) == set()
    assert faults(TODAY + timedelta(days=1)) == {"FUTURE_DATE"}
    assert faults(BIRTH - timedelta(days=1)) == {"DATE_ORDER"}


@pytest.mark.parametrize(("kind", "name"), DATES)
@pytest.mark.parametrize("nonsense", ["16.03.2026", "2026-02-30", "yesterday", 20260316, ""])
def test_a_date_is_read_only_where_it_is_one(kind, name, nonsense):
    assert not taken(kind, name, nonsense)


@pytest.mark.parametrize("kind", sorted(FIELDS))
def test_every_observation_has_a_clinical_date_of_its_own_or_today(kind):
    assert dated(kind, {}, None, TODAY, BIRTH) == (TODAY, [])
    assert dated(kind, {}, "2026-03-01", TODAY, BIRTH) == (date(2026, 3, 1), [])
    when, faults = dated(kind, {}, "2026-03-17", TODAY, BIRTH)
    assert [fault.code for fault in faults] == ["FUTURE_DATE"]
    assert dated(kind, {}, "soon", TODAY, BIRTH)[1][0].code == "OUT_OF_RANGE"


@pytest.mark.parametrize("kind", sorted(FIELDS))
def test_an_unknown_field_is_refused_by_name(kind):
    good, (fault,) = parsed(kind, {"shoe_size": 43})
    assert (good, fault.code, fault.field) == ({}, "OUT_OF_RANGE", "shoe_size")
    assert "has no field shoe_size" in fault.message


@pytest.mark.parametrize("kind", sorted(FIELDS))
def test_absent_and_empty_are_unknown_and_no_fault(kind):
    assert parsed(kind, {}) == ({}, [])
    assert parsed(kind, dict.fromkeys(FIELDS[kind])) == ({}, [])


def test_the_good_values_of_a_message_are_told_from_the_bad_ones():
    good, faults = parsed("dxa", {"t_score": -29.5, "site": "hip", "date": "2026-03-01"})
    assert good == {"site": "hip", "date": date(2026, 3, 1)}
    assert "t_score was -29.5; expected a number from -8 to 5 SD; not saved" in faults[0].message


def test_a_date_with_a_time_counts_as_its_day():
    assert as_date("2026-03-16T09:30:00Z") == TODAY
    assert as_date(TODAY) == TODAY


# ---------------------------------------------------------------- what a registration may say


@pytest.mark.parametrize("level", ["L1", "L2"])
def test_the_pathway_takes_l1_and_l2(level):
    clinic_in_memory().tell(registered(level=level))


@pytest.mark.parametrize("level", ["T12", "L3", "S1", "C7", "", None])
def test_any_other_level_needs_a_clinician_who_says_so(level):
    clinic = clinic_in_memory()
    assert clinic.refused(registered(level=level)) == "OUT_OF_RANGE"
    step = registered(level=level, scope_override=True)
    assert clinic.refused(step) == "OUT_OF_RANGE"


@pytest.mark.parametrize(
    ("birth", "code"),
    [
        ("2008-01-02", None),  # 18 on the day of the fracture
        ("2008-01-03", "OUT_OF_RANGE"),
        ("1906-01-02", None),  # 120 on that day
        ("1906-01-01", "OUT_OF_RANGE"),
        ("2026-01-03", "DATE_ORDER"),
        ("unknown", "OUT_OF_RANGE"),
        (None, None),
    ],
)
def test_people_are_eighteen_to_a_hundred_and_twenty_when_they_fracture(birth, code):
    refusal = clinic_in_memory().ask(registered("2026-01-02", birth_date=birth))
    assert (refusal.code if refusal else None) == code


@pytest.mark.parametrize(
    ("fracture", "identified", "code"),
    [
        ("2026-01-05", "2026-01-05", None),
        ("2026-01-06", "2026-01-05", "DATE_ORDER"),
        ("2026-01-02", "2026-01-06", "FUTURE_DATE"),
        ("2026-01-02", "5 January", "OUT_OF_RANGE"),
        ("the winter", "2026-01-05", "OUT_OF_RANGE"),
        (None, "2026-01-05", None),
    ],
)
def test_a_fracture_is_identified_on_or_after_its_day_and_not_tomorrow(fracture, identified, code):
    refusal = clinic_in_memory().ask(registered(fracture, identification_date=identified))
    assert (refusal.code if refusal else None) == code


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"mechanism": "fell"}, "OUT_OF_RANGE"),
        ({"mechanism": "atraumatic"}, None),
        ({"mechanism": None}, None),
        ({"fracture_date_precision": "week"}, "OUT_OF_RANGE"),
    ],
)
def test_mechanism_and_precision_are_of_their_lists(more, code):
    refusal = clinic_in_memory().ask(registered(**more))
    assert (refusal.code if refusal else None) == code


def test_an_observation_of_an_unknown_kind_is_refused():
    clinic = clinic_in_memory().tell(registered())
    assert clinic.refused(observed("blood_pressure", systolic=120)) == "OUT_OF_RANGE"
