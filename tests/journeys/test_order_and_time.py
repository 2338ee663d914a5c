"""Neither the scheduler's rhythm, nor the zone, nor the order at one instant, nor a second delivery changes a story."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from itertools import permutations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pathway.calendar import fire_instant, local_date, zone_named
from pathway.engine import Engine
from pathway.journal import Step
from tests.journeys.histories import History, Told, histories, observations
from tests.journeys.people import (
    GUIDELINE,
    STABLE,
    WELL,
    ZONES,
    examined,
    happened,
    observed,
    scanned,
)
from tests.journeys.walks import (
    MILESTONES,
    asked,
    caused,
    journals,
    milestones,
    moments,
    owed,
    story_so_far,
    tell,
    walked,
)

# A pain status, a scan: whether they still count is judged on the day of firing, so a late firing may judge them
# too old. Where only the rhythm of the clock is at issue, nothing ages.
AGELESS = {"symptom_fresh_days": 36500, "imaging_max_age_months": 1200}


def engine_with(overrides, name="default") -> tuple[Engine, str]:
    profile = GUIDELINE.profile(name).overridden(overrides)
    return Engine(GUIDELINE, {profile.id: profile}), profile.id


AGELESS_ENGINE, AGELESS_PROFILE = engine_with(AGELESS)


# ---------------------------------------------------------------- INV-17: how often the clock ticks


@given(histories(profiles=(AGELESS_PROFILE,), may_be_down=False, engine=AGELESS_ENGINE))
def test_the_story_does_not_depend_on_how_often_the_scheduler_wakes(history):
    punctual, sleepy = (walked(history, AGELESS_ENGINE, ticking=ticking) for ticking in (True, False))
    for world in (punctual, sleepy):
        world.settle(history.told[-1].at)
    assert milestones(punctual) == milestones(sleepy)
    for mine, yours in zip(punctual.episodes("P1"), sleepy.episodes("P1"), strict=True):
        assert story_so_far(mine) == story_so_far(yours)
        assert owed(mine) == owed(yours)


@given(histories(may_be_down=False), st.integers(1, 400))
def test_waking_twice_at_one_instant_does_nothing_more(history, days):
    world = walked(history)
    later = history.told[-1].at + timedelta(days=days)
    world.settle(later)
    lines = sum(len(entries) for _, entries in journals(world))
    world.settle(later)
    assert sum(len(entries) for _, entries in journals(world)) == lines


# ---------------------------------------------------------------- INV-18: whatever the site's clock shows


def moves(_today) -> st.SearchStrategy[Step]:
    return st.sampled_from(ZONES).map(lambda zone: happened("move_site", timezone=zone))


@given(histories(make=moves, may_be_down=False))
def test_a_move_leaves_every_date_where_it_was(history):
    def dates(moment):
        return [[(t.code, t.due) for t in e.timers] for e in moment.episodes]

    for moment in moments(history, ticking=True):
        if moment.told.step.kind == "move_site":
            for episode in moment.episodes:
                moved, refusal = asked(episode, moment.told.step, moment.told)
                assert refusal is None
                assert (moved.timers, moved.anchors()) == (episode.timers, episode.anchors())


@given(histories(make=moves, may_be_down=False))
def test_every_timer_fires_once_at_eight_or_with_the_move_that_passed_it(history):
    world = walked(history, ticking=True)
    given_out = [(e["code"], e["due"]) for _, e in caused(world, "reminder") if e["kind"] == "milestone"]
    assert max(Counter(given_out).values(), default=1) == 1
    told = {one.at for one in history.told}
    for _, lines in journals(world):
        zone = history.zone
        for entry in lines:
            moved = [effect["now"] for effect in entry.effects if effect["event"] == "site_moved"]
            zone = moved[-1] if moved else zone
            if entry.kind == "timer":
                wall = entry.recorded_at.astimezone(zone_named(zone))
                assert f"{wall:%H:%M}" == "08:00" or entry.recorded_at in told


# ---------------------------------------------------------------- INV-19: a flag and anything else at one instant


@st.composite
def same_moment(draw: st.DrawFn) -> tuple[History, list[Step]]:
    """A history up to an instant at which timers fall due, and facts that arrive then, one of them a flag."""
    history = draw(histories(longest=3, profiles=("default",), may_be_down=False))
    world = walked(history)
    due = [e for e in world.episodes("P1") if not GUIDELINE.is_terminal(e.state)]
    assume(due and due[-1].state != "SURGICAL_REFERRAL")
    waiting = [t for t in due[-1].timers if t.status == "pending"]
    assume(waiting)
    timer = draw(st.sampled_from(waiting))
    at = fire_instant(timer.due, "08:00", due[-1].zone)
    assume(at >= history.told[-1].at)
    today = local_date(at, due[-1].zone)
    facts = [draw(observations(today)) for _ in range(draw(st.integers(1, 2)))]
    assume(not any("performed" in fact.data or fact.kind == "imaging" for fact in facts))
    return replace(history, told=(*history.told, Told(at, examined(motor_deficit=True)))), facts


@given(same_moment())
def test_a_red_flag_wins_in_whatever_order_one_instant_is_told(case):
    history, facts = case
    flag = history.told[-1]
    number = [e for e in walked(history).episodes("P1") if not GUIDELINE.is_terminal(e.state)][-1].n
    ends = []
    for order in permutations([flag.step, *(replace(fact, event_id=None) for fact in facts)]):
        world = walked(replace(history, told=history.told[:-1]), ticking=True)
        for step in order:
            tell(world, replace(flag, step=step))
        world.settle(flag.at)
        episode = next(e for e in world.episodes("P1") if e.n == number)
        ends.append((episode.path, frozenset(owed(episode) - credited(episode))))
    assert {path for path, _ in ends} == {"SURGICAL_REFERRAL.pending_ack"}
    assert len(set(ends)) == 1, ends


def credited(episode) -> set[str]:
    """An eight-week question that imaging on file answers is put away sooner or later: it is not compared."""
    scans = [o.effective for o in episode.cross_sectional()]
    return {"IMAGING_8W"} if any((day - episode.onset).days >= 42 for day in scans) else set()


# ---------------------------------------------------------------- INV-22: the same message again


@given(histories(), st.integers(2, 4))
def test_a_message_delivered_again_at_once_has_one_effect(history, times):
    named = [replace(t, step=replace(t.step, event_id=f"m{n}")) for n, t in enumerate(history.told)]
    once = replace(history, told=tuple(named))
    again = replace(history, told=tuple(t for t in named for _ in range(times)))
    assert_same_effects(walked(once), walked(again))


@given(histories())
def test_all_messages_delivered_again_at_the_end_change_nothing(history):
    """But for what no episode was there to take: refused at the door, it may be sent again when there is one."""
    named = [replace(t, step=replace(t.step, event_id=f"m{n}")) for n, t in enumerate(history.told)]
    told = [*moments(replace(history, told=tuple(named)))]
    taken = [m.told for m in told if m.told.step.event_id in {line.step.event_id for _, line in m.lines}]
    world = told[-1].world
    before = [story_so_far(e) for e in world.episodes("P1")]
    for message in taken:
        tell(world, replace(message, at=history.told[-1].at, up=False))
    assert [story_so_far(e) for e in world.episodes("P1")] == before


def assert_same_effects(once, again) -> None:
    for mine, yours in zip(once.episodes("P1"), again.episodes("P1"), strict=True):
        assert story_so_far(mine) == story_so_far(yours)
    for event in ("alert", "reminder", "notice", "transition"):
        assert len(caused(once, event)) == len(caused(again, event))


# ---------------------------------------------------------------- INV-23: news from the past


OLD_NEWS = {
    "symptoms": {"nrs": 9, "trend": "worsening", "changed": True},
    "neuro_exam": dict(WELL),
    "imaging": dict(STABLE),
    "pulmonary": {"dysfunction": True},
    "analgesia": {"parenteral_opioid": True},
}


@given(histories(profiles=("default",)), st.sampled_from(sorted(OLD_NEWS)), st.integers(1, 30))
def test_older_news_without_a_flag_moves_nobody(history, kind, days):
    moment = [*moments(history)][-1]
    episode = moment.episodes[-1]
    newest = episode.latest(kind, *(n for n in OLD_NEWS[kind] if n in ("dysfunction", "parenteral_opioid")))
    assume(newest is not None)
    day = newest.effective - timedelta(days=days)
    assume(episode.birth_date < day)
    after, _ = asked(episode, observed(kind, **OLD_NEWS[kind], effective=day.isoformat()), moment.told)
    assert after.place == episode.place


@given(histories(), st.integers(0, 200))
def test_an_older_red_flag_still_moves_to_surgery(history, days):
    moment = [*moments(history)][-1]
    episode = moment.episodes[-1]
    assume(not GUIDELINE.is_terminal(episode.state))
    day = local_date(moment.told.at, episode.zone) - timedelta(days=days)
    after, refusal = asked(episode, examined(motor_deficit=True, effective=day.isoformat()), moment.told)
    assert refusal is None
    assert after.path == "SURGICAL_REFERRAL.pending_ack"


# ---------------------------------------------------------------- INV-24: a stricter profile


STRICTER = [
    ("rf.radicular", "review", "immediate"),
    ("rf.instability", "review", "immediate"),
    ("rf.deformity", "review", "delayed"),
    ("rf.deformity", "delayed", "early_indication"),
    ("rf.deformity", "early_indication", "immediate"),
    ("rf.pathologic_confirmed", "review", "immediate"),
    ("rf.high_energy", "note", "immediate"),
    ("rf.multilevel_acute", "note", "immediate"),
    ("rf.multilevel_any", "note", "immediate"),
    ("malignancy.suspected", "workup", "immediate"),
    ("malignancy.age50_first", "off", "note"),
    ("malignancy.age50_first", "note", "workup"),
    ("malignancy.failure_to_improve", "note", "workup"),
    ("malignancy.strong_feature", "workup", "immediate"),
]


FINDINGS = {
    "rf.radicular": examined(radicular=True),
    "rf.instability": scanned(collapse_pct=50.1),
    "rf.deformity": scanned(progressive_kyphosis=True),
    "rf.pathologic_confirmed": scanned(pathologic="confirmed"),
    "rf.multilevel_acute": scanned(acute_levels=["L1", "L2"]),
    "rf.multilevel_any": scanned(fracture_levels=["T12", "L1"]),
    "malignancy.suspected": scanned(pathologic="suspected"),
    "malignancy.strong_feature": observed("malignancy_features", cancer_history=True),
    "malignancy.failure_to_improve": observed("malignancy_features", failure_to_improve=True),
}


@pytest.mark.parametrize(("parameter", "softer", "stricter"), STRICTER)
@settings(max_examples=settings().max_examples // 4)
@given(history=histories(longest=4, make=observations, profiles=("default",)))
def test_a_stricter_profile_never_silences_an_alert(parameter, softer, stricter, history):
    history = with_a_finding(history, parameter)
    mild, severe = (alerts_under({parameter: value}, history) for value in (softer, stricter))
    assert not mild - severe


def alerts_under(overrides, history: History) -> set[tuple[str, str, str]]:
    """Each alert by code, flag and the observation it came from."""
    engine, name = engine_with(overrides)
    world = walked(replace(history, profile=name), engine)
    found = [alert for _, alert in caused(world, "alert")]
    return {(a["code"], flag, str(a.get("source"))) for a in found for flag in a.get("flags", ("",))}


def with_a_finding(history: History, parameter: str) -> History:
    """The history and what the parameter judges, with every observation named: alerts point at names."""
    steps = [*history.told]
    if parameter in FINDINGS:
        steps.insert(1, Told(steps[0].at, FINDINGS[parameter]))
    named = [replace(t, step=replace(t.step, obs_id=f"o{n}", event_id=None)) for n, t in enumerate(steps)]
    return replace(history, told=tuple(named))


def test_the_stricter_values_are_the_ones_a_profile_may_take():
    parameters = GUIDELINE.profile("default").parameters
    for name, softer, stricter in STRICTER:
        assert {softer, stricter} <= set(parameters[name].choices)


assert set(MILESTONES) == {t.code for t in GUIDELINE.timers.values() if t.milestone}
