"""Spreadsheets as services keep them: what is understood, what is refused, and what is left to a person."""

import tomllib
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coordinator.cohort_file import (
    CohortFile,
    CohortFileUnreadable,
    Mapping,
    MappingFaults,
    Step,
    read_cohort,
    read_mapping,
    same_person,
    suggest_mapping,
    write_rejects,
)
from coordinator.cohort_file.headings import ELEMENTS, fold
from pathway.facts import parsed

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "data"
TODAY = date(2026, 3, 16)
PERSON = {
    "NHS No": "9991002375",
    "Surname": "Example",
    "DOB": "1944-03-02",
    "Level": "L1",
    "Fracture date": "2026-01-05",
    "Date seen": "2026-01-07",
}


def read(data: bytes | str, mapping: Mapping | None = None) -> CohortFile:
    raw = data.encode() if isinstance(data, str) else data
    cohort = read_cohort(raw, today=TODAY, zone="Europe/London", mapping=mapping)
    assert isinstance(cohort, CohortFile), cohort
    return cohort


def sheet(*rows: dict[str, str], delimiter: str = ";") -> str:
    """Rows that differ from one good row only where a test says so."""
    people = [{**PERSON, **row} for row in rows]
    headings = list(dict.fromkeys(heading for row in people for heading in row))
    lines = [headings, *([row.get(heading, "") for heading in headings] for row in people)]
    return "\n".join(delimiter.join(line) for line in lines)


def one(**cells: str) -> CohortFile:
    return read(sheet({heading.replace("_", " "): cell for heading, cell in cells.items()}))


def steps(cohort: CohortFile, kind: str) -> list[Step]:
    return [step for row in cohort.people for step in row.steps if kind in (step.event, step.kind)]


def fact(cohort: CohortFile, kind: str, name: str) -> object:
    [step] = steps(cohort, kind)
    return step.data.get(name)


def why(cohort: CohortFile) -> str:
    [fault] = cohort.faults
    return fault.message


def raised(cohort: CohortFile) -> list[tuple[str, str]]:
    return [(concern.text, concern.looks_like) for concern in cohort.concerns]


# The three files we have


def test_the_tidy_sample_goes_in_whole():
    cohort = read((DATA / "spreadsheet-1.csv").read_bytes())
    assert (len(cohort.people), cohort.refused, cohort.concerns, cohort.notes) == (60, (), (), ())
    assert (cohort.encoding, cohort.delimiter, cohort.unmapped) == ("utf-8", ",", ())


def test_the_dirty_sample_loses_exactly_its_faulty_rows():
    cohort = read((DATA / "spreadsheet-2.csv").read_bytes())
    assert len(cohort.people) == 69
    assert [(f.line, f.column, f.value) for f in cohort.faults if f.line != 53] == [
        (5, "# date", "31/02/2026"),
        (9, "Collapse", "138%"),
        (13, "VAS", "14"),
        (17, "# date", "03/2026"),
        (25, "Clinic date", "16/03/2027"),
        (29, "D.O.B.", "12/04/2031"),
        (33, "# level", "T7"),
        (37, "# level", ""),
        (49, "Hospital no.", ""),
        (65, "Hospital no.", "999 505 1249"),
    ]
    [short] = [fault for fault in cohort.faults if fault.line == 53]
    assert short.message == (
        "This row has 12 cells where the headings have 20, "
        '"Rx start" being the first that is missing, so nothing in this row was saved.'
    )
    assert [fault.message.split(" in ")[1].split("; ")[0] for fault in cohort.faults[:4]] == [
        '"# date" is not a day that exists: February 2026 has 28 days',
        '"Collapse" is outside what is possible',
        '"VAS" is outside what is possible',
        '"# date" is after the fracture was identified (28-Dec-2025)',
    ]


def test_the_dirty_sample_says_how_it_was_read_and_what_a_person_must_look_at():
    cohort = read((DATA / "spreadsheet-2.csv").read_bytes())
    assert (cohort.encoding, cohort.delimiter, cohort.date_order) == ("utf-8-sig", ";", "dmy")
    assert cohort.date_order_because.startswith("day first, the only way to read 190 dates")
    assert [(c.line, c.text, c.looks_like) for c in cohort.concerns] == [
        (41, "LEFT LEG WEAK", "red_flag"),
        (45, "RIP 02/03/2026", "death"),
        (57, '="1"+cmd|calc', "formula"),
    ]
    assert [(note.line, note.text) for note in cohort.notes] == [
        (6, "Line 65 gives the hospital number 9995051249 to somebody else; check whose it is.")
    ]


def test_the_example_is_as_its_readme_says():
    cohort = read((ROOT / "examples" / "cohort.csv").read_bytes())
    readme = (ROOT / "examples" / "README.md").read_text(encoding="utf-8")
    assert (len(cohort.people), len(cohort.refused)) == (16, 9)
    assert [f"| {row.line} |" in readme for row in cohort.refused] == [True] * 9
    assert [c.text in readme for c in cohort.concerns] == [True] * 3
    assert cohort.unmapped == ("Ward",)


