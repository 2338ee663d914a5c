"""Random but plausible histories of a patient, for properties.

Time only goes forward. Dates lie around the day on which something is told, values are mostly valid and sometimes
not, messages are sometimes sent twice, the scheduler is sometimes down, and everybody sometimes asks for what is
not theirs to decide.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from pathway.calendar import local_date
from pathway.deciding import BELONGS_TO, CONTACT_OUTCOMES, OUTCOMES, TRIGGERS
from pathway.engine import Engine
from pathway.journal import Step
from pathway.undoing import undo_of
from tests.journeys.people import ENGINE, GUIDELINE, STABLE, WELL, ZONES
from tests.memory_world import MemoryWorld

START = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
MINUTE, HOUR, DAY = 60, 3600, 86400
GAPS = (0, MINUTE, HOUR, 8 * HOUR, DAY, 2 * DAY, 5 * DAY, 9 * DAY, 14 * DAY, 28 * DAY, 31 * DAY, 62 * DAY)
LONG = (200 * DAY, 365 * DAY)


@dataclass(frozen=True)
class Told:
    """One thing told at an instant, about one patient; `up` says whether the scheduler was running."""

    at: datetime
    step: Step
    up: bool = True
    n: int | None = None


@dataclass(frozen=True)
class History:
    zone: str
    profile: str
    told: tuple[Told, ...]


def _around(today: date, back: int, ahead: int = 0) -> st.SearchStrategy[str]:
    return st.integers(-back, ahead).map(lambda days: (today + timedelta(days=days)).isoformat())


def _some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Any of the fields, each present or not."""
    return st.fixed_dictionaries({}, optional=fields)


NRS = st.sampled_from((0, 1, 3, 4, 6, 7, 9, 10, 11))
YES = st.booleans()
LEVEL_LISTS = st.lists(st.sampled_from(("T12", "L1", "L2")), max_size=3)


def _effective(today: date) -> st.SearchStrategy[str]:
    return st.one_of(_around(today, 0), _around(today, 20), _around(today, 80, 3))


def _exam(_today: date) -> st.SearchStrategy[dict[str, Any]]:
    found = _some(motor_deficit=YES, radicular=YES, bowel_bladder=YES, complete=YES)
    return st.one_of(st.just(dict(WELL)), st.just(dict(WELL)), found)


def _image(today: date) -> st.SearchStrategy[dict[str, Any]]:
    unusual = _some(
        modality=st.sampled_from(("XR", "MRI", "CT", "PET")),
        collapse_pct=st.sampled_from((9.9, 10.0, 28.6, 50.0, 50.1, 101.0)),
        acute_levels=LEVEL_LISTS,
        fracture_levels=LEVEL_LISTS,
        pathologic=st.sampled_from(("none", "suspected", "confirmed")),
        cord_compression=YES,
        progressive_kyphosis=YES,
    )
    performed = _around(today, 60, 1).map(lambda day: {"performed": day})
    plain = st.one_of(st.just({}), performed).map(lambda more: {**STABLE, **more})
    return st.one_of(plain, plain, st.tuples(plain, unusual).map(lambda pair: {**pair[0], **pair[1]}))


def _symptoms(_today: date) -> st.SearchStrategy[dict[str, Any]]:
    trend = st.sampled_from(("improving", "unchanged", "worsening"))
    settled = st.just({"nrs": 0, "trend": "improving", "resolved": True})
    return st.one_of(_some(nrs=NRS, trend=trend, changed=YES, resolved=YES), settled)


def _treatment(today: date) -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
    kinds: dict[str, st.SearchStrategy[dict[str, Any]]] = {
        "malignancy_features": _some(cancer_history=YES, weight_loss=YES, failure_to_improve=YES),
        "malignancy": st.sampled_from(("suspected", "confirmed", "excluded", "excluded")).map(
            lambda status: {"status": status}
        ),
        "analgesia": _some(opioid=YES, parenteral_opioid=YES, contraindicated=YES),
        "pulmonary": _some(dysfunction=YES),
        "dxa": _some(t_score=st.sampled_from((-2.95, -3.0, -29.5)), date=_around(today, 30, 1)),
        "anthropometry": _some(bmi=st.sampled_from((25.5, 26.0, 99.0)), height_cm=st.just(165)),
        "supplements": _some(calcium_mg=st.sampled_from((999, 1000)), vitamin_d_iu=st.just(800)),
        "osteoporosis_rx": _some(agent=st.sampled_from(("alendronate", "strontium")), start=_around(today, 9)),
        "bone_referral": _some(service=st.just("endocrinology"), date=_around(today, 9)),
        "calcitonin": _some(action=st.sampled_from(("start", "stop")), date=_around(today, 9)),
        "bedside_signs": _some(percussion=YES, supine=YES),
        "mri_safety": _some(contraindicated=YES),
        "mobility": _some(bed_rest_days=st.sampled_from((0, 3, 400))),
        "physiotherapy": _some(referred=YES),
        "function": _some(scale=st.just("walks to the shop")),
    }
    return st.one_of(*(data.map(lambda found, kind=kind: (kind, found)) for kind, data in kinds.items()))


