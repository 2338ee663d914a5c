"""As things stood then: what is made again of the lines up to an instant is what was stored at that instant."""

from datetime import timedelta
from itertools import count

import pytest
from hypothesis import given, settings

from pathway.episode import to_document
from pathway.errors import NoSuchPatient
from persistence.history import case_as_of, episodes_as_of
from persistence.verify import verify
from persistence.worklist import worklist
from tests.journeys.histories import histories
from tests.journeys.people import WHY, corrected, decided, examined, observed, pain, scanned
from tests.persistence.shelf import CARE, OPENED, documents, tell, tell_history

NUMBER = count(1)


@settings(max_examples=10)
@given(histories())
def test_what_was_stored_at_an_instant_can_be_seen_again(shelf, history):
    patient = f"H{next(NUMBER)}"
    # Of several steps at one instant the last is what was known at it.
    stored = dict(tell_history(shelf, history, patient))
    for instant, documents_then in stored.items():
        found = sorted(episodes_as_of(shelf, instant, patient), key=lambda e: e.n)
        assert [to_document(episode) for episode in found] == documents_then


@settings(max_examples=5)
@given(histories())
def test_every_stored_history_verifies(shelf, history):
    patient = f"V{next(NUMBER)}"
    assert [*tell_history(shelf, history, patient)]
    assert verify(shelf).problems == []


def test_a_finding_that_was_taken_back_is_seen_as_it_was_before(store):
    tell(store, *CARE)
    tell(store, scanned("2026-01-05", collapse_pct=30, obs_id="x"), at=OPENED + timedelta(days=2))
    tell(store, corrected("observation", obs_id="x"), at=OPENED + timedelta(days=4))
    values = [
        next(iter(episodes_as_of(store, OPENED + timedelta(days=day), "P1"))).value("imaging", "collapse_pct")
        for day in (1, 3, 5)
    ]
    assert values == [8.0, 30, 8.0]


def test_late_news_was_not_known_before_it_came(store):
    tell(store, *CARE)
    tell(store, pain(8, effective="2026-01-06"), at=OPENED + timedelta(days=10))
    before = next(iter(episodes_as_of(store, OPENED + timedelta(days=9), "P1")))
    assert before.latest("symptoms") is None


def test_nobody_was_known_before_they_came(store):
    tell(store, *CARE)
    assert list(episodes_as_of(store, OPENED - timedelta(seconds=1))) == []
    with pytest.raises(NoSuchPatient, match="was not known at"):
        case_as_of(store, "P1", OPENED - timedelta(seconds=1))
    with pytest.raises(NoSuchPatient):
        case_as_of(store, "P9", OPENED)


def test_now_is_the_stored_case_itself(store):
    tell(store, *CARE)
    assert case_as_of(store, "P1", None) == store.case("P1")
    assert [to_document(e) for e in case_as_of(store, "P1", OPENED).episodes] == documents(store, "P1")


def test_the_worklist_of_a_past_day_is_what_it_was_on_that_day(store):
    tell(store, *CARE)
    tell(store, *CARE, patient="P2")
    seen = {}
    for day in (1, 9, 29, 45):
        at = OPENED + timedelta(days=day)
        while store.settle(at).fired:
            pass
        seen[at] = worklist(store, at)
    tell(store, examined(motor_deficit=True), observed("dxa", t_score=-2.0), at=OPENED + timedelta(days=50))
    now = OPENED + timedelta(days=60)
    assert {at: worklist(store, now, as_of=at) for at in seen} == seen


def test_a_desk_whose_clock_lags_by_seconds_does_not_make_the_past_unreadable(store):
    """Two machines of one network, the second three seconds behind: both may write, and each line counts."""
    tell(store, *CARE)
    ahead = OPENED + timedelta(days=2, seconds=3)
    tell(store, examined(motor_deficit=True), at=ahead)
    tell(store, decided("overrule_red_flag", **WHY), at=ahead - timedelta(seconds=3))
    for seconds in range(-1, 5):
        assert list(episodes_as_of(store, OPENED + timedelta(days=2, seconds=seconds), "P1"))
