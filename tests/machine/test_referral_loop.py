"""What comes back from a service after a referral was sent: told in order, kept, replayed, and moving nobody."""

import pytest

from coordinator.telling import tell
from pathway.episode import from_document, to_document
from pathway.journal import Step
from pathway.referral_loop import STEPS
from tests.journeys.people import ENGINE, GUIDELINE, happened
from tests.machine.places import in_care, with_augmentation_proposed, with_augmentation_sent, with_red_flag


def came(step: str, day: str | None = None, service: str = "augmentation") -> Step:
    """Sent on 6 April 2026 in these stories."""
    dated = {"date": day} if day else {}
    return happened("referral_progress", actor="coordinator", service=service, step=step, **dated)


def test_every_step_is_kept_with_its_day_and_moves_nobody():
    clinic = with_augmentation_sent().at("2026-04-30 10:00")
    before = (clinic.place, clinic.open_tasks, clinic.story)
    days = ("2026-04-08", "2026-04-20", "2026-04-20", "2026-04-29")
    clinic.tell(*map(came, STEPS, days))
    assert clinic.episode.open_referral("augmentation").progress == tuple(zip(STEPS, days, strict=True))
    assert (clinic.place, clinic.open_tasks, clinic.story) == before


def test_a_step_without_a_day_came_today():
    clinic = with_augmentation_sent().at("2026-04-08 10:00").tell(came("acknowledged"))
    assert clinic.episode.open_referral("augmentation").progress == (("acknowledged", "2026-04-08"),)


def test_an_appointment_may_lie_ahead_and_may_be_moved():
    clinic = with_augmentation_sent().at("2026-04-08 10:00")
    clinic.tell(came("dated", "2026-05-02"), came("dated", "2026-05-09"))
    assert clinic.episode.open_referral("augmentation").progress == (("dated", "2026-05-09"),)
    (line,) = list(tell(clinic.world.journals[clinic.episode.id][-1:], GUIDELINE))
    assert line.what == "Referral to augmentation: appointment on 09-May-2026, not 02-May-2026"


@pytest.mark.parametrize(
    ("step", "code"),
    [
        (came("acknowledged", "2026-04-05"), "DATE_ORDER"),
        (came("acknowledged", "2026-05-03"), "FUTURE_DATE"),
        (came("letter", "2026-04-11"), "DATE_ORDER"),
        (came("acknowledged", "2026-04-21"), "DATE_ORDER"),
        (came("attended", "yesterday"), "OUT_OF_RANGE"),
        (came("lost"), "OUT_OF_RANGE"),
        (came("acknowledged", service="surgery"), "STATE"),
        (came("acknowledged", service=""), "STATE"),
    ],
)
def test_what_does_not_fit_is_refused_and_changes_nothing(step, code):
    clinic = with_augmentation_sent().at("2026-04-28 10:00").tell(came("attended", "2026-04-20"))
    before = clinic.episode.referrals
    assert clinic.refused(step) == code
    assert clinic.episode.referrals == before


@pytest.mark.parametrize("place", [in_care, with_augmentation_proposed, with_red_flag])
def test_nothing_comes_back_from_what_was_never_sent(place):
    clinic = place()
    assert [clinic.refused(came("acknowledged", service=s)) for s in ("augmentation", "surgery")] == ["STATE"] * 2


def test_the_journal_and_the_document_know_it():
    clinic = with_augmentation_sent().at("2026-04-08 10:00").tell(came("acknowledged"))
    again = ENGINE.replay(clinic.world.journals[clinic.episode.id])
    assert again.referrals == clinic.episode.referrals
    assert from_document(to_document(again)) == again


def test_a_referral_of_which_nothing_came_back_is_written_as_before():
    (row,) = to_document(with_augmentation_sent().episode)["referrals"]
    assert "progress" not in row