@pytest.mark.parametrize("name", ["spreadsheet-1.csv", "spreadsheet-2.csv"])
def test_every_observation_of_the_samples_is_one_that_the_engine_can_record(name):
    cohort = read((DATA / name).read_bytes())
    observed = [step for row in cohort.people for step in row.steps if step.event == "observe"]
    assert observed
    assert [parsed(step.kind, step.data)[1] for step in observed] == [[]] * len(observed)


# Encodings, delimiters, headings


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_encoding_and_delimiter_are_found(encoding, delimiter):
    cohort = read(sheet({"Surname": "Müller-Example"}, delimiter=delimiter).encode(encoding))
    assert (cohort.people[0].surname, cohort.delimiter) == ("Müller-Example", delimiter)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "The file is empty: there is no heading line in it."),
        (
            b"PK\x03\x04rest",
            "This is an Excel or LibreOffice workbook; save it as CSV (UTF-8) and import that.",
        ),
        (b"a\0b", "The file holds zero bytes, so it is not a text file."),
        (b"\x81,\x8d", "The file is neither UTF-8 nor Windows-1252 text; save it as CSV (UTF-8)."),
        (b"Surname\nExample", "No comma, semicolon or tab separates the headings in the first lines."),
    ],
)
def test_a_file_that_is_no_spreadsheet_text_is_one_sentence(data, sentence):
    assert read_cohort(data, today=TODAY, zone="UTC") == CohortFileUnreadable(sentence)


@settings(deadline=None)
@given(st.binary(max_size=400) | st.text(alphabet="\",;\t\n\rL1= '29/-0aé", max_size=200).map(str.encode))
def test_whatever_the_bytes_nothing_is_raised(data):
    cohort = read_cohort(b"NHS;Level;DOB;VAS\n" + data, today=TODAY, zone="UTC")
    assert isinstance(cohort, CohortFile | CohortFileUnreadable)
    assert isinstance(read_cohort(data, today=TODAY, zone="UTC"), CohortFile | CohortFileUnreadable)


@settings(deadline=None)
@given(st.lists(st.text(alphabet="\",;\n'=+-@0a/2.T ", max_size=8), min_size=6, max_size=6))
def test_refused_rows_come_back_cell_by_cell(cells):
    quoted = ";".join('"' + cell.replace('"', '""') + '"' for cell in cells)
    first = read(";".join(PERSON) + "\n" + quoted)
    again = read(write_rejects(first))
    assert [fault.message for fault in again.faults] == [fault.message for fault in first.faults]


def test_titles_above_the_headings_and_repeated_headings_are_passed_over():
    table = sheet({})
    headings = table.split("\n", maxsplit=1)[0]
    cohort = read(f"Cohort of the service;;\nprinted 16/03/2026;;\n\n{table}\n;;;;;\n{headings}\n")
    assert (cohort.header_line, [row.line for row in cohort.people]) == (4, [5])
    assert [note.text for note in cohort.notes] == ["The heading line is repeated on line 7 and was skipped there."]


def test_the_hint_that_excel_leaves_is_no_heading():
    assert read("sep=;\n" + sheet({})).people[0].line == 3


@pytest.mark.parametrize(
    ("heading", "field"),
    [
        ("D.O.B.", "birth_date"),
        ("Date of Birth (dd/mm/yyyy)", "birth_date"),
        ("# date", "fracture_date"),
        ("FractureDate", "fracture_date"),
        ("fx_date", "fracture_date"),
        ("Rx start", "care_start"),
        ("Conservative Mx?", None),
        ("Conservative management since", "care_start"),
        ("Osteoporosis Rx", "osteoporosis_drug"),
        ("Better / worse?", "trend"),
        ("HEIGHT LOSS %", "collapse_pct"),
        ("% height loss", "collapse_pct"),
        ("Height loss (cm)", None),
        ("Height (cm)", "height"),
        ("VAS (0-10)", "nrs"),
        ("VAS (0-100)", None),
        ("Pain score /10", "nrs"),
        ("Date of VAS", "symptoms_date"),
        ("MRI performed on", "mri_date"),
        ("MRI", None),
        ("Angle (deg.)", "kyphosis"),
        ("Prev. fracture", "previous_fracture"),
        ("Hosp. No", "hospital_number"),
        ("Tx commenced", "care_start"),
        ("Conservative Mx start", "care_start"),
        ("Bone meds", "osteoporosis_drug"),
        ("Osteoporosis Rx started", "drug_start"),
        ("NRS taken on", "symptoms_date"),
        ("Previous # ?", "previous_fracture"),
        ("Hx of cancer", "cancer_history"),
        ("No.", None),
    ],
)
def test_headings_are_known_by_what_services_call_them(heading, field):
    cohort = read(f"{heading};Level\nx;L1")
    assert cohort.columns[0].field == field
    assert (heading in cohort.unmapped) is (field is None)


def test_no_heading_means_two_things():
    said = [(fold(heading), element.name) for element in ELEMENTS.values() for heading in element.headings]
    assert len(dict(said)) == len(set(said))


