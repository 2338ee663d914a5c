"""Commands that record: registration, observations, decisions, tasks, corrections, administration."""

from typing import Annotated, Any

import typer

from coordinator.cli.application import app
from coordinator.cli.base import ByOption, JsonOption, RoleOption, opened, split_pairs, typed, typed_day, typed_fields
from coordinator.cli.output import fail, refuse, say, show_json
from pathway.deciding import DECISION_KINDS, HOWS
from pathway.engine import Outcome
from pathway.facts import FIELDS, LEVELS, MECHANISMS
from pathway.guideline import Guideline
from pathway.journal import ROLES, Step
from pathway.registering import PRECISIONS
from persistence.store import Person

PatientArgument = Annotated[str, typer.Argument(help="The service's own identifier of the patient.")]
EpisodeOption = Annotated[int | None, typer.Option("--episode", help="Which episode, when there are several.")]
EventOption = Annotated[str | None, typer.Option("--event-id", help="The sender's id: twice has no second effect.")]
PairsArgument = Annotated[list[str] | None, typer.Argument(help="field=value pairs, such as nrs=6 trend=worsening.")]


def record(person: Person | str, step: Step, *, episode: int | None = None, as_json: bool = False) -> None:
    """Record one step and say what came of it; exit code 2 when it was refused."""
    if step.actor not in ROLES:
        fail(f"--as {step.actor!r} is not a role; expected coordinator or clinician; nothing was saved.")
    with opened() as (store, _settings, now):
        outcome = store.record(person, step, now, episode_n=episode)
        if isinstance(person, Person) and outcome.refusal is None:
            store.name_person(person)
        if outcome.refusal is not None:
            refuse(outcome.refusal, as_json=as_json)
        report(outcome, store.engine.guideline, as_json=as_json)


def report(outcome: Outcome, guideline: Guideline, *, as_json: bool) -> None:
    if as_json:
        show_json(
            {
                "accepted": True,
                "duplicate": outcome.duplicate,
                "episodes": [
                    {
                        "episode": c.episode.id,
                        "state": c.episode.state,
                        "sub": c.episode.sub,
                        "effects": effects_of(c),
                    }
                    for c in outcome.changes
                ],
            }
        )
        return
    if outcome.duplicate:
        say("Already recorded: the same message came before, nothing changed.")
        return
    for change in outcome.changes:
        where = guideline.states[change.episode.state].shown(change.episode.sub)
        say(f"Recorded. Episode {change.episode.id} is in {where}.")
        for effect in effects_of(change):
            said = consequence(effect, guideline)
            if said:
                say(f"  {said}")


def effects_of(change: Any) -> list[Any]:
    return [effect for entry in change.entries for effect in entry.effects]


def consequence(effect: Any, guideline: Guideline) -> str:
    """The consequences a person wants to hear at once."""
    if effect["event"] == "transition":
        state = guideline.states[effect["to"]].shown(effect.get("to_sub"))
        cites = ", ".join(effect["cites"]) or "administrative"
        return f"moved to {state} by rule {effect['rule']} ({cites})"
    if effect["event"] == "alert":
        flags = ", ".join(effect.get("flags", ()))
        return f"ALERT {effect['code']} {flags}. This program does not call anyone: phone now.".replace("  ", " ")
    if effect["event"] in ("task_opened", "task_closed"):
        verb = "opened" if effect["event"] == "task_opened" else "closed"
        return f"{verb} {effect['code']}: {guideline.tasks[effect['code']].title}"
    return ""


