"""What must hold of every patient at every moment, over random histories (see histories.py).

The specification has lost the text of INV-01 to INV-16; what they are taken to be follows from the hazards that
name them and from pathway/invariants.py. A name without a file is in this one.

INV  taken to be                                        held by
01   an open episode has an open task or a clock        test_every_invariant_holds_after_every_step,
                                                        test_every_state_has_the_work_that_leads_out_of_it
02   exactly one known place                            test_every_invariant_holds_after_every_step
03   a recorded red flag moves at once                  test_a_red_flag_moves_at_once_scheduler_or_not
04   only a clinician takes a flag off the table        test_only_a_clinician_stands_a_red_flag_down
05   a critical result on a closed episode is work      test_a_critical_result_is_never_dropped
06   nothing is sent without a clinician                test_nothing_is_sent_without_a_clinician
07   the dead are left alone                            test_every_invariant_holds_after_every_step,
                                                        machine/test_life_cycle.py
08   one open referral a service                        test_every_invariant_holds_after_every_step
09   a milestone is owed until it is satisfied          test_conservative_care_never_sits_on_an_owed_milestone
10   no augmentation before its time without a reason   test_augmentation_is_never_early_without_a_reason
11   no augmentation on old images                      test_augmentation_never_goes_out_on_old_images
12   clocks move by corrections only, never by visits   test_every_clock_stands_on_its_anchor
13   suspicion of malignancy keeps its work-up          test_every_invariant_holds_after_every_step
14   bone work is open until data or a person ends it   test_bone_work_never_gets_lost
15   calcitonin has its stop                            test_every_invariant_holds_after_every_step,
                                                        machine/test_open_questions.py
16   unknown never counts as normal                     rules/test_assessments.py, rules/test_facts.py
17   clock independence                                 test_order_and_time.py
18   zone sanity                                        test_order_and_time.py, timers/test_site_moves.py
19   confluence                                         test_order_and_time.py
20   no uncited advice                                  test_all_advice_and_every_move_cite_lines_that_exist
21   audit completeness                                 test_moves_form_a_chain_with_rule_and_actor,
                                                        test_a_journal_replays_to_the_episode_it_made,
                                                        test_the_words_of_a_journal_add_up_to_the_work_that_is_open
22   idempotence                                        test_order_and_time.py
23   late data is monotone                              test_order_and_time.py
24   monotone profile                                   test_order_and_time.py
25   terminal silence                                   test_every_invariant_holds_after_every_step,
                                                        test_nobody_but_a_clinician_reopens

Not stated: that a reminder reaches the right person (HZ-05) belongs to the scheduler's outbox; that the observation
was filed to the right patient (HZ-14) cannot be known from the data; that nobody is alarmed needlessly (HZ-03) is
measured, not proved.
"""

import json

import pytest
from hypothesis import given

from pathway import assessments
from pathway.advice import advice
from pathway.episode import from_document, to_document
from pathway.guideline import Profile
from pathway.invariants import violations
from pathway.journal import Step
from pathway.owed import owed
from pathway.turn import offset_by
from tests.journeys.histories import History, histories
from tests.journeys.people import BONE_TASKS, ENGINE, GUIDELINE, happened
from tests.journeys.walks import MILESTONES, Moment, asked, caused, journals, moments, walked

LEAVES = {
    "ACUTE_ASSESSMENT": {"K-START"},
    "REASSESSMENT": {"K-REASSESS"},
    "IMAGING_REVIEW": {"K-IMGREV", "K-MALIG"},
    "AUGMENTATION_REFERRAL": {"K-AUG-CONFIRM", "K-AUG-OUTCOME"},
    "SURGICAL_REFERRAL": {"K-SURG-ACK", "K-SURG-OUTCOME"},
}
UNCITED = {"TR-21", "TR-22", "TR-22b"}


def profile_of(history: History) -> Profile:
    return ENGINE.profile(history.profile)


