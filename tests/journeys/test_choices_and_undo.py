"""What the engine says may be done is what it accepts, and what may be undone makes nobody less safe: over random
histories (see histories.py)."""

from hypothesis import given, settings

from pathway.choices import STATABLE, choices
from pathway.deciding import OUTCOMES, TRIGGERS
from pathway.episode import Episode, to_document
from pathway.journal import Step
from pathway.undoing import no_undo_because, undo_of
from tests.journeys.histories import histories, possible
from tests.journeys.people import ENGINE, GUIDELINE
from tests.journeys.walks import Moment, asked, journals, moments


def settled(episode: Episode, moment: Moment) -> Episode:
    change = ENGINE.settle(episode, moment.told.at)
    return change.episode if change else episode


@settings(max_examples=20)
@given(histories())
def test_what_is_possible_is_accepted_and_leads_where_it_says_and_the_rest_is_refused(history):
    moment = [*moments(history)][-1]
    for episode in moment.episodes:
        for choice in choices(episode, ENGINE, moment.told.at):
            stated = {name: STATABLE[name] for name in choice.required}
            step = Step(choice.event, choice.kind, {**choice.data, **stated}, choice.role)
            after, refusal = asked(settled(episode, moment), step, moment.told)
            assert (refusal is None) is choice.possible, (choice, refusal)
            if refusal is None:
                assert choice.leads_to == GUIDELINE.states[after.state].shown(after.sub)
            else:
                assert refusal.because in choice.because


@settings(max_examples=20)
@given(histories())
def test_every_trigger_that_has_a_meaning_is_offered_once_or_more_and_asking_changes_nothing(history):
    moment = [*moments(history)][-1]
    for episode in moment.episodes:
        before = to_document(episode)
        found = choices(episode, ENGINE, moment.told.at)
        assert to_document(episode) == before
        offered = {TRIGGERS.get((c.kind, c.outcome)) or OUTCOMES.get((c.service, c.outcome)) for c in found}
        meant = possible(settled(episode, moment).path)
        assert offered - {None} == {TRIGGERS.get(words) or OUTCOMES[words] for words in meant}


@settings(max_examples=20)
@given(histories())
def test_an_undo_that_is_offered_is_taken_once_and_makes_nobody_less_safe(history):
    moment = [*moments(history)][-1]
    for episode, lines in journals(moment.world):
        for entry in lines:
            step = undo_of(entry, episode)
            if step is None:
                assert no_undo_because(entry, episode)
                continue
            after, refusal = asked(episode, step, moment.told)
            assert refusal is None or step.kind == "task", refusal
            assert after.open_flags() == episode.open_flags()
            assert episode.malignancy != "suspected" or after.malignancy == "suspected"
            assert GUIDELINE.is_terminal(after.state) == GUIDELINE.is_terminal(episode.state)
            if step.kind != "observation":
                at_work = {(t.code, t.n) for t in episode.tasks if t.status == "open"}
                assert at_work <= {(t.code, t.n) for t in after.tasks if t.status == "open"}
                assert after.path == episode.path
            _, again = asked(after, step, moment.told)
            assert again is not None
            assert again.because
