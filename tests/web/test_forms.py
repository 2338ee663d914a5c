"""Every observation, decision, correction and administrative step has a form that keeps what people typed."""

import re

import pytest

from coordinator.web.patient import deciding
from pathway.deciding import DECISION_KINDS
from pathway.facts import FIELDS
from pathway.journal import Step
from tests.journeys.people import GUIDELINE, pain
from tests.web.conftest import NOW
from tests.web.people import (
    NAME,
    NUMBER,
    days_ago,
    episode,
    flagged,
    in_care,
    on,
    registered,
    saved,
    send,
    shown,
    told,
    with_surgeons,
    words,
)

PATH = f"/patient/{NUMBER}"
RECORD = f"{PATH}/record"
ANSWERS = {"yes_no": "yes", "text": "as told", "date": shown(1), "levels": "L1"}


def lines(store):
    return store.journal(episode(store).id)


def controls(page):
    """The name of every control of the form that records, but what it hides."""
    form = re.search(r'<form method="post" action="/patient.*?</form>', page, re.DOTALL)[0]
    shown_ones = re.sub(r'<input type="hidden"[^>]*>', "", form)
    return set(re.findall(r'<(?:input|select|textarea)[^>]* name="(\w+)"', shown_ones))


# ---------------------------------------------------------------- observations


@pytest.mark.parametrize("kind", FIELDS)
def test_every_kind_of_observation_asks_for_all_its_fields_and_presumes_nothing(coordinator, store, kind):
    registered(store)
    page = coordinator.get(f"{RECORD}/observe/{kind}").text
    assert controls(page) >= {*FIELDS[kind], "note"}
    assert " checked" not in page
    assert " selected" not in page
    answers = {name: _answer(spec) for name, spec in FIELDS[kind].items()}
    sent = {**answers, "effective": shown(1), "note": "by telephone", "stage": "checked"}
    answer = send(coordinator, f"{RECORD}/observe/{kind}", **sent)
    assert answer.status_code == 303, words(answer)
    (observed,) = episode(store).observations
    assert observed.kind == kind
    assert observed.data.keys() >= FIELDS[kind].keys()
    assert observed.data["note"] == "by telephone"


def _answer(spec):
    if spec.shape == "number":
        return next(str(n) for n in (0, 20, 150) if spec.fits(n))
    return spec.choices[0] if spec.shape == "one_of" else ANSWERS[spec.shape]


def test_a_lists_first_choice_is_not_known_and_what_is_not_asked_stays_unknown(coordinator, store):
    registered(store)
    page = coordinator.get(f"{RECORD}/observe/symptoms").text
    assert re.search(r'<select id="q-trend"[^>]*><option value="">Not known</option>', page)
    page = saved(coordinator, f"{RECORD}/observe/symptoms", nrs="6", changed="unknown", trend="", effective=shown(0))
    (observed,) = episode(store).observations
    assert dict(observed.data) == {"nrs": 6}
    assert "Saved for SAMPLE, Ada , Born 01-Jun-1945, No. 999 000 0018" in words(page)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"nrs": "11"}, "Pain now, 0 to 10 was 11; expected a whole number from 0 to 10 on the pain scale."),
        ({"nrs": "six"}, "Pain now, 0 to 10: 'six' is not a number"),
        ({"nrs": "nan"}, "'nan' is not a number"),
        ({"nrs": "6", "effective": "31-Feb-2026"}, "'31-Feb-2026' is not a day that exists"),
        ({"nrs": "6", "effective": "+2"}, "this day lies in the future"),
        ({"nrs": "6", "effective": "01-Jan-1940"}, "before the birth of the patient"),
        ({"nrs": "6", "effective": ""}, "Date: this must be answered."),
        ({"nrs": "6", "trend": "sideways"}, "'sideways' is not one of the choices"),
        ({"nrs": "8", "resolved": "yes"}, "pain is said to be resolved but scored 8/10"),
        ({}, "Nothing is answered yet"),
    ],
)
def test_what_does_not_fit_comes_back_with_its_sentence_and_everything_typed(coordinator, store, typed, said):
    registered(store)
    before = len(lines(store))
    sent = {"effective": shown(0), "note": "he said so himself", **typed}
    answer = send(coordinator, f"{RECORD}/observe/symptoms", **sent)
    assert answer.status_code == 422
    assert said in words(answer)
    assert "Nothing was saved." in words(answer)
    assert "he said so himself</textarea>" in answer.text
    assert all(
        f'value="{text}"' in answer.text for name, text in typed.items() if name in ("nrs", "effective") and text
    )
    assert len(lines(store)) == before


