"""Why a patient is on a list or not: the answer agrees with the list, and says it in a sentence."""

from datetime import timedelta

import pytest

from persistence.why_listed import why_listed
from persistence.work_page import TABS, View, work_page
from tests.journeys.people import happened
from tests.persistence.cohorts import EVENING
from tests.persistence.shelf import CARE, OPENED, tell

MINE = ("A. Okafor (demo)",)


@pytest.mark.parametrize("filters", [{}, {"role": "clinician", "owners": MINE}, {"red_only": True}])
@pytest.mark.parametrize("tab", TABS)
def test_the_answer_is_the_list(cohort, tab, filters):
    # One site has the day after already.
    at, view = EVENING, View(tab, **filters)
    listed = {(row.item.episode, row.item.code) for row in work_page(cohort, at, view, size=1000).rows}
    answers = [why for patient in cohort.patients() for why in why_listed(cohort, patient, at, view)]
    assert {(why.episode, task.code) for why in answers for task in why.tasks if task.listed} == listed
    for why in answers:
        assert bool(why.tasks) != bool(why.reasons), "each episode has work, or a reason why it has none"
        assert all(task.listed != bool(task.reasons) for task in why.tasks)


def sentences(store, at, view=None, code=None, patient="P1"):
    (why,) = why_listed(store, patient, at, view or View())
    found = {task.code: [because.sentence for because in task.reasons] for task in why.tasks}
    return found[code] if code else [because.sentence for because in why.reasons]


def test_each_reason_is_a_sentence(store):
    tell(store, *CARE, happened("assign", owner="B. Hughes", actor="coordinator"))
    assert sentences(store, OPENED, code="K-CAVITD") == []
    assert sentences(store, OPENED, code="K-DXA") == ["Not due before 02-Feb-2026."]
    others = View(owners=MINE, role="clinician")
    assert sentences(store, OPENED, others, "K-CAVITD") == [
        "The patient is looked after by B. Hughes.",
        "It is work of a coordinator.",
    ]
    assert sentences(store, OPENED, View("overdue"), "K-CAVITD") == ["Not overdue before 13-Jan-2026."]
    late = OPENED + timedelta(days=10)
    assert sentences(store, late, View("today"), "K-CAVITD") == ["Overdue since 12-Jan-2026, so no longer due today."]


def test_a_closed_episode_says_so(store):
    tell(store, *CARE, happened("death"))
    assert sentences(store, OPENED) == ["The episode is closed: Deceased."]