@app.command()
def register(
    patient: PatientArgument,
    level: Annotated[str, typer.Option("--level", help="Index level, L1 or L2.")],
    surname: Annotated[str, typer.Option("--surname")] = "",
    given: Annotated[str, typer.Option("--given")] = "",
    birth_date: Annotated[str | None, typer.Option("--born", help="dd-Mmm-yyyy.")] = None,
    sex: Annotated[str | None, typer.Option("--sex", help="F, M or other.")] = None,
    fracture: Annotated[
        str | None, typer.Option("--fracture", help="Date of the fracture; leave out if unknown.")
    ] = None,
    precision: Annotated[
        str, typer.Option("--precision", help="How well the date is known: day, month, unknown.")
    ] = "day",
    identified: Annotated[
        str | None, typer.Option("--identified", help="Date of identification; default today.")
    ] = None,
    mechanism: Annotated[
        str, typer.Option("--mechanism", help="atraumatic, low_energy, high_energy or unknown.")
    ] = "unknown",
    first_fracture: Annotated[bool | None, typer.Option("--first-fracture/--earlier-fracture")] = None,
    owner: Annotated[str | None, typer.Option("--owner", help="Who looks after the patient.")] = None,
    further: Annotated[bool, typer.Option("--further", help="A further fracture of a known patient.")] = False,
    scope_override: Annotated[
        bool, typer.Option("--scope-override", help="A clinician takes in another level.")
    ] = False,
    role: RoleOption = "coordinator",
    by: ByOption = "",
    event_id: EventOption = None,
    as_json: JsonOption = False,
) -> None:
    """Register a fracture.

    Example: pathway register P100 --surname SAMPLE --given Ann --born 01-Jun-1950 --sex F --level L1
    --fracture 02-Jan-2026 --mechanism low_energy
    """
    if level.upper() not in LEVELS or mechanism not in MECHANISMS or precision not in PRECISIONS:
        fail(
            f"expected a level of {LEVELS[0]} to {LEVELS[-1]}, a mechanism of {', '.join(MECHANISMS)} and a "
            f"precision of {', '.join(PRECISIONS)}; found {level}, {mechanism}, {precision}; nothing was saved."
        )
    data: dict[str, Any] = {
        "birth_date": typed_day(birth_date) if birth_date else None,
        "sex": sex,
        "level": level.upper(),
        "mechanism": mechanism,
        "fracture_date": typed_day(fracture) if fracture else None,
        "fracture_date_precision": precision if fracture else "unknown",
        "identification_date": typed_day(identified) if identified else None,
        "first_fracture": first_fracture,
        "scope_override": scope_override or None,
    }
    known = {name: value for name, value in data.items() if value is not None}
    with opened() as (_store, settings, _now):
        known["owner"] = owner or settings.owner
        person = Person(patient, settings.zone, settings.profile, surname, given)
    event = "new_fracture" if further else "register"
    record(person, Step(event, data=known, actor=role, by=by, event_id=event_id), as_json=as_json)


@app.command()
def observe(
    patient: PatientArgument,
    kind: Annotated[str, typer.Argument(help="What was observed: " + ", ".join(FIELDS))],
    pairs: PairsArgument = None,
    effective: Annotated[str | None, typer.Option("--on", help="The day it was true; default today.")] = None,
    episode: EpisodeOption = None,
    role: RoleOption = "coordinator",
    by: ByOption = "",
    event_id: EventOption = None,
    as_json: JsonOption = False,
) -> None:
    """Record an observation.

    Example: pathway observe P100 symptoms nrs=6 trend=worsening changed=no resolved=no --on 20-Feb-2026
    """
    if kind not in FIELDS:
        fail(f"{kind!r} is not a kind of observation; expected one of {', '.join(FIELDS)}; nothing was saved.")
    data = typed_fields(kind, pairs or [])
    if not data:
        fail(f"{kind} needs at least one field of {', '.join(FIELDS[kind])}; nothing was saved.")
    if effective:
        data["effective"] = typed_day(effective)
    step = Step("observe", kind, data, role, by, event_id)
    record(patient, step, episode=episode, as_json=as_json)