@st.composite
def observations(draw: st.DrawFn, today: date) -> Step:
    kind = draw(st.sampled_from(("neuro_exam", "imaging", "symptoms", "symptoms", "symptoms", "other")))
    if kind == "other":
        kind, data = draw(_treatment(today))
    else:
        data = draw({"neuro_exam": _exam, "imaging": _image, "symptoms": _symptoms}[kind](today))
    if draw(st.integers(0, 3)) == 0:
        data = {**data, "effective": draw(_effective(today))}
    return Step("observe", kind, data, obs_id=draw(st.sampled_from((None, None, "o1", "o2", "o3"))))


ASKED = sorted(TRIGGERS)
SUPPLIED: dict[str, Any] = {
    "reason": "stated",
    "override_reason": "stated",
    "imaging_pending_reason": "stated",
    "imaging_waived_reason": "stated",
    "no_new_imaging_reason": "stated",
    "stability_confirmed": True,
}
RESULTS = sorted(OUTCOMES)


@st.composite
def decisions(draw: st.DrawFn, today: date) -> Step:
    data = dict(SUPPLIED) if draw(st.integers(0, 3)) else {}
    if draw(st.integers(0, 5)) == 0:
        service, result = draw(st.sampled_from(RESULTS))
        kind, data = "referral_outcome", {**data, "service": service, "outcome": result}
        data["procedure_date"] = draw(_around(today, 10, 1))
    else:
        kind, result = draw(st.sampled_from(ASKED))
        data = {**data, **({"outcome": result} if result else {})}
        data |= draw(_some(technique=st.sampled_from(("vertebroplasty", "kyphoplasty"))))
    if kind == "start_conservative" and draw(YES):
        data["care_start"] = draw(_around(today, 40, 1))
    return Step("decide", kind, data, draw(st.sampled_from(("clinician", "clinician", "coordinator"))))


ERRANDS = ("task", "admin", "talk", "look_again", "move", "correct", "retract", "take_back", "new_fracture")


@st.composite
def errands(draw: st.DrawFn, today: date) -> Step:
    """Everything that is neither a fact nor a decision about care."""
    actor = draw(st.sampled_from(("clinician", "coordinator")))
    kind = draw(st.sampled_from(ERRANDS))
    if kind == "task":
        how = draw(st.sampled_from(("done", "declined", "not_applicable")))
        code = draw(st.sampled_from(sorted(GUIDELINE.tasks)))
        return Step("task", code, {"code": code, "how": how, "reason": "stated"}, actor)
    if kind == "admin":
        event = draw(st.sampled_from(("death", "death_correction", "withdraw", "transfer_out", "assign")))
        data = {"reason": "stated", "handover_confirmed": draw(YES), "owner": "a.nurse"}
        return Step("admin", event, data, actor)
    if kind == "talk":
        return Step("admin", "contact", {"outcome": draw(st.sampled_from(CONTACT_OUTCOMES))}, actor)
    if kind == "look_again":
        data = {"code": draw(st.sampled_from(sorted(GUIDELINE.tasks))), "until": draw(_around(today, 1, 16))}
        return Step("admin", "look_again", {**data, "reason": "stated"}, actor)
    if kind == "take_back":
        code = draw(st.sampled_from(sorted(GUIDELINE.tasks)))
        found = {"task": {"code": code, "n": 1}, "contact": {"seq": draw(st.integers(1, 12))}}
        what = draw(st.sampled_from(sorted(found)))
        return Step("correct", what, found[what], actor)
    if kind == "move":
        return Step("admin", "move_site", {"timezone": draw(st.sampled_from((*ZONES, "Mars/Base")))}, actor)
    if kind == "retract":
        return Step("correct", "observation", {"obs_id": draw(st.sampled_from(("o1", "o2", "o3")))}, actor)
    if kind == "correct":
        anchor = draw(st.sampled_from(("fracture_date", "identification_date", "care_start")))
        return Step("correct", anchor, {"value": draw(_around(today, 70, 1))}, actor)
    data = {"level": draw(st.sampled_from(("L1", "L2", "L2", "T12"))), "fracture_date": draw(_around(today, 9, 1))}
    return Step("new_fracture", data=data, actor=actor)


