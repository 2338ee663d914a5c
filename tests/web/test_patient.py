"""The patient's page: who it is, where they are, what to do next and why, the past and what lies ahead."""

import re

import pytest
from sqlalchemy import select

from pathway.journal import Step
from persistence import models
from persistence.store import table
from tests.journeys.people import pain
from tests.web.conftest import NOW
from tests.web.people import (
    NUMBER,
    days_ago,
    flagged,
    in_care,
    on,
    part,
    registered,
    shown,
    told,
    with_surgeons,
    words,
)

PATH = f"/patient/{NUMBER}"


def banner(answer):
    return words(re.search(r'<section class="banner.*?</section>', answer.text, re.DOTALL)[0])


def test_the_banner_names_the_patient_by_the_rules(coordinator, store):
    in_care(store)
    said = banner(coordinator.get(PATH))
    assert said.startswith("SAMPLE, Ada Born 01-Jun-1945 (80y) Gender Female No. 999 000 0018")
    assert f"Conservative care since {shown(20)} (20 days)" in said
    assert f"Index fracture L1, {shown(23)} Looked after by B. Hughes" in said
    assert "Last contact Not known Profile default" in said


def test_what_is_not_known_is_said_so(coordinator, store):
    registered(store, birth_date=None, sex=None, fracture_date=None, fracture_date_precision="unknown")
    said = banner(coordinator.get(PATH))
    assert "Born Not known Gender Not known" in said
    assert "date not known, identification stands in" in said


def test_a_fracture_of_which_only_the_month_is_known_says_so(coordinator, store):
    registered(store, fracture_date_precision="month")
    assert "only the month is known" in banner(coordinator.get(PATH))


def test_patients_of_the_same_name_are_an_alert(coordinator, store):
    in_care(store)
    assert "Name alert" not in banner(coordinator.get(PATH))
    for other in ("9990000026", "9990000034"):
        registered(store, other)
    assert "Name alert: 2 other patients have the same name." in banner(coordinator.get(PATH))


def test_the_dead_look_different_and_age_no_further(coordinator, store):
    in_care(store)
    told(store, Step("admin", "death", {"date": on(2)}))
    page = coordinator.get(PATH)
    assert 'class="banner dead"' in page.text
    assert f"Deceased {shown(2)}" in banner(page)


def test_a_made_up_patient_is_marked_as_one(signed_in, house, store):
    in_care(store)
    object.__setattr__(house, "simulation", True)
    page = signed_in("coordinator").get(PATH)
    assert "Simulation" in banner(page)
    assert "<title>SIMULATION" in page.text


def test_each_piece_of_work_says_who_acts_why_and_on_which_sources(coordinator, store):
    in_care(store)
    said = part(coordinator.get(PATH), "Do next")
    assert "Obtain bone densitometry [E]" in said
    assert "A coordinator acts" in said
    assert "Not known Bone densitometry (DXA) (Lowest T-score)" in said
    assert "Rule K-DXA: opens at registration, closes when a T-score is recorded" in said
    assert "S3-36" in said


def test_red_flags_come_first_and_say_that_nobody_is_called(coordinator, store):
    flagged(store)
    said = part(coordinator.get(PATH), "Do next")
    assert said.startswith("Do next ⚑ Red flag: a clinician must act now")
    assert "Red flag: Neurological deficit. This program does not call anyone. Phone now." in said


def test_a_finding_that_is_too_old_counts_as_missing(coordinator, store):
    in_care(store, days=40)
    told(store, pain(6), days_ago(39))
    told(store, pain(6, effective=on(30)), days_ago(29))
    store.settle(NOW)
    said = part(coordinator.get(PATH), "Do next")
    assert f"6 on the pain scale ({shown(30)}, too old to count)" in said
    assert "Not known Symptoms (" in said


def test_what_the_sources_recommend_says_why(coordinator, store):
    registered(store)
    said = part(coordinator.get(PATH), "Recommendations of the sources")
    assert "Obtain an MRI of the spine without contrast" in said
    assert "Here: no MRI or CT is on file." in said
    assert "Not known whether MRI is contraindicated" in said


def test_decisions_are_offered_or_say_why_not_yet(coordinator, store):
    registered(store)
    page = coordinator.get(PATH)
    said = part(page, "Decisions possible here")
    assert "A clinician starts conservative care" in said
    assert "not possible yet, because no complete neurological examination is recorded" in said
    assert f"{PATH}/record/decide/refer_surgery?episode=1" in page.text


def test_the_past_opens_its_evidence(coordinator, store):
    in_care(store)
    said = part(coordinator.get(PATH), "Timeline")
    assert "A clinician starts conservative care. Moved to Conservative care (rule TR-02) by Dr C. Demo" in said
    assert "Because a complete neurological examination is recorded" in said
    assert "S0-02" in said