def test_days_may_be_typed_as_days_from_today_and_come_back_with_their_weekday(coordinator, store):
    registered(store)
    answer = send(coordinator, f"{RECORD}/observe/symptoms", nrs="77", effective="-3")
    assert "Fri 13-Mar-2026" in words(answer)
    saved(coordinator, f"{RECORD}/observe/symptoms", nrs="7", effective="-3")
    (observed,) = episode(store).observations
    assert observed.effective.isoformat() == on(3)


def test_a_finding_that_raises_an_alarm_is_looked_at_once_more(coordinator, store):
    in_care(store)
    before = len(lines(store))
    typed = {"motor_deficit": "yes", "effective": shown(0)}
    page = send(coordinator, f"{RECORD}/observe/neuro_exam", **typed)
    assert page.status_code == 200
    said = words(page)
    assert "Check your answers" in said
    assert "ALERT Red flag: Neurological deficit" in said
    assert "Moves to Surgical referral (red flag, waiting for a clinician, nothing sent) (rule TR-03)" in said
    assert "Opens work: Red flag: a clinician must act now [K-SURG-ACK]" in said
    assert "The clinician, at once (alert). This program does not call anyone: phone now." in said
    assert len(lines(store)) == before
    saved(coordinator, f"{RECORD}/observe/neuro_exam", **typed, stage="checked")
    assert episode(store).state == "SURGICAL_REFERRAL"


def test_the_second_look_keeps_the_answers_and_has_no_button_by_default(coordinator, store):
    in_care(store)
    typed = {"motor_deficit": "yes", "effective": shown(0), "note": 'she said "since <Monday>"'}
    page = send(coordinator, f"{RECORD}/observe/neuro_exam", **typed).text
    form = re.search(r'<form method="post" action="/patient.*?</form>', page, re.DOTALL)[0]
    buttons = re.findall(r"<button[^>]*>", form)
    assert buttons == ['<button name="stage" value="change">', '<button name="stage" value="checked">']
    assert "autofocus" not in form
    back = send(coordinator, f"{RECORD}/observe/neuro_exam", **typed, stage="change")
    assert "since &lt;Monday&gt;" in back.text
    assert re.search(r'name="motor_deficit" value="yes" checked', back.text)


# ---------------------------------------------------------------- decisions


def test_every_decision_of_the_pathway_has_a_form_that_asks_what_its_guards_want(clinician, store):
    registered(store)
    kinds = set()
    for kind, fixed in deciding.decisions():
        page = clinician.get(f"{RECORD}/decide/{kind}", params=fixed)
        assert page.status_code == 200, (kind, fixed)
        assert "reason" in controls(page.text)
        kinds.add(kind)
    assert kinds == set(DECISION_KINDS)


def test_a_decision_says_what_follows_before_it_is_saved(clinician, store):
    in_care(store)
    before = len(lines(store))
    typed = {"reason": "progressive weakness at night"}
    page = send(clinician, f"{RECORD}/decide/refer_surgery", **typed)
    assert page.status_code == 200
    assert "Moves to Surgical referral (sent) (rule TR-16), because progressive weakness at night" in words(page)
    assert "Opens work: Find out what became of the surgical referral [K-SURG-OUTCOME]" in words(page)
    assert len(lines(store)) == before
    page = saved(clinician, f"{RECORD}/decide/refer_surgery", **typed, stage="checked")
    assert episode(store).path == "SURGICAL_REFERRAL.sent"
    assert "No undo: this is not routine work, so it is not undone by one click." in words(page)
    (entry,) = (line for line in lines(store) if line.step.kind == "refer_surgery")
    assert (entry.actor, entry.step.by) == ("clinician", "A. Clinician")