@app.command()
def decide(
    patient: PatientArgument,
    kind: Annotated[str, typer.Argument(help="The decision: " + ", ".join(DECISION_KINDS))],
    pairs: PairsArgument = None,
    outcome: Annotated[
        str | None, typer.Option("--outcome", help="continue, resolved, image, refer_augmentation ...")
    ] = None,
    reason: Annotated[str | None, typer.Option("--reason", help="Why, in words.")] = None,
    episode: EpisodeOption = None,
    role: RoleOption = "clinician",
    by: ByOption = "",
    event_id: EventOption = None,
    as_json: JsonOption = False,
) -> None:
    """Record a decision; who may make it comes from the guideline.

    Example: pathway decide P100 complete_reassessment --outcome continue --by "Dr C. Sample"
    """
    if kind not in DECISION_KINDS:
        fail(f"{kind!r} is not a decision; expected one of {', '.join(DECISION_KINDS)}; nothing was saved.")
    data = dict(_decision_pairs(pairs or []))
    data.update({name: value for name, value in (("outcome", outcome), ("reason", reason)) if value})
    record(patient, Step("decide", kind, data, role, by, event_id), episode=episode, as_json=as_json)


def _decision_pairs(pairs: list[str]) -> list[tuple[str, Any]]:
    dated = ("care_start", "procedure_date", "until")
    return [(name, typed_day(text) if name in dated else typed(text)) for name, text in split_pairs(pairs)]


@app.command()
def task(
    patient: PatientArgument,
    code: Annotated[str, typer.Argument(help="The task's code, such as K-DXA.")],
    how: Annotated[str, typer.Option("--how", help="done, declined or not_applicable.")] = "done",
    reason: Annotated[str | None, typer.Option("--reason")] = None,
    episode: EpisodeOption = None,
    role: RoleOption = "coordinator",
    by: ByOption = "",
    as_json: JsonOption = False,
) -> None:
    """Close a task by hand, where the guideline allows it.

    Example: pathway task P100 K-OPRX --how declined --reason "patient declines" --as clinician
    """
    if how not in HOWS:
        fail(f"--how {how!r} is not one of {', '.join(HOWS)}; nothing was saved.")
    data = {"code": code.upper(), "how": how, **({"reason": reason} if reason else {})}
    record(patient, Step("task", code.upper(), data, role, by), episode=episode, as_json=as_json)


@app.command()
def correct(
    patient: PatientArgument,
    what: Annotated[
        str, typer.Argument(help="fracture_date, identification_date, care_start, observation, task or contact.")
    ],
    value: Annotated[
        str,
        typer.Argument(
            help="The right date, or what is taken back: the observation's id, the task's code, the call's line."
        ),
    ],
    precision: Annotated[str | None, typer.Option("--precision", help="For a fracture date: day or month.")] = None,
    reason: Annotated[str | None, typer.Option("--reason")] = None,
    episode: EpisodeOption = None,
    role: RoleOption = "coordinator",
    by: ByOption = "",
    as_json: JsonOption = False,
) -> None:
    """Correct an anchor date, retract an observation or a call, or open a ticked-off task again; nothing is erased.

    Example: pathway correct P100 fracture_date 15-Jan-2026 --reason "found on the old film"
    """
    data: dict[str, Any] = {"reason": reason} if reason else {}
    named = {"observation": "obs_id", "task": "code", "contact": "seq"}
    if what in named:
        data[named[what]] = value
    else:
        data["value"] = typed_day(value)
    if precision:
        data["precision"] = precision
    record(patient, Step("correct", what, data, role, by), episode=episode, as_json=as_json)


@app.command()
def admin(
    patient: PatientArgument,
    kind: Annotated[
        str, typer.Argument(help="death, death_correction, withdraw, transfer_out, move_site, assign or look_again.")
    ],
    pairs: PairsArgument = None,
    reason: Annotated[str | None, typer.Option("--reason")] = None,
    on: Annotated[str | None, typer.Option("--on", help="The day it happened.")] = None,
    episode: EpisodeOption = None,
    role: RoleOption = "coordinator",
    by: ByOption = "",
    as_json: JsonOption = False,
) -> None:
    """Record a death, a withdrawal, a transfer, a move to another site, a new owner, or a day to look at work again.

    Example: pathway admin P100 assign owner="B. Sample"

    Example: pathway admin P100 look_again code=K-DXA until=09-Mar-2026 --reason "scan booked" (without until: undone)
    """
    data = dict(_decision_pairs(pairs or []))
    if reason:
        data["reason"] = reason
    if on:
        data["date"] = typed_day(on)
    record(patient, Step("admin", kind, data, role, by), episode=episode, as_json=as_json)