def test_two_columns_for_one_thing_are_both_left_out_until_a_mapping_file_chooses():
    text = sheet({"Collapse": "20%", "Height loss": "30%", "MRI date": "2026-01-09"})
    cohort = read(text)
    assert fact(cohort, "imaging", "collapse_pct") is None
    assert cohort.unmapped == ("Collapse", "Height loss")
    assert "both say collapse_pct" in cohort.notes[0].text
    chosen = read(text, Mapping({"height loss": "collapse_pct"}))
    assert fact(chosen, "imaging", "collapse_pct") == 30
    assert chosen.unmapped == ("Collapse",)


def test_a_stray_quotation_mark_costs_its_own_row_only():
    good = sheet({}, {"NHS No": "9991003746"}).split("\n")
    cohort = read("\n".join([good[0], good[1].replace("Example", '"Example'), good[2]]))
    assert [row.line for row in cohort.people] == [3]
    assert "quotation mark that is opened and not properly closed" in why(cohort)
    assert [row.line for row in read(write_rejects(cohort)).refused] == [2]


def test_a_cell_may_hold_several_lines_and_the_next_row_keeps_its_line_number():
    cohort = read(sheet({"Comments": '"first\nsecond"'}, {"NHS No": "9991003746", "Level": "L9"}))
    assert raised(cohort) == [("first\nsecond", "other_free_text")]
    assert cohort.faults[0].line == 4


# Dates


@pytest.mark.parametrize(
    "written",
    [
        "2026-01-28",
        "2026/01/28",
        "20260128",
        "28/01/2026",
        "28.01.2026",
        "28-01-2026",
        "28-Jan-2026",
        "28 January 2026",
        "28th Jan 2026",
        "January 28, 2026",
        "2026-01-28 00:00:00",
        "28/01/2026 09:30",
    ],
)
def test_a_date_may_be_written_in_any_of_these_ways(written):
    cohort = one(Fracture_date=written, Date_seen="2026-02-27")
    assert fact(cohort, "register", "fracture_date") == "2026-01-28"


def test_a_date_that_could_be_either_way_round_is_refused_with_both_readings():
    cohort = one(DOB="03/04/1950")
    assert cohort.date_order is None
    assert why(cohort).startswith(
        '"03/04/1950" in "DOB" could be 3 April 1950 or 4 March 1950,'
        " and nothing else in the file decides which; expected a date such as"
    )


def test_one_telling_date_decides_for_the_whole_file():
    cohort = read(sheet({"DOB": "03/04/1950"}, {"NHS No": "9991003746", "Date seen": "27.01.2026"}))
    assert (cohort.date_order, cohort.people[0].birth_date) == ("dmy", date(1950, 4, 3))
    other = read(sheet({"DOB": "03/04/1950"}, {"NHS No": "9991003746", "Date seen": "01/27/2026"}))
    assert (other.date_order, other.people[0].birth_date) == ("mdy", date(1950, 3, 4))


def test_a_file_with_both_habits_stays_undecided():
    rows = [{"DOB": "03/04/1950"}, {"Date seen": "27/01/2026"}, {"Date seen": "01/27/2026"}]
    numbered = [{"NHS No": n, **row} for n, row in zip(["9991002375", "9991003746", "9991005110"], rows, strict=True)]
    cohort = read(sheet(*numbered))
    assert "written both ways" in cohort.date_order_because
    assert [row.line for row in cohort.refused] == [2]


def test_one_slip_among_many_dates_costs_its_own_row_only():
    rows = [{"NHS No": "", "Hospital no": f"H{n}", "Date seen": "27/01/2026"} for n in range(20)]
    cohort = read(sheet(*rows, {"Hospital no": "H99", "NHS No": "", "Date seen": "01/27/2026"}))
    assert (cohort.date_order, len(cohort.people)) == ("dmy", 20)
    assert "there is no month 27" in why(cohort)


def test_the_heading_or_the_mapping_file_may_state_the_date_style():
    ambiguous = sheet({"DOB": "03/04/1950"})
    assert read(ambiguous.replace("DOB", "DOB (mm/dd/yyyy)")).people[0].birth_date == date(1950, 3, 4)
    assert read(ambiguous, Mapping(date_style="dmy")).people[0].birth_date == date(1950, 4, 3)


@pytest.mark.parametrize(
    ("written", "because"),
    [
        ("31/02/2026", "is not a day that exists: February 2026 has 28 days"),
        ("29-Feb-2025", "is not a day that exists: February 2025 has 28 days"),
        ("13/13/2025", "is not a day that exists: there is no month 13"),
        ("18/02/26", "has a year of two digits, which could be of either century"),
        ("Feb 26", "has a year of two digits, which could be of either century"),
        ("46071", "is a bare number, perhaps a spreadsheet's own count of days"),
        ("01/02/0226", "has a year, 226, in which no patient lives"),
        ("5-Foo-2026", 'names no month that is known: "foo"'),
        ("early spring", "is not a date"),
    ],
)
def test_a_date_that_cannot_be_read_is_refused_with_the_reason(written, because):
    assert why(one(Fracture_date=written)).startswith(f'"{written}" in "Fracture date" {because}; expected a date')


