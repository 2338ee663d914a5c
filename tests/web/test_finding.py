"""Finding a patient, and registering one who is not there yet."""

import pytest

from tests.web.people import NUMBER, episode, in_care, registered, shown, words


@pytest.mark.parametrize(
    "typed",
    ["sample ada", "ADA samp", "999 000 0018", "9990000018", "01-Jun-1945", "01/06/1945", "ada 01-Jun-1945"],
)
def test_a_patient_is_found_by_name_number_or_birth_date(coordinator, store, typed):
    in_care(store)
    page = coordinator.get("/find", params={"q": typed})
    assert page.status_code == 200
    said = words(page)
    assert "SAMPLE, Ada Born 01-Jun-1945 (80y) · No. 999 000 0018" in said
    assert f'href="/patient/{NUMBER}"' in page.text


def test_the_only_one_who_fits_is_not_opened_by_itself(coordinator, store):
    in_care(store)
    assert "1 patient fits." in words(coordinator.get("/find?q=sample"))


def test_two_of_the_same_name_are_an_alert_on_each(coordinator, store):
    in_care(store)
    registered(store, "9990000026")
    assert words(coordinator.get("/find?q=sample")).count("Another patient has the same name") == 2


def test_where_very_many_fit_it_is_said_that_there_are_more(coordinator, monkeypatch):
    for module in ("persistence.search", "coordinator.web.pages.find", "coordinator.web.pages.not_listed"):
        monkeypatch.setattr(f"{module}.COUNTED", 3)
    monkeypatch.setattr("persistence.search.search.__defaults__", (3,))
    assert "More than 3 patients fit. The first 3 by name are shown" in words(coordinator.get("/find?q=demo"))
    monkeypatch.setattr("coordinator.web.pages.not_listed.MOST", 2)
    said = words(coordinator.get("/work/why-not?who=demo"))
    assert "More than 3 people fit; these are the first." in said


def test_nobody_found_says_why_and_the_way_out(coordinator, auditor, store):
    page = coordinator.get("/find?q=<nobody>")
    assert "Nobody fits all of “<nobody>”. Try fewer words, or the number alone." in words(page)
    assert 'href="/register"' in page.text
    assert 'href="/register"' not in auditor.get("/find?q=zzz").text
    assert "Type parts of the name in any order" in words(coordinator.get("/find"))


@pytest.fixture
def auditor(signed_in):
    return signed_in("auditor")


# ---------------------------------------------------------------- registration

TYPED = {
    "patient": "999 000 0042",
    "surname": "Novak",
    "given": "Eva",
    "birth_date": "04-Mar-1950",
    "sex": "F",
    "level": "L2",
    "fracture_date": "-5",
    "fracture_date_precision": "day",
    "identification_date": "+0",
    "mechanism": "low_energy",
    "first_fracture": "unknown",
}


def test_a_new_patient_is_looked_at_once_more_and_then_registered(coordinator, store):
    page = coordinator.post("/register", data=TYPED)
    assert page.status_code == 200
    assert "Moves to Acute assessment" in words(page)
    assert store.person("9990000042") is None
    answer = coordinator.post("/register", data=TYPED | {"stage": "checked"})
    assert answer.status_code == 303
    page = coordinator.get(answer.headers["location"])
    assert "NOVAK, Eva Born 04-Mar-1950 (76y) Gender Female No. 999 000 0042" in words(page)
    found = episode(store, "9990000042")
    assert (found.level, found.owner, found.first_fracture) == ("L2", "A. Coordinator", None)


def test_somebody_of_the_same_name_is_shown_before_another_is_registered(coordinator, store):
    in_care(store)
    page = coordinator.post("/register", data=TYPED | {"surname": "Sample", "given": "Ada"})
    assert "Is it one of these?" in words(page)
    assert "SAMPLE, Ada Born 01-Jun-1945 (80y)" in words(page)


def test_a_number_that_is_known_opens_the_patient_instead(coordinator, store):
    in_care(store)
    answer = coordinator.post("/register", data=TYPED | {"patient": "999 000 0018", "stage": "checked"})
    assert answer.status_code == 422
    assert "A patient with this number is registered already." in words(answer)
    assert f'href="/patient/{NUMBER}"' in answer.text
    assert len(store.case(NUMBER).episodes) == 1


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"surname": ""}, "Surname: this must be answered."),
        ({"level": "T12"}, "T12 is outside this pathway (L1 and L2); a clinician may give scope_override"),
        ({"fracture_date": "+1"}, "cannot have been identified on"),
        ({"birth_date": "04-Mar-2020"}, "age at the fracture must be from 18 to 120 years"),
        ({"fracture_date_precision": ""}, "Say how well the date of the fracture is known."),
        ({"fracture_date": ""}, "The date is said to be known, but it is not given."),
    ],
)
def test_what_cannot_be_registered_comes_back_with_its_sentence(coordinator, store, typed, said):
    answer = coordinator.post("/register", data=TYPED | typed)
    assert answer.status_code == 422
    assert said in words(answer)
    assert "Nothing was saved." in words(answer)
    assert 'value="Eva"' in answer.text
    assert store.person("9990000042") is None


def test_only_a_clinician_takes_in_another_level(coordinator, clinician, store):
    typed = TYPED | {"level": "T12", "scope_override": "yes", "stage": "checked"}
    assert coordinator.post("/register", data=typed).status_code == 409
    assert clinician.post("/register", data=typed).status_code == 303
    assert episode(store, "9990000042").level == "T12"


def test_an_unknown_fracture_date_is_said_so(coordinator, store):
    typed = TYPED | {"fracture_date": "", "fracture_date_precision": "unknown", "stage": "checked"}
    answer = coordinator.post("/register", data=typed)
    assert "identification stands in" in words(coordinator.get(answer.headers["location"]))


@pytest.mark.parametrize("role", ["auditor", "administrator"])
def test_who_records_nothing_registers_nobody(signed_in, role):
    browser = signed_in(role)
    assert browser.get("/register").status_code == 403
    assert browser.post("/register", data=TYPED).status_code == 403


def test_an_administrator_finds_nobody(signed_in):
    assert signed_in("administrator").get("/find?q=demo").status_code == 403


def test_a_day_of_today_is_shown_with_its_weekday_before_saving(coordinator):
    assert "Identified on Mon 16-Mar-2026" in words(coordinator.post("/register", data=TYPED))
    assert shown(0) == "16-Mar-2026"
