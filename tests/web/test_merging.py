"""Merging two records on the screens: side by side first, a person says which fracture goes on, and the way back."""

import re

import pytest

from persistence.merges import merges_of
from tests.journeys.people import examined
from tests.web.people import NUMBER, in_care, registered, told, words

OTHER = "9990000026"
PATH = f"/patient/{NUMBER}/merge"
TYPED = {"other": OTHER, "because": "same birth date, same address"}


@pytest.fixture
def two(store):
    """Ada under two numbers: in care, and registered again a little later."""
    in_care(store)
    registered(store, OTHER, days=15)


def hidden(page):
    return [(name, value) for name, value in re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', page.text)]


def check(browser, **typed):
    page = browser.post(PATH, data={**TYPED, **typed})
    assert page.status_code == 200, words(page)
    return page


def save(browser, page, **chosen):
    data: dict[str, list[str]] = {}
    for name, value in hidden(page):
        data.setdefault(name, []).append(value)
    return browser.post(PATH, data={**data, "stage": "checked", **chosen})


ASKED = f"goes-on {NUMBER}-1 {OTHER}-1"


def test_the_two_records_stand_side_by_side_before_anything_is_saved(coordinator, store, two):
    assert f'href="{PATH}"' in coordinator.get(f"/patient/{NUMBER}").text
    page = check(coordinator)
    said = words(page)
    assert "Nothing is saved yet." in said
    assert page.text.count('<section class="banner"') == 2
    assert "999 000 0018" in said
    assert "999 000 0026" in said
    assert f"Episodes {NUMBER}-1 and {OTHER}-1 may be one fracture of L1" in said
    assert "checked" not in re.findall(r'<input type="radio"[^>]*>', page.text)[0].replace('value="checked"', "")
    assert merges_of(store.database, [NUMBER]) == []


def test_nobody_guesses_which_episode_goes_on(coordinator, store, two):
    answer = save(coordinator, check(coordinator))
    assert answer.status_code == 409
    assert "say which goes on, or that both do" in words(answer)
    assert merges_of(store.database, [NUMBER]) == []


def test_one_fracture_goes_on_once_and_the_old_number_leads_to_the_record(coordinator, clinician, store, two):
    page = check(coordinator)
    saved = save(coordinator, page, **{ASKED: f"{NUMBER}-1"})
    assert saved.status_code == 303, words(saved)
    stays, rests = store.case(NUMBER).episodes
    assert (stays.state, rests.state) == ("CONSERVATIVE_CARE", "WITHDRAWN")
    shown = coordinator.get(saved.headers["location"])
    assert f"No. {OTHER} was merged into No. {NUMBER}" in words(shown)
    moved = coordinator.get(f"/patient/{OTHER}")
    assert (moved.status_code, moved.headers["location"]) == (303, f"/patient/{NUMBER}")
    assert f"No. {OTHER} goes on as No. {NUMBER}" in words(coordinator.get(moved.headers["location"]))
    found = words(coordinator.get(f"/find?q={OTHER}"))
    assert "1 patient fits." in found
    assert "the record of No. 999 000 0026 goes on here" in found

    (way_back,) = re.findall(rf'href="(/patient/{NUMBER}/unmerge/\d+)"', shown.text)
    assert "is opened again with what is owed. That needs a clinician." in words(coordinator.get(way_back))
    assert coordinator.post(way_back, data={"because": ""}).status_code == 422
    refused = coordinator.post(way_back, data={"because": "two people"})
    assert refused.status_code == 409
    assert "reopening needs a clinician" in words(refused)
    assert clinician.post(way_back, data={"because": "two people"}).status_code == 303
    assert [e.id for e in store.case(OTHER).episodes] == [f"{OTHER}-1"]
    assert store.case(OTHER).episodes[0].state == "ACUTE_ASSESSMENT"
    assert coordinator.get(way_back).status_code == 404


def test_two_fractures_both_go_on(coordinator, store, two):
    saved = save(coordinator, check(coordinator), **{ASKED: "both"})
    assert saved.status_code == 303
    assert [e.state for e in store.case(NUMBER).episodes] == ["CONSERVATIVE_CARE", "ACUTE_ASSESSMENT"]
    page = coordinator.get(f"/patient/{NUMBER}?episode=2")
    assert "Acute assessment" in words(page)
    answer = coordinator.post(
        f"/patient/{NUMBER}/record/admin/contact", data={"episode": "2", "seen": "1", "outcome": "reached"}
    )
    assert answer.status_code == 303
    assert store.case(NUMBER).episodes[1].contacts
    shown = coordinator.get(answer.headers["location"])
    assert "Talk with the patient" in words(shown)
    seq = store.case(NUMBER).episodes[1].seq
    assert f'name="episode" value="{OTHER}-1"' in shown.text
    undone = coordinator.post("/undo", data={"episode": f"{OTHER}-1", "seq": str(seq), "back": f"/patient/{NUMBER}"})
    assert undone.status_code == 303, words(undone)
    assert store.case(NUMBER).episodes[1].contacts[0].retracted


def test_a_form_that_was_open_before_the_merge_saves_nothing_anywhere(coordinator, store, two):
    save(coordinator, check(coordinator), **{ASKED: "both"})
    before = [len(store.journal(f"{number}-1")) for number in (NUMBER, OTHER)]
    for path in (f"/patient/{OTHER}/record/admin/contact", f"/patient/{OTHER}/red-flags"):
        answer = coordinator.post(path, data={"episode": "1", "seen": "1", "outcome": "reached"})
        assert answer.status_code == 409
        assert f"No. {OTHER} goes on as No. {NUMBER}" in words(answer)
    assert [len(store.journal(f"{number}-1")) for number in (NUMBER, OTHER)] == before


def test_records_that_differ_need_a_person_s_word(coordinator, store):
    in_care(store)
    registered(store, OTHER, days=15, birth_date="1945-06-11", level="L2")
    page = check(coordinator)
    assert "The two records differ in date of birth." in words(page)
    refused = save(coordinator, page)
    assert refused.status_code == 409
    assert "say that it is the same person all the same" in words(refused)
    assert save(coordinator, page, although="1").status_code == 303


def test_what_changed_meanwhile_is_looked_at_again(coordinator, store, two):
    page = check(coordinator)
    told(store, examined(), patient=OTHER)
    refused = save(coordinator, page, **{ASKED: "both"})
    assert refused.status_code == 409
    assert f"the records have changed since they were shown ({OTHER}-1)" in words(refused)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"other": ""}, "Type the number of the other record"),
        ({"because": " "}, "Say why it is one person"),
        ({"other": "nobody"}, "there is no patient nobody"),
        ({"other": NUMBER}, "is one record already"),
    ],
)
def test_what_does_not_fit_is_said_and_nothing_is_saved(coordinator, store, two, typed, said):
    answer = coordinator.post(PATH, data={**TYPED, **typed})
    assert answer.status_code == 422
    assert said in words(answer)
    assert merges_of(store.database, [NUMBER]) == []


def test_both_patients_are_on_record_as_seen(coordinator, auditor_sees, two):
    check(coordinator)
    assert auditor_sees(NUMBER)
    assert auditor_sees(OTHER)


@pytest.fixture
def auditor_sees(signed_in):
    auditor = signed_in("auditor")
    return lambda patient: (
        "coordinator@example.org (coordinator)" in auditor.get(f"/audit/views?patient={patient}").text
    )


def test_who_records_nothing_merges_nothing(signed_in, two):
    auditor = signed_in("auditor")
    assert auditor.get(PATH).status_code == 403
    assert auditor.post(PATH, data=TYPED).status_code == 403
    assert "Merge the two records" not in auditor.get(f"/patient/{NUMBER}").text