def open_episodes(moment: Moment):
    return [e for e in moment.episodes if not GUIDELINE.is_terminal(e.state)]


# ---------------------------------------------------------------- at every moment


@given(histories())
def test_every_invariant_holds_after_every_step(history):
    for moment in moments(history):
        assert not [v for e in moment.episodes for v in violations(e, GUIDELINE, profile_of(history))]


@given(histories(may_be_down=False))
def test_every_state_has_the_work_that_leads_out_of_it(history):
    for moment in moments(history):
        for episode in open_episodes(moment):
            at_work = {task.code for task in episode.tasks if task.status == "open"}
            clocks = {timer.code for timer in episode.timers if timer.waiting}
            wanted = LEAVES.get(episode.state, set())
            assert at_work & wanted if wanted else at_work | clocks, episode.path


@given(histories(may_be_down=False))
def test_conservative_care_never_sits_on_an_owed_milestone(history):
    for moment in moments(history):
        for episode in open_episodes(moment):
            if episode.state == "CONSERVATIVE_CARE":
                assert not [code for code in MILESTONES if episode.owed(code)]


@given(histories())
def test_every_clock_stands_on_its_anchor(history):
    anchors = {"onset": "onset", "care_start": "care_start", "procedure": "procedure"}
    for moment in moments(history):
        for episode in open_episodes(moment):
            for timer in (t for t in episode.timers if t.waiting):
                rule = GUIDELINE.timers[timer.code]
                if rule.anchor in anchors:
                    value = profile_of(history)[rule.parameter]
                    span = value if rule.parameter_index is None else {"months": value[rule.parameter_index]}
                    assert timer.due == offset_by(getattr(episode, rule.anchor), span), timer


@given(histories())
def test_bone_work_never_gets_lost(history):
    for moment in moments(history):
        for episode in open_episodes(moment):
            for code in BONE_TASKS:
                last = [task for task in episode.tasks if task.code == code][-1]
                ended = last.closed_how in ("data", "done", "declined", "not_applicable")
                assert last.status == "open" or ended, (code, last)


@given(histories())
def test_a_refused_step_changes_nothing_but_the_journal(history):
    before: dict = {}
    for moment in moments(history):
        refused = moment.refusal is not None and not moment.told.up
        after = {e.id: to_document(e) for e in moment.episodes}
        for name, document in after.items() if refused else ():
            kept = {k for k in document if k not in ("seq", "event_ids", "tasks")}
            assert {k: document[k] for k in kept} == {k: before[name][k] for k in kept}
            added = [t["code"] for t in document["tasks"] if t not in before[name]["tasks"]]
            assert set(added) <= {"K-DATAQ"}
        before = after


# ---------------------------------------------------------------- red flags and referrals


@given(histories())
def test_a_red_flag_moves_at_once_scheduler_or_not(history):
    for moment in moments(history):
        for episode in open_episodes(moment):
            assert not episode.open_flags() or episode.state == "SURGICAL_REFERRAL"


@given(histories())
def test_a_critical_result_is_never_dropped(history):
    for moment in moments(history):
        for episode, line in moment.lines:
            late = line.kind == "observe" and GUIDELINE.is_terminal(episode.state)
            if late and any(flag.raised_at == line.recorded_at for flag in episode.flags):
                assert episode.state == "DECEASED" or episode.open_task("K-LATE-RESULT")


@given(histories())
def test_only_a_clinician_stands_a_red_flag_down(history):
    for entry, move in caused(walked(history), "transition"):
        if move.get("from_sub") == "pending_ack":
            handed_over = entry.step.data.get("handover_confirmed") is True
            administrative = entry.step.kind == "death" or (entry.step.kind == "withdraw" and handed_over)
            further_flag = move["rule"] == "TR-03'"
            assert entry.actor == "clinician" or administrative or further_flag, move