def _registration(draw: st.DrawFn, today: date, zone: str) -> Step:
    data: dict[str, Any] = {"birth_date": "1950-06-01", "level": draw(st.sampled_from(("L1", "L2")))}
    if draw(st.integers(0, 4)):
        data["fracture_date"] = draw(_around(today, 60))
        data["fracture_date_precision"] = draw(st.sampled_from(("day", "day", "month")))
    data["mechanism"] = draw(st.sampled_from(("low_energy", "low_energy", "low_energy", "high_energy")))
    data["first_fracture"] = draw(YES)
    return Step("register", data=data)


def _opening(draw: st.DrawFn, at: datetime, zone: str) -> list[Told]:
    """Registered; usually examined and scanned, and often in conservative care."""
    steps = [_registration(draw, local_date(at, zone), zone)]
    depth = draw(st.integers(0, 5))
    if depth:
        steps += [Step("observe", "neuro_exam", dict(WELL)), Step("observe", "imaging", dict(STABLE))]
    if depth > 1:
        steps.append(Step("decide", "start_conservative", {}, "clinician"))
    return [Told(at + timedelta(minutes=number), step) for number, step in enumerate(steps)]


def possible(path: str) -> list[tuple[str, str]]:
    """The decisions and results that the guideline gives a meaning there, as (kind or service, outcome)."""
    state = path.partition(".")[0]
    asked = [
        (kind, result)
        for (kind, result), trigger in TRIGGERS.items()
        if BELONGS_TO.get(kind, state) == state and ENGINE.machine.handles(path, trigger)
    ]
    told = [named for named, trigger in OUTCOMES.items() if ENGINE.machine.handles(path, trigger)]
    return asked + told


@st.composite
def _visits(draw: st.DrawFn, at: datetime, path: str) -> list[Told]:
    """Pain asked about, and a decision made on it that belongs to where the patient is."""
    pain = ({"nrs": 2, "trend": "improving"}, {"nrs": 5, "trend": "unchanged"}, {"nrs": 8, "trend": "worsening"})
    status = draw(st.sampled_from((*pain, {"nrs": 0, "trend": "improving", "resolved": True})))
    choices = possible(path)
    if not choices:
        return [Told(at, Step("observe", "symptoms", status))]
    kind, result = draw(st.sampled_from(choices))
    data: dict[str, Any] = {**SUPPLIED, **({"outcome": result} if result else {})}
    if (kind, result) in OUTCOMES:
        kind, data = "referral_outcome", {**data, "service": kind}
    return [
        Told(at, Step("observe", "symptoms", status)),
        Told(at + timedelta(minutes=5), Step("decide", kind, data, "clinician")),
    ]


@st.composite
def histories(
    draw: st.DrawFn,
    longest: int = 10,
    zones: tuple[str, ...] = ZONES,
    profiles: tuple[str, ...] = tuple(GUIDELINE.profiles),
    make: Callable[[date], st.SearchStrategy[Step]] | None = None,
    may_be_down: bool = True,
    engine: Engine = ENGINE,
) -> History:
    """A registration, an opening and up to `longest` visits or further things told (of what `make` makes)."""
    zone, profile = draw(st.sampled_from(zones)), draw(st.sampled_from(profiles))
    told = _opening(draw, START, zone)
    seen = _Seen(MemoryWorld(engine, zone, profile))
    for _ in range(draw(st.integers(1, longest))):
        path = seen.place(told)
        at = told[-1].at + timedelta(seconds=draw(st.sampled_from((*GAPS, *GAPS, *LONG))))
        today = local_date(at, zone)
        if make is None and draw(st.integers(0, 2)) == 0:
            told += draw(_visits(at, path))
            continue
        routine = seen.routine() if make is None else []
        if routine and draw(st.integers(0, 7)) == 0:
            n, undo = draw(st.sampled_from(routine))
            told.append(Told(at, undo, n=n))
            continue
        up = not may_be_down or draw(st.integers(0, 5)) > 0
        step = draw(make(today) if make else st.one_of(observations(today), decisions(today), errands(today)))
        if draw(st.integers(0, 3)) == 0:
            step = replace(step, event_id=draw(st.sampled_from(("m1", "m2", "m3"))))
        told.append(Told(at, step, up, draw(st.sampled_from((None, None, None, 1, 2)))))
    return History(zone, profile, tuple(told))


@dataclass
class _Seen:
    """Where the patient of a history is by now: plausible visits depend on it."""

    world: MemoryWorld
    done: int = 0

    def place(self, told: list[Told]) -> str:
        for one in told[self.done :]:
            self.world.record("P1", one.step, one.at, episode_n=one.n, catch_up=one.up)
        self.done = len(told)
        return self.world.episodes("P1")[-1].path

    def routine(self) -> list[tuple[int, Step]]:
        """What can be undone by one click, each with the episode that it is of."""
        entries = (
            (episode, entry) for episode in self.world.episodes("P1") for entry in self.world.journals[episode.id]
        )
        found = ((episode.n, undo_of(entry, episode)) for episode, entry in entries)
        return [(n, step) for n, step in found if step is not None]