def test_a_coordinator_who_decides_what_a_clinician_must_is_told_so_and_it_is_kept(coordinator, store):
    in_care(store)
    page = coordinator.get(f"{RECORD}/decide/refer_surgery")
    assert "The pathway asks for a clinician here. As a coordinator you will be refused." in words(page)
    answer = send(coordinator, f"{RECORD}/decide/refer_surgery", reason="she asked for it")
    assert answer.status_code == 409
    assert "refer surgery needs a clinician; coordinator may not. Nothing was saved." in words(answer)
    assert "she asked for it</textarea>" in answer.text
    assert lines(store)[-1].refusal.code == "ROLE"
    assert episode(store).state == "CONSERVATIVE_CARE"


def test_what_is_not_possible_yet_is_refused_with_the_engines_sentence(clinician, store):
    registered(store)
    answer = send(clinician, f"{RECORD}/decide/start_conservative", care_start=shown(0))
    assert answer.status_code == 409
    assert "no complete neurological examination is recorded" in words(answer)


def test_the_outcome_of_a_referral_is_chosen_in_its_form(coordinator, store):
    with_surgeons(store)
    page = coordinator.get(f"{RECORD}/decide/referral_outcome?service=surgery")
    assert "Surgical service advises conservative care" in words(page)
    typed = {"outcome": "conservative_advised", "stage": "checked"}
    saved(coordinator, f"{RECORD}/decide/referral_outcome?service=surgery", **typed)
    assert episode(store).state == "CONSERVATIVE_CARE"


# ---------------------------------------------------------------- administration and corrections


def test_a_death_says_what_it_calls_off_before_it_is_saved(coordinator, store):
    with_surgeons(store)
    page = send(coordinator, f"{RECORD}/admin/death", date=shown(1))
    assert page.status_code == 200
    said = words(page)
    assert "Moves to Deceased" in said
    assert "The coordinator (notice)." in said
    assert episode(store).state == "SURGICAL_REFERRAL"
    saved(coordinator, f"{RECORD}/admin/death", date=shown(1), stage="checked")
    assert episode(store).state == "DECEASED"


@pytest.mark.parametrize("kind", ["withdraw", "transfer_out", "death", "move_site"])
def test_every_administrative_step_of_weight_is_looked_at_once_more(clinician, store, kind):
    in_care(store)
    typed = {"reason": "moved abroad", "timezone": "Europe/Paris"}
    page = send(clinician, f"{RECORD}/admin/{kind}", **typed)
    assert page.status_code == 200
    assert "Check your answers" in words(page)
    assert episode(store).zone == "Europe/London"
    saved(clinician, f"{RECORD}/admin/{kind}", **typed, stage="checked")


def test_a_talk_is_kept_with_how_it_ended(coordinator, store):
    in_care(store)
    page = saved(coordinator, f"{RECORD}/admin/contact", outcome="left_message", note="with the daughter")
    assert "Talk with the patient: left message: with the daughter" in words(page)
    assert f"Last contact {shown(0)} (left message)" in words(page)


def test_work_is_ticked_off_or_declined_with_a_reason(coordinator, clinician, store):
    in_care(store)
    saved(coordinator, f"{RECORD}/task/K-DXA", how="done")
    assert episode(store).open_task("K-DXA") is None
    answer = send(clinician, f"{RECORD}/task/K-OPRX", how="declined")
    assert answer.status_code == 409
    assert "needs a reason" in words(answer)
    typed = {"how": "declined", "reason": "the patient does not want it"}
    assert send(clinician, f"{RECORD}/task/K-OPRX", **typed).status_code == 200
    saved(clinician, f"{RECORD}/task/K-OPRX", **typed, stage="checked")
    assert episode(store).open_task("K-OPRX") is None