@pytest.mark.parametrize("written", ["12/2025", "Dec 2025", "2025-12", "December 2025", "dec-2025"])
def test_a_month_is_enough_for_the_fracture_date(written):
    cohort = one(Fracture_date=written)
    assert fact(cohort, "register", "fracture_date") == "2025-12-01"
    assert fact(cohort, "register", "fracture_date_precision") == "month"


def test_a_month_is_not_enough_for_any_other_date():
    assert 'in "Date seen" names only the month' in why(one(Date_seen="Jan 2026"))


@pytest.mark.parametrize("written", ["?", "unknown", "n/k", "N/A", "-", ""])
def test_an_unknown_fracture_date_stays_unknown(written):
    cohort = one(Fracture_date=written)
    assert fact(cohort, "register", "fracture_date_precision") == "unknown"
    assert fact(cohort, "register", "fracture_date") is None


@pytest.mark.parametrize(
    ("cells", "because"),
    [
        ({"DOB": "2031-04-12"}, 'in "DOB" lies in the future'),
        ({"Date seen": "2027-03-16"}, 'in "Date seen" lies in the future'),
        ({"Fracture date": "2026-01-08"}, "is after the fracture was identified (07-Jan-2026)"),
        ({"Rx start": "2026-01-04"}, 'in "Rx start" is before the fracture (05-Jan-2026)'),
        ({"MRI date": "1944-03-02"}, 'in "MRI date" is not after the date of birth'),
        ({"DOB": "2012-01-01"}, "makes an age of 14 at the fracture"),
        ({"DOB": "1902-01-01"}, "makes an age of 124 at the fracture"),
        ({"Calcitonin start": "2026-01-06"}, "is before the fracture was identified"),
        ({"DOB": ""}, '"DOB" is missing; expected a date of birth'),
    ],
)
def test_dates_that_contradict_each_other_refuse_the_row(cells, because):
    assert because in why(read(sheet(cells)))


# Numbers


@pytest.mark.parametrize(
    ("heading", "written", "kind", "name", "value"),
    [
        ("VAS", "8/10", "symptoms", "nrs", 8),
        ("VAS", "8 out of 10", "symptoms", "nrs", 8),
        ("VAS", "7,0", "symptoms", "nrs", 7),
        ("DXA T", "-2,5", "dxa", "t_score", -2.5),
        ("DXA T", "+2,5", "dxa", "t_score", 2.5),
        ("DXA T", "−3.1 SD", "dxa", "t_score", -3.1),
        ("Collapse", "24 %", "imaging", "collapse_pct", 24),
        ("Angle", "12 deg", "imaging", "kyphosis", 12),
        ("Angle", "-5°", "imaging", "kyphosis", -5),
        ("Height", "1,65 m", "anthropometry", "height_cm", 165),
        ("Height (m)", "1,65", "anthropometry", "height_cm", 165),
        ("Height", "165cm", "anthropometry", "height_cm", 165),
        ("Weight", "61,5 kg", "anthropometry", "weight_kg", 61.5),
        ("BMI (kg/m²)", "24.9", "anthropometry", "bmi", 24.9),
        ("Vit D", "800 IU", "supplements", "vitamin_d_iu", 800),
        ("Vit D (IU)", "100", "supplements", "vitamin_d_iu", 100),
        ("Calcium", "1.2 g/day", "supplements", "calcium_mg", 1200),
    ],
)
def test_numbers_keep_their_meaning(heading, written, kind, name, value):
    cohort = read(sheet({heading: written, "MRI date": "2026-01-09", "Pain date": "2026-03-10"}))
    assert [step.data[name] for step in steps(cohort, kind) if name in step.data] == [value]


@pytest.mark.parametrize(
    ("heading", "written", "because"),
    [
        ("VAS", "30/100", "is a score out of 100, and another scale is not converted"),
        ("VAS", "14", "is outside what is possible; expected a whole number from 0 to 10"),
        ("VAS", "6,5", "is outside what is possible"),
        ("VAS", "7-8", 'is followed by "-8", which is not the unit of this column'),
        ("Collapse", "138%", "is outside what is possible; expected a number from 0 to 100"),
        ("Collapse", "5 mm", 'is followed by "mm"'),
        ("Collapse", "0,24", "has no unit and is so small that it may be a fraction"),
        ("DXA T", "-29,5", "is outside what is possible"),
        ("Weight", "10 st", 'is followed by "st"'),
        ("Height", "1.65", "is outside what is possible"),
        ("Calcium", "1,000", "could be a decimal number or thousands"),
        ("Calcium", "2.4", "may be a blood level"),
        ("Vit D", "45", "may be a blood level"),
        ("Vit D", "20 mcg", 'is followed by "mcg"'),
        ("Angle", "about ten", "is not a number"),
    ],
)
def test_a_number_that_is_not_plain_is_refused_rather_than_guessed(heading, written, because):
    cohort = read(sheet({heading: written}))
    assert because in why(cohort)
    assert not cohort.people