def test_late_and_corrected_and_retracted_lines_are_shown_as_such(coordinator, store):
    in_care(store)
    told(store, pain(6, obs_id="first", effective=on(13)), days_ago(10))
    told(store, Step("correct", "observation", {"obs_id": "first", "reason": "wrong patient"}), days_ago(9))
    told(store, Step("correct", "fracture_date", {"value": on(25), "reason": "old film"}), days_ago(8))
    said = part(coordinator.get(PATH), "Timeline")
    assert "recorded 3 days late" in said
    assert f"taken back by B. Hughes on {shown(9)}" in said
    assert f"Corrected: fracture date from {shown(23)} to {shown(25)}" in said
    assert "correction" in said


def test_what_was_not_done_stands_directly_under_today(coordinator, store):
    in_care(store)
    said = part(coordinator.get(PATH), "Timeline")
    today, overdue, ahead = (
        said.index(t) for t in ("Today, Mon 16-Mar-2026", "Planned and not done", "If nobody acts")
    )
    assert today < overdue < ahead
    assert "Record calcium and vitamin D intake at or above both floors [E] ▲ 13 days overdue" in said[overdue:ahead]
    assert "Four-week reassessment → Reassessment" in said[ahead:]


def test_several_episodes_are_one_click_apart(coordinator, store):
    in_care(store, days=60)
    told(store, Step("new_fracture", data={"level": "L2", "fracture_date": on(4), "owner": "B. Hughes"}), days_ago(2))
    page = coordinator.get(PATH)
    assert "Episode 2 (L2), Acute assessment" in words(page)
    assert "Index fracture L1" in banner(coordinator.get(f"{PATH}?episode=1"))
    assert coordinator.get(f"{PATH}?episode=9").status_code == 404


def test_a_referral_shows_its_loop_and_what_is_still_silent(coordinator, store):
    with_surgeons(store)
    said = part(coordinator.get(PATH), "Referrals")
    assert f"Surgical referral: sent since {shown(10)}" in said
    assert f"✔ Sent {shown(10)} ○ Acknowledged not yet ○ Appointment on not yet" in said
    assert "Silent for 10 days: nobody has said that it arrived." in said


def test_what_was_known_then_is_marked_and_has_no_forms(coordinator, store):
    in_care(store)
    told(store, pain(9), days_ago(3))
    page = coordinator.get(f"{PATH}?as-of={shown(5)}")
    assert f"What was known on {shown(5)}" in words(page)
    assert "Pain now, 0 to 10 9" not in words(page)
    assert 'method="post" action="/patient' not in page.text
    assert "/record" not in page.text
    assert "Pain now, 0 to 10 9" in words(coordinator.get(PATH))


@pytest.mark.parametrize(("day", "said"), [("31-Feb-2026", "has 28 days"), ("+3", "lies in the future")])
def test_a_day_that_cannot_be_known_is_refused_in_words(coordinator, store, day, said):
    in_care(store)
    answer = coordinator.get(PATH, params={"as-of": day})
    assert answer.status_code == 422
    assert said in words(answer)


def test_before_the_patient_was_known_there_is_no_page(coordinator, store):
    in_care(store)
    assert coordinator.get(f"{PATH}?as-of={shown(90)}").status_code == 404
    answer = coordinator.get("/patient/nobody")
    assert answer.status_code == 404
    assert "There is no such patient or episode, or they were not known then." in words(answer)


def test_every_view_is_kept_with_who_looked(coordinator, store):
    in_care(store)
    coordinator.get(PATH)
    coordinator.get(f"{PATH}/record/observe/symptoms")
    views = table(models.Viewing)
    with store.database.reading() as connection:
        seen = connection.execute(select(views).where(views.c.patient_id == NUMBER)).all()
    assert [(row.email, row.role, row.at) for row in seen] == [("coordinator@example.org", "coordinator", NOW)] * 2


def test_an_auditor_reads_and_records_nothing(signed_in, store):
    in_care(store)
    auditor = signed_in("auditor")
    page = auditor.get(PATH)
    assert page.status_code == 200
    assert f"{PATH}/record" not in page.text
    assert "/undo" not in page.text


@pytest.mark.parametrize("path", ["", "/record", "/red-flags", "/record/observe/symptoms"])
def test_an_administrator_sees_no_patient(signed_in, store, path):
    in_care(store)
    answer = signed_in("administrator").get(PATH + path)
    assert answer.status_code == 403
    assert "SAMPLE" not in answer.text


@pytest.mark.parametrize("path", ["/record", "/red-flags", "/record/observe/symptoms"])
def test_an_auditor_reaches_no_form(signed_in, store, path):
    in_care(store)
    auditor = signed_in("auditor")
    assert auditor.get(PATH + path).status_code == 403
    if path != "/record":
        assert auditor.post(PATH + path, data={}).status_code == 403