def test_work_that_data_alone_closes_cannot_be_ticked_off(coordinator, store):
    registered(store)
    assert 'action="/patient/9990000018/record/task/K-NEURO"' not in coordinator.get(PATH).text
    answer = send(coordinator, f"{RECORD}/task/K-NEURO", how="done")
    assert "K-NEURO closes only when a complete examination is recorded; it cannot be ticked off" in words(answer)


def test_work_waits_until_a_day_and_red_flags_never(coordinator, store):
    flagged(store)
    page = saved(coordinator, f"{RECORD}/admin/look_again?code=K-DXA", until="+14", reason="appointment is booked")
    assert "Set aside until Mon 30-Mar-2026: appointment is booked" in words(page)
    assert "look_again?episode=1&amp;code=K-SURG-ACK" not in page.text
    answer = send(coordinator, f"{RECORD}/admin/look_again?code=K-SURG-ACK", until="+14", reason="later")
    assert "red-flag work, which is never set aside" in words(answer)


def test_what_comes_back_of_a_referral_is_told_step_by_step(coordinator, store):
    with_surgeons(store)
    progress = f"{RECORD}/admin/referral_progress?service=surgery&step="
    page = saved(coordinator, f"{progress}acknowledged", date=shown(9))
    assert f"✔ Acknowledged {shown(9)}" in words(page)
    assert "Silent for 9 days: no appointment is known." in words(page)
    page = saved(coordinator, f"{progress}dated", date="+7")
    assert "The appointment is on 23-Mar-2026." in words(page)
    answer = send(coordinator, f"{progress}attended", date=shown(1))
    assert "does not fit dated on 23-Mar-2026; nothing was saved" in words(answer)


def test_a_patient_passes_to_a_colleague_of_the_house(coordinator, store):
    in_care(store)
    page = saved(coordinator, f"{RECORD}/admin/assign", owner="A. Lead")
    assert "Looked after by A. Lead" in words(page)
    answer = send(coordinator, f"{RECORD}/admin/assign", owner="Nobody Known")
    assert answer.status_code == 422
    assert episode(store).owner == "A. Lead"


def test_a_date_is_corrected_after_a_second_look(coordinator, store):
    in_care(store)
    typed = {"value": shown(24), "precision": "day", "reason": "found on the old film"}
    page = send(coordinator, f"{RECORD}/correct/fracture_date", **typed)
    assert "Sets a clock: Eight-week imaging question of 17-Apr-2026" in words(page)
    page = saved(coordinator, f"{RECORD}/correct/fracture_date", **typed, stage="checked")
    assert f"Corrected: fracture date from {shown(23)} to {shown(24)}" in words(page)
    assert episode(store).onset.isoformat() == on(24)


def test_a_finding_is_taken_back_with_a_reason(coordinator, store):
    in_care(store)
    told(store, pain(6, obs_id="mine"), days_ago(2))
    typed = {"reason": "another patient's score", "stage": "checked"}
    assert send(coordinator, f"{RECORD}/correct/observation?obs=mine", stage="checked").status_code == 422
    page = saved(coordinator, f"{RECORD}/correct/observation?obs=mine", **typed)
    assert "taken back by A. Coordinator on 16-Mar-2026" in words(page)


def test_a_further_fracture_opens_an_episode_of_its_own(coordinator, store):
    in_care(store)
    typed = {"level": "L2", "fracture_date": shown(2), "fracture_date_precision": "day", "owner": "A. Lead"}
    typed["identification_date"] = shown(0)
    assert send(coordinator, f"{RECORD}/new_fracture/fracture", **typed).status_code == 200
    saved(coordinator, f"{RECORD}/new_fracture/fracture", **typed, stage="checked")
    assert [e.level for e in store.case(NUMBER).episodes] == ["L1", "L2"]


# ---------------------------------------------------------------- the list, dialogs, and what is not there