def test_a_column_on_another_scale_is_reported_and_not_imported():
    cohort = read(sheet({"VAS (0-100)": "8", "Pain date": "2026-03-10"}))
    assert cohort.unmapped == ("VAS (0-100)",)
    assert cohort.notes[0].text == 'Column "VAS (0-100)" states another unit or scale, so it was not imported.'
    assert not steps(cohort, "symptoms")


# Words


@pytest.mark.parametrize(
    ("heading", "written", "name", "value"),
    [
        ("Level", " l2 ", "level", "L2"),
        ("Level", "Lumbar 1", "level", "L1"),
        ("Level", "L1 #", "level", "L1"),
        ("Sex", "Female", "sex", "F"),
        ("M/F", "m", "sex", "M"),
        ("Cause", "none", "mechanism", "atraumatic"),
        ("Cause", "Low-energy", "mechanism", "low_energy"),
        ("Cause", "RTA", "mechanism", "high_energy"),
        ("Cause", "", "mechanism", "unknown"),
        ("First fracture?", "Y", "first_fracture", True),
        ("Previous fracture", "yes", "first_fracture", False),
        ("Previous fracture", "?", "first_fracture", None),
    ],
)
def test_words_of_the_registration_are_understood(heading, written, name, value):
    assert fact(read(sheet({heading: written})), "register", name) == value


@pytest.mark.parametrize(
    ("written", "because"),
    [
        ("", '"Level" is missing'),
        ("T7", '"T7" in "Level" is outside this pathway'),
        ("D12", "is outside this pathway"),
        ("L3", "is outside this pathway"),
        ("L1/L2", "is not one vertebral level"),
        ("L1-2", "is not one vertebral level"),
    ],
)
def test_a_level_that_is_missing_elsewhere_or_double_refuses_the_row(written, because):
    assert f"{because}" in why(one(Level=written))
    assert "expected one level, L1 or L2; nothing in this row was saved." in why(one(Level=written))


def test_an_unknown_word_is_refused_until_the_mapping_file_explains_it():
    text = sheet({"Cause": "slipped on ice"})
    assert '"slipped on ice" in "Cause" is not a word that is known here' in why(read(text))
    mapping = read_mapping('[values.mechanism]\n"Slipped on ice" = "low_energy"')
    assert isinstance(mapping, Mapping)
    assert fact(read(text, mapping), "register", "mechanism") == "low_energy"


def test_a_normal_neurological_exam_is_complete_and_dated_when_the_fracture_was_identified():
    [exam] = steps(one(Neurology="NORMAL"), "neuro_exam")
    assert exam.data == {
        "complete": True,
        "motor_deficit": False,
        "sensory_deficit": False,
        "reflex_abnormal": False,
        "bowel_bladder": False,
        "radicular": False,
        "effective": "2026-01-07",
    }
    assert exam.occurred == date(2026, 1, 7)


@pytest.mark.parametrize("written", ["not done", "NOT DONE", "", "?"])
def test_an_exam_that_was_not_done_is_not_recorded(written):
    cohort = one(Neurology=written)
    assert (steps(cohort, "neuro_exam"), cohort.concerns) == ([], ())


@pytest.mark.parametrize(
    ("written", "sign"),
    [
        ("LEFT LEG WEAK", "red_flag"),
        ("no weakness", "red_flag"),
        ("NAD", "other_free_text"),
        ("see letter", "other_free_text"),
    ],
)
def test_any_other_word_about_the_exam_is_left_to_a_person(written, sign):
    cohort = one(Neurology=written)
    assert not steps(cohort, "neuro_exam")
    assert raised(cohort) == [(written, sign)]
    assert cohort.concerns[0].identifier == "9991002375"


def test_separate_findings_of_an_exam_are_recorded_and_outweigh_the_word_normal():
    cohort = read(sheet({"Neurology": "normal", "Leg weakness": "yes", "Numbness": "no"}))
    assert fact(cohort, "neuro_exam", "motor_deficit") is True
    assert fact(cohort, "neuro_exam", "sensory_deficit") is False
    alone = read(sheet({"Leg weakness": "yes"}))
    assert steps(alone, "neuro_exam")[0].data == {
        "complete": False,
        "motor_deficit": True,
        "effective": "2026-01-07",
    }


@pytest.mark.parametrize(
    ("written", "agent"),
    [
        ("Alendronic acid", "alendronate"),
        ("alendronate 70 mg weekly", "alendronate"),
        ("Prolia", "denosumab"),
        ("none", None),
    ],
)
def test_drugs_are_known_by_their_names(written, agent):
    cohort = one(Osteoporosis_Rx=written)
    assert [step.data["agent"] for step in steps(cohort, "osteoporosis_rx")] == ([agent] if agent else [])
    assert not cohort.concerns


def test_a_drug_that_was_stopped_is_not_taken_for_one_that_is_taken():
    cohort = one(Osteoporosis_Rx="alendronate stopped 2024")
    assert not steps(cohort, "osteoporosis_rx")
    assert raised(cohort) == [("alendronate stopped 2024", "other_free_text")]


