"""Routine work is undone by one click that stays until the next action; of two saves the second is refused."""

import re

import pytest

from pathway.journal import Step
from tests.journeys.people import pain
from tests.web.people import NUMBER, days_ago, episode, flagged, in_care, saved, send, shown, told, words

PATH = f"/patient/{NUMBER}"
RECORD = f"{PATH}/record"


def offer(page):
    """The undo that the message offers: what its form sends."""
    form = re.search(r'<form method="post" action="/undo".*?</form>', page.text, re.DOTALL)[0]
    return dict(re.findall(r'name="(\w+)" value="([^"]*)"', form))


def undone(browser, page):
    answer = browser.post("/undo", data=offer(page))
    assert answer.status_code == 303, words(answer)
    return browser.get(answer.headers["location"])


@pytest.mark.parametrize(
    ("path", "typed", "back"),
    [
        ("/observe/symptoms", {"nrs": "5", "effective": shown(0)}, "Retracted: symptoms"),
        ("/task/K-DXA", {"how": "done"}, "Taken back: the closing of Obtain bone densitometry"),
        ("/admin/contact", {"outcome": "reached"}, "Taken back: the talk with the patient"),
        ("/admin/assign", {"owner": "A. Lead"}, "Taken over by B. Hughes"),
        ("/admin/look_again?code=K-DXA", {"until": "+7", "reason": "booked"}, "No longer set aside: Obtain bone"),
    ],
)
def test_routine_work_is_taken_back_by_one_click(coordinator, store, path, typed, back):
    in_care(store)
    page = saved(coordinator, RECORD + path, **typed)
    assert "Undo what was saved for SAMPLE, Ada" in words(page)
    after = words(undone(coordinator, page))
    assert f"Undone for SAMPLE, Ada , Born 01-Jun-1945, No. 999 000 0018 {back}" in after
    assert store.journal(episode(store).id)[-1].step.by == "A. Coordinator"


def test_the_message_stays_until_the_next_action(coordinator, store):
    in_care(store)
    page = saved(coordinator, f"{RECORD}/observe/symptoms", nrs="5", effective=shown(0))
    assert words(coordinator.get(str(page.request.url))).count("Saved for") == 1
    assert "Saved for" not in words(coordinator.get(PATH))


def test_what_was_undone_stands_in_the_timeline_as_taken_back(coordinator, store):
    in_care(store)
    page = undone(coordinator, saved(coordinator, f"{RECORD}/observe/symptoms", nrs="5", effective=shown(0)))
    assert "taken back by A. Coordinator on 16-Mar-2026" in words(page)
    assert page.text.count('<li class="person gone">') == 1


def test_a_line_of_the_timeline_can_be_undone_later(coordinator, store):
    in_care(store)
    told(store, pain(4), days_ago(2))
    page = coordinator.get(PATH)
    assert (
        "Undo : Symptoms: Pain now, 0 to 10 4 on the pain scale; Compared with before Unchanged, SAMPLE, Ada"
        in words(page)
    )


def test_undoing_what_moved_the_patient_says_what_stays(coordinator, store):
    in_care(store)
    typed = {"nrs": "5", "changed": "yes", "effective": shown(0)}
    page = saved(coordinator, f"{RECORD}/observe/symptoms", **typed)
    assert episode(store).state == "IMAGING_REVIEW"
    after = words(undone(coordinator, page))
    assert "The move to Imaging review stays: a clinician decides what follows." in after
    assert episode(store).state == "IMAGING_REVIEW"


def test_a_red_flag_has_no_undo(coordinator, store):
    flag = flagged(store).seq
    answer = coordinator.post("/undo", data={"episode": f"{NUMBER}-1", "seq": str(flag)})
    assert answer.status_code == 409
    assert "This cannot be undone: this finding raised an alarm" in words(answer)
    assert "Nothing was changed." in words(answer)


def test_the_same_undo_twice_is_once(coordinator, store):
    in_care(store)
    page = saved(coordinator, f"{RECORD}/observe/symptoms", nrs="5", effective=shown(0))
    undone(coordinator, page)
    answer = coordinator.post("/undo", data=offer(page))
    assert answer.status_code == 409
    assert "this finding has been taken back already" in words(answer)


@pytest.mark.parametrize(("name", "seq"), [(f"{NUMBER}-1", "999"), (f"{NUMBER}-7", "1")])
def test_a_line_that_is_not_there_is_not_undone(coordinator, store, name, seq):
    in_care(store)
    answer = coordinator.post("/undo", data={"episode": name, "seq": seq})
    assert answer.status_code == 409
    assert "There is no such line in the journal; nothing was changed." in words(answer)


def test_an_auditor_undoes_nothing(signed_in, store):
    in_care(store)
    auditor = signed_in("auditor")
    assert auditor.post("/undo", data={"episode": f"{NUMBER}-1", "seq": "2"}).status_code == 403
    assert "Saved for" not in words(auditor.get(f"{PATH}?saved={NUMBER}-1.2"))


# ---------------------------------------------------------------- two people on one record


def test_the_second_save_is_refused_with_who_was_first_and_everything_typed(coordinator, signed_in, store):
    seen = str(in_care(store).seq)
    typed = {"nrs": "5", "changed": "yes", "effective": shown(0)}
    saved(signed_in("lead"), f"{RECORD}/observe/symptoms", **typed)
    mine = {"nrs": "3", "note": "much better since Friday", "effective": shown(1)}
    answer = send(coordinator, f"{RECORD}/observe/symptoms", seen=seen, **mine)
    assert answer.status_code == 409
    said = words(answer)
    assert "Somebody else was first, so nothing was saved. What you typed is kept below." in said
    assert "16-Mar-2026 07:30 A. Lead: Moved to Imaging review" in said or "A. Lead: Symptoms" in said
    assert "The patient is now in Imaging review." in said
    assert "much better since Friday</textarea>" in answer.text
    assert 'value="3"' in answer.text
    assert [o.data["nrs"] for o in episode(store).facts("symptoms")] == [5]


def test_saving_anyway_is_a_fresh_look(coordinator, signed_in, store):
    seen = str(in_care(store).seq)
    saved(signed_in("lead"), f"{RECORD}/task/K-DXA", how="done")
    mine = {"nrs": "3", "effective": shown(0)}
    answer = send(coordinator, f"{RECORD}/observe/symptoms", seen=seen, **mine)
    fresh = re.search(r'name="seen" value="(\d+)"', answer.text)[1]
    assert int(fresh) == episode(store).seq
    assert send(coordinator, f"{RECORD}/observe/symptoms", seen=fresh, **mine).status_code == 303


def test_what_the_engine_did_meanwhile_overtakes_only_where_it_moved_the_patient(coordinator, store):
    seen = str(in_care(store).seq)
    told(store, Step("admin", "contact", {"outcome": "reached"}), by="C. Other")
    answer = send(coordinator, f"{RECORD}/task/K-DXA", seen=seen, how="done")
    assert answer.status_code == 409
    assert "C. Other: Talk with the patient: reached" in words(answer)


@pytest.mark.parametrize("seen", ["", "many", "-1"])
def test_a_form_without_the_version_it_saw_overwrites_nobody(coordinator, store, seen):
    in_care(store)
    assert send(coordinator, f"{RECORD}/task/K-DXA", seen=seen, how="done").status_code == 409