def test_the_list_of_what_can_be_recorded_begins_with_what_is_common_and_opens_every_form(clinician, store):
    in_care(store)
    page = clinician.get(RECORD)
    titles = re.findall(r"<h2[^>]*>(.*?)</h2>", page.text)
    assert titles[:5] == ["Often recorded", "Other findings", "Decisions", "Administration", "Corrections"]
    addresses = {href.replace("&amp;", "&") for href in re.findall(rf'href="({RECORD}/[^"]+)"', page.text)}
    assert len(addresses) > len(FIELDS) + len(deciding.ADMIN_KINDS)
    assert {a for a in addresses if clinician.get(a).status_code != 200} == set()


def test_from_a_row_of_work_what_finishes_it_comes_first(coordinator, store):
    in_care(store)
    page = coordinator.get(f"{RECORD}?episode=1&task=K-DXA", headers={"X-Fragment": "sheet"})
    said = words(page)
    assert said.index("No. 999 000 0018") < said.index("Obtain bone densitometry") < said.index("Often recorded")
    assert "Record: Bone densitometry (DXA)" in said
    assert "<h1" not in page.text


def test_a_form_opens_in_a_dialog_as_a_part_that_names_the_patient(coordinator, store):
    in_care(store)
    answer = coordinator.get(f"{RECORD}/observe/dxa", headers={"X-Fragment": "sheet"})
    assert answer.text.lstrip().startswith('<section class="banner"')
    assert NAME in answer.text
    assert "<h1" not in answer.text


@pytest.mark.parametrize(
    "path",
    [
        "/observe/horoscope",
        "/decide/hope",
        "/admin/unreached",
        "/task/K-NOTHING",
        "/correct/name",
        "/correct/observation?obs=none",
        "/admin/look_again",
        "/admin/referral_progress?service=surgery&step=lost",
        "/system/timer",
        "/decide/refer_surgery?outcome=perhaps",
    ],
)
def test_what_has_no_form_is_not_there(clinician, store, path):
    in_care(store)
    assert clinician.get(RECORD + path).status_code == 404
    assert clinician.post(RECORD + path, data={}).status_code == 404


def test_nobody_acts_in_another_role_or_name_by_typing_it(coordinator, store):
    in_care(store)
    typed = {"nrs": "5", "effective": shown(0), "actor": "clinician", "by": "Dr Somebody"}
    saved(coordinator, f"{RECORD}/observe/symptoms", **typed)
    entry = lines(store)[-1]
    assert (entry.actor, entry.step.by, entry.recorded_at) == ("coordinator", "A. Coordinator", NOW)


def test_a_lead_records_as_a_coordinator(signed_in, store):
    in_care(store)
    saved(signed_in("lead"), f"{RECORD}/observe/symptoms", nrs="5", effective=shown(0))
    assert (lines(store)[-1].actor, lines(store)[-1].step.by) == ("coordinator", "A. Lead")


def test_after_saving_nobody_is_sent_to_another_site(coordinator, store):
    in_care(store)
    answer = send(coordinator, f"{RECORD}/task/K-DXA", how="done", back="//elsewhere.example/x")
    assert answer.headers["location"].startswith(PATH)
    answer = send(coordinator, f"{RECORD}/task/K-OPRX", how="done", back="/?due=now")
    assert answer.headers["location"].startswith("/?due=now&saved=9990000018-1.")


def test_every_guideline_step_asks_of_its_author_what_the_form_says():
    for kind, fixed in deciding.decisions():
        form = deciding.decision_form(kind, fixed, GUIDELINE, NOW.date())
        trigger = deciding.trigger_of(kind, fixed)
        assert form.needs == next(rule.actor for rule in GUIDELINE.transitions if rule.trigger == trigger)


def test_a_step_told_outside_the_screens_has_no_form_here(coordinator, store):
    in_care(store)
    assert coordinator.get(f"{RECORD}/admin/unreached").status_code == 404
    assert Step("admin", "unreached").kind not in deciding.ADMIN_KINDS