@pytest.mark.parametrize(
    ("written", "data"),
    [
        ("better", {"trend": "improving"}),
        ("Same", {"trend": "unchanged"}),
        ("WORSE", {"trend": "worsening"}),
        ("resolved", {"resolved": True}),
    ],
)
def test_trend_words_are_understood(written, data):
    [symptoms] = steps(read(sheet({"Better/worse": written, "VAS on": "2026-03-10"})), "symptoms")
    assert symptoms.data == {**data, "effective": "2026-03-10"}


# What only a person may read


@pytest.mark.parametrize(
    ("written", "signs"),
    [
        ("legs weak since Sunday", ["red_flag"]),
        ("Urinary retention, ?cauda equina", ["red_flag"]),
        ("saddle numbness", ["red_flag"]),
        ("foot drop R", ["red_flag"]),
        ("cord compression on MRI", ["red_flag"]),
        ("known breast mets", ["red_flag"]),
        ("has lost a lot of weight", ["red_flag"]),
        ("RIP 02/03/2026", ["death"]),
        ("dec'd", ["death"]),
        ("DOD 1/3", ["death"]),
        ("passed away, had been incontinent", ["death", "red_flag"]),
        ('"=""1""+cmd|calc"', ["formula"]),
        ("+cmd|' /C calc'!A0", ["formula"]),
        ("@SUM(A1:A9)", ["formula"]),
        ("-2+3", ["formula"]),
        ("prefers Tuesdays", ["other_free_text"]),
        ("- numbers unchanged", ["other_free_text"]),
    ],
)
def test_remarks_are_raised_and_never_interpreted(written, signs):
    cohort = one(Comments=written)
    assert [concern.looks_like for concern in cohort.concerns] == signs
    assert {step.kind for row in cohort.people for step in row.steps} == {""}


def test_columns_that_are_not_imported_are_still_read_for_danger():
    unknown = read(sheet({"Ward": "died 1/3", "Date of death": "01/03/2026", "Tel": "+44 20 7946 0000"}))
    assert raised(unknown) == [("Ward: died 1/3", "death"), ("Date of death: 01/03/2026", "death")]
    ignored = read(sheet({"Ward": "off legs"}), Mapping({"Ward": "ignore"}))
    assert (raised(ignored), ignored.unmapped) == ([("Ward: off legs", "red_flag")], ())
    assert not read(sheet({"Red flags": "none", "Died?": "N"})).concerns


def test_a_name_may_sound_like_a_symptom():
    assert not one(Surname="Weakley-Example").concerns
    assert raised(one(Surname="Example (RIP)")) == [("Example (RIP)", "death")]


def test_a_refused_row_still_raises_what_is_dangerous_in_it():
    cohort = read(sheet({"Level": "T7", "Leg weakness": "yes", "Cause": "RTA", "Comments": "incontinent"}))
    assert not cohort.people
    assert raised(cohort) == [
        ("incontinent", "red_flag"),
        ("mechanism: RTA (not recorded)", "red_flag"),
        ("motor deficit: yes (not recorded)", "red_flag"),
    ]


def test_a_short_row_still_raises_what_is_dangerous_in_it():
    cohort = read("Surname;NHS;DOB;Level;Comments\nExample;legs weak\n")
    assert raised(cohort) == [("legs weak", "red_flag")]
    assert len(cohort.refused) == 1


def test_a_finding_without_its_scan_is_reported_and_a_dangerous_one_raised():
    cohort = read(sheet({"Collapse": "20%", "Cord compression": "yes"}))
    assert not steps(cohort, "imaging")
    assert raised(cohort) == [("cord compression: yes (not recorded)", "red_flag")]
    assert [note.text for note in cohort.notes] == [
        "The imaging findings have no scan of known kind and date, so were not recorded."
    ]


def test_an_answer_that_is_more_than_yes_or_no_goes_to_a_person():
    cohort = read(sheet({"Cancer history": "breast cancer 2010"}))
    assert not steps(cohort, "malignancy_features")
    assert raised(cohort) == [("breast cancer 2010", "red_flag")]


# People


def test_a_row_without_any_number_is_refused():
    assert '"NHS No" is missing; expected a hospital or NHS number' in why(one(NHS_No=""))


@pytest.mark.parametrize(
    ("written", "because"),
    [
        ("9991002376", "has a check digit that does not fit"),
        ("99910023", "does not have ten digits"),
        ("9,99E+09", "was rounded by a spreadsheet"),
        ("=A1+1", "is a formula"),
    ],
)
def test_a_damaged_nhs_number_is_refused(written, because):
    assert because in why(one(NHS_No=written))


@pytest.mark.parametrize("written", ["999 100 2375", "999-100-2375", '"=""9991002375"""', "'9991002375"])
def test_a_number_is_the_same_however_it_is_spaced_or_guarded(written):
    assert one(NHS_No=written).people[0].identifier == "9991002375"