@given(histories())
def test_nothing_is_sent_without_a_clinician(history):
    for entry, referral in caused(walked(history), "referral"):
        if referral["status"] == "sent" and referral.get("was") != "on_hold":
            assert (entry.actor, entry.kind) == ("clinician", "decide"), referral


@given(histories())
def test_augmentation_is_never_early_without_a_reason(history):
    profile = profile_of(history)
    for moment in moments(history):
        for episode, entry in sent_for_augmentation(moment):
            start = episode.care_start
            in_time = start and episode.today(moment.told.at) >= offset_by(start, profile["failure_after"])
            early = assessments.early_indications(episode, profile)
            assert in_time or early or entry.step.data.get("override_reason")


@given(histories())
def test_augmentation_never_goes_out_on_old_images(history):
    for moment in moments(history):
        for episode, _ in sent_for_augmentation(moment):
            today = episode.today(moment.told.at)
            assert assessments.imaging_current(episode, profile_of(history), today)


def sent_for_augmentation(moment: Moment):
    return [(e, line) for e, line in moment.lines if "TR-17" in [f.get("rule") for f in line.effects]]


# ---------------------------------------------------------------- the journal


@given(histories())
def test_a_journal_replays_to_the_episode_it_made(history):
    for episode, lines in journals(walked(history)):
        assert to_document(ENGINE.replay(lines)) == to_document(episode)


@given(histories())
def test_the_words_of_a_journal_add_up_to_the_work_that_is_open(history):
    for episode, lines in journals(walked(history)):
        tasks = {
            ("task", t.code, t.n): (t.status, t.due.isoformat(), t.overdue_after.isoformat())
            for t in episode.tasks
            if t.status != "closed"
        }
        clocks = {("timer", t.code, t.due.isoformat()): (t.status,) for t in episode.timers if t.waiting}
        assert owed(effect for entry in lines for effect in entry.effects) == tasks | clocks


@given(histories())
def test_an_episode_survives_its_own_document(history):
    for episode, _ in journals(walked(history)):
        assert from_document(json.loads(json.dumps(to_document(episode)))) == episode


@given(histories())
def test_moves_form_a_chain_with_rule_and_actor(history):
    for episode, lines in journals(walked(history)):
        assert [entry.seq for entry in lines] == list(range(1, len(lines) + 1))
        moves = [effect for entry in lines for effect in entry.effects if effect["event"] == "transition"]
        assert [move.get("from") for move in moves] == [None, *(move["to"] for move in moves[:-1])]
        assert moves[-1]["to"] == episode.state
        assert all(move["rule"] and move["actor"] and move["profile"] for move in moves)


@given(histories())
def test_all_advice_and_every_move_cite_lines_that_exist(history):
    for moment in moments(history):
        for episode in moment.episodes:
            today = episode.today(moment.told.at)
            for shown in advice(episode, GUIDELINE, profile_of(history), today):
                assert_citable(shown.rule.cites)
    for _, move in caused(moment.world, "transition"):
        if move["rule"] not in UNCITED:
            assert_citable(move["cites"])


def assert_citable(cites) -> None:
    assert cites
    assert all(GUIDELINE.sources[c].citable and not GUIDELINE.sources[c].truncated for c in cites), cites


# ---------------------------------------------------------------- closed is closed


@given(histories())
def test_nobody_but_a_clinician_reopens(history):
    ways = [happened("death_correction", actor="coordinator"), Step("decide", "reopen", {"reason": "asked"})]
    moment = [*moments(history)][-1]
    for episode in (e for e in moment.episodes if GUIDELINE.is_terminal(e.state)):
        for step in ways:
            after, refusal = asked(episode, step, moment.told)
            assert refusal and after.state == episode.state


@pytest.mark.parametrize("state", [s for s in GUIDELINE.states if not GUIDELINE.is_terminal(s)])
def test_every_active_state_is_on_a_worklist(state):
    assert GUIDELINE.states[state].worklist