@pytest.mark.parametrize(
    ("written", "surname", "given"),
    [
        ("EXAMPLE, Test", "EXAMPLE", "Test"),
        ("Test EXAMPLE", "EXAMPLE", "Test"),
        ("Test Example", "Test Example", ""),
    ],
)
def test_a_name_in_one_column_is_taken_apart_only_where_it_says_how(written, surname, given):
    [row] = read(sheet({"Surname": written}).replace("Surname", "Patient").replace(written, f'"{written}"')).people
    assert (row.surname, row.given) == (surname, given)


@pytest.mark.parametrize("other", [{"Surname": "Else-Example"}, {"DOB": "1950-01-01"}])
def test_one_number_for_two_people_refuses_the_later_and_questions_the_earlier(other):
    cohort = read(sheet({}, {"Level": "L2", **other}))
    assert [row.line for row in cohort.people] == [2]
    assert "is also the number of somebody else on line 2" in why(cohort)
    assert [note.line for note in cohort.notes] == [2]


def test_accents_and_case_do_not_make_two_people():
    assert same_person("DÍAZ", date(1950, 1, 1), "Diaz", date(1950, 1, 1))
    assert not same_person("Diaz", date(1950, 1, 1), "Diaz", date(1950, 1, 2))


def test_one_person_under_two_numbers_is_noticed():
    cohort = read(sheet({}, {"NHS No": "9991003746"}))
    assert [(note.line, note.text) for note in cohort.notes] == [
        (3, "Line 2 has the same name and date of birth under another number.")
    ]


def test_a_second_fracture_of_one_person_follows_the_first():
    later = {"Level": "L2", "Fracture date": "2026-02-20", "Date seen": "2026-02-21"}
    cohort = read(sheet(later, {}))
    assert [(row.line, row.steps[0].event, row.level) for row in cohort.people] == [
        (3, "register", "L1"),
        (2, "new_fracture", "L2"),
    ]
    assert cohort.people[1].steps[0].data == {
        "mechanism": "unknown",
        "level": "L2",
        "identification_date": "2026-02-21",
        "fracture_date_precision": "day",
        "fracture_date": "2026-02-20",
    }
    alone = read(sheet(later))
    assert alone.people[0].steps[0].event_id == cohort.people[1].steps[0].event_id


# Journal entries


def a_full_row(**changed: str) -> CohortFile:
    cells = {
        "Neurology": "normal",
        "MRI date": "2026-01-12",
        "Collapse": "24%",
        "Rx start": "2026-01-10",
        "VAS": "8/10",
        "VAS on": "2026-02-01",
        "Better/worse": "worse",
        "DXA T": "-2,5",
        "Osteoporosis Rx": "denosumab",
        "Nurse": "Nurse One",
    }
    return read(sheet({**cells, **{heading.replace("_", " "): cell for heading, cell in changed.items()}}))


def test_the_entries_of_a_row_stand_in_clinical_order_with_the_decision_after_what_it_rests_on():
    [row] = a_full_row().people
    assert [(step.event, step.kind, step.occurred) for step in row.steps] == [
        ("register", "", date(2026, 1, 7)),
        ("observe", "neuro_exam", date(2026, 1, 7)),
        ("observe", "imaging", date(2026, 1, 12)),
        ("observe", "dxa", None),
        ("observe", "osteoporosis_rx", None),
        ("decide", "start_conservative", date(2026, 1, 10)),
        ("observe", "symptoms", date(2026, 2, 1)),
    ]
    assert row.owner == "Nurse One"


def test_the_decision_invents_neither_stability_nor_a_reason_for_missing_imaging():
    [decision] = steps(a_full_row(MRI_date="", Collapse=""), "decide")
    assert decision.data == {"care_start": "2026-01-10"}


def test_an_undated_pain_score_is_reported_and_not_taken_for_todays():
    cohort = a_full_row(VAS_on="")
    assert not steps(cohort, "symptoms")
    assert [note.text for note in cohort.notes] == ["The pain score or trend has no date, so it was not recorded."]


def test_the_same_row_gives_the_same_entries_however_it_is_written():
    ids = [step.event_id for step in a_full_row().people[0].steps]
    other = a_full_row(VAS="8", DXA_T="-2.50", Collapse="24,0 %", Level=" l1", Comments="new remark")
    assert [step.event_id for step in other.people[0].steps] == ids
    assert all(event_id.startswith("import:") for event_id in ids)


@pytest.mark.parametrize(
    ("changed", "kind"),
    [
        ({"VAS": "7"}, "symptoms"),
        ({"Rx start": "2026-01-11"}, "start_conservative"),
        ({"Collapse": "25%"}, "imaging"),
        ({"Fracture date": "2026-01-04"}, ""),
    ],
)
def test_a_changed_cell_makes_a_new_entry_only_where_it_counts(changed, kind):
    before = {step.kind: step.event_id for step in a_full_row().people[0].steps}
    after = {step.kind: step.event_id for step in a_full_row(**changed).people[0].steps}
    assert [name for name in before if before[name] != after[name]] == [kind]


# The file of refused rows


def test_refused_rows_can_be_put_right_and_fed_again():
    cohort = read((DATA / "spreadsheet-2.csv").read_bytes())
    rejects = write_rejects(cohort).decode("utf-8-sig")
    assert rejects.startswith("line;why (dates are day first);Hospital no.;Patient;")
    unchanged = read(rejects)
    assert not unchanged.people or [row.surname for row in unchanged.people] == ["WRIGHT"]
    mended = read(rejects.replace("31/02/2026", "21/01/2026").replace("138%", "38%").replace(";T7;", ";L2;"))
    assert {"SHARMA", "KAUR", "NOLAN"} <= {row.surname for row in mended.people}
    assert mended.unmapped == ()


def test_a_few_refused_rows_keep_the_date_order_of_their_file():
    cohort = read(sheet({"DOB": "03/04/1950", "Level": ""}, {"NHS No": "9991003746", "Date seen": "27/01/2026"}))
    again = read(write_rejects(cohort).decode("utf-8-sig").replace(";;", ";L1;"))
    assert again.people[0].birth_date == date(1950, 4, 3)


def test_formulas_leave_the_file_as_text_and_come_back_as_they_were():
    cohort = one(Level="", Comments='"=""1""+cmd|calc"', Surname="Example")
    rejects = write_rejects(cohort).decode("utf-8-sig")
    assert '\'=""1""+cmd|calc' in rejects
    assert raised(read(rejects)) == [('="1"+cmd|calc', "formula")]


def test_rejects_of_rejects_do_not_grow_new_columns():
    cohort = one(Level="")
    assert write_rejects(read(write_rejects(cohort))).splitlines()[0] == write_rejects(cohort).splitlines()[0]


# The mapping file


def test_a_mapping_file_names_headings_and_ignores_others():
    mapping = read_mapping('[file]\ndate_style = "dmy"\n[columns]\n"Wirbel" = "level"\n"Ward" = "ignore"')
    assert isinstance(mapping, Mapping)
    text = sheet({"Ward": "A1", "DOB": "03/04/1950"}).replace("Level", "WIRBEL")
    cohort = read(text, mapping)
    assert (cohort.people[0].level, cohort.unmapped) == ("L1", ())
    assert not read(text, mapping).notes


def test_a_file_without_a_needed_column_says_which_one_to_name():
    cohort = read("Wirbel;NHS;DOB\nL1;9991002375;1944-03-02")
    assert [note.text for note in cohort.notes if note.line == 0] == [
        "No column is known to carry the level, which every row needs; name it in a mapping file."
    ]
    assert cohort.unmapped == ("Wirbel",)


def test_all_faults_of_a_mapping_file_come_at_once():
    faults = read_mapping(
        """
        colums = 1
        [columns]
        "A" = "levle"
        [file]
        date_style = "ymd"
        zone = "UTC"
        [values.mechanism]
        "fell over" = "low"
        [values.surname]
        "x" = "y"
        """
    )
    assert faults == MappingFaults((
        "[colums] is not a part of a mapping file; the parts are [columns], [file] and [values.…].",
        'Column "A" is mapped to "levle", which is not a field.',
        'date_style is "ymd"; expected "dmy" (day first) or "mdy" (month first).',
        '[file] has no setting "zone"; the only one is date_style.',
        '[values.mechanism] gives "fell over" the value "low";'
        " expected one of atraumatic, low_energy, high_energy, unknown.",
        "[values.surname] names no field whose words can be explained.",
    ))  # fmt: skip


def test_a_mapping_file_that_is_no_toml_is_one_sentence():
    faults = read_mapping("[columns")
    assert isinstance(faults, MappingFaults)
    assert faults.sentences[0].startswith("The mapping file is not valid TOML:")


def test_a_heading_that_the_file_does_not_have_is_reported():
    cohort = read(sheet({}), Mapping({"Wirbel": "level"}))
    assert [note.text for note in cohort.notes] == [
        'The mapping file names a column "Wirbel" that this file does not have.'
    ]


def test_a_suggested_mapping_names_what_is_known_and_asks_about_the_rest():
    text = suggest_mapping(sheet({"Ward": "A1", "Cause": "slipped"}).encode(), file_name="list.csv")
    assert isinstance(text, str)
    assert '"Level" = "level"' in text.splitlines()
    assert '# "Ward" = ""  # "A1"' in text.splitlines()
    assert "#   kyphosis: kyphosis" in text.splitlines()
    assert '# "slipped" = ""' in text.splitlines()


def test_a_suggested_mapping_does_not_offer_to_explain_a_red_flag_away():
    text = suggest_mapping(sheet({"Neurology": "leg weak"}, {"Neurology": "intact"}).encode())
    assert isinstance(text, str)
    assert ('# "intact" = ""' in text, "leg weak" in text) == (True, False)


@settings(deadline=None)
@given(st.lists(st.text(max_size=12), min_size=2, max_size=5), st.lists(st.text(max_size=12), max_size=5))
def test_a_suggested_mapping_always_reads_back(headings, cells):
    lines = ["\t".join(line) for line in (headings, cells)]
    text = suggest_mapping("\n".join(lines).encode("utf-8", "replace"), file_name="a\nb")
    if isinstance(text, str):
        assert isinstance(read_mapping(text), Mapping)
        tomllib.loads(text)
