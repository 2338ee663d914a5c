"""Commands about the guideline: check it, show it with its sources, draw it."""

from pathlib import Path
from typing import Annotated, Any

import typer

from coordinator.cli.application import app
from coordinator.cli.base import JsonOption
from coordinator.cli.output import E_NOTE, fail, grid, marked, say, show_json, sources
from coordinator.diagram import mermaid
from pathway.checking import faults, load_guideline
from pathway.errors import GuidelineFaulty
from pathway.guideline import VCF, Guideline, read_guideline

guideline_app = typer.Typer(no_args_is_help=True, help="Check, show and draw the guideline.", rich_markup_mode=None)
app.add_typer(guideline_app, name="guideline")

FolderOption = Annotated[
    Path, typer.Option("--folder", help="A guideline folder; default the one built in.", show_default=False)
]


@guideline_app.command()
def check(folder: FolderOption = VCF, as_json: JsonOption = False) -> None:
    """Check a guideline and report every fault at once, by name and place.

    Example: pathway guideline check --folder my-guideline
    """
    try:
        guideline = read_guideline(folder)
        found = faults(guideline)
    except GuidelineFaulty as error:
        found = [str(detail) for detail in error.details]
        guideline = None
    if as_json:
        show_json({"faults": found})
    for fault in found if not as_json else ():
        say(fault)
    if found:
        fail(f"the guideline has {len(found)} faults and cannot be used.")
    if guideline is not None and not as_json:
        say(_summary(guideline))


def _summary(guideline: Guideline) -> str:
    cited = sum(source.citable for source in guideline.sources.values())
    return (
        f"{guideline.id} version {guideline.version}: {len(guideline.states)} states, "
        f"{len(guideline.transitions)} transitions, {len(guideline.timers)} timers, {len(guideline.tasks)} tasks, "
        f"{len(guideline.recommendations)} recommendations, {len(guideline.profiles)} profiles, "
        f"{len(guideline.sources)} source lines of which {cited} may be cited. No faults."
    )


@guideline_app.command()
def show(
    what: Annotated[
        str, typer.Argument(help="transitions, timers, tasks, advice, conflicts, profiles, sources, or an id.")
    ] = "transitions",
    profile: Annotated[str, typer.Option("--profile", help="Whose parameters to show.")] = "default",
    as_json: JsonOption = False,
) -> None:
    """Show rules, with their sources and the [E] mark; an id such as TR-08, C-03 or S1-22 shows one.

    Example: pathway guideline show TR-08
    """
    guideline = load_guideline()
    tables = {
        "transitions": _transitions,
        "timers": _timers,
        "tasks": _tasks,
        "advice": _recommendations,
        "conflicts": _conflicts,
        "sources": _sources,
    }
    if what == "profiles":
        rows = _parameters(guideline, profile)
    elif what in tables:
        rows = tables[what](guideline)
    else:
        rows = [row for table in tables.values() for row in table(guideline) if row["id"].upper() == what.upper()]
        if not rows:
            fail(f"{what!r} is neither a list ({', '.join([*tables, 'profiles'])}) nor an id of the guideline.")
        _show_one(guideline, rows, as_json=as_json)
        return
    if as_json:
        show_json(rows)
        return
    grid(
        f"{guideline.title}, version {guideline.version}",
        list(rows[0]),
        [[*map(str, r.values())] for r in rows],
        "",
    )
    say(E_NOTE)
    say(guideline.disclaimer, style="dim")


def _show_one(guideline: Guideline, rows: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        show_json([{**row, "sources": sources(guideline, str(row.get("cites", "")).split())} for row in rows])
        return
    for row in rows:
        for name, value in row.items():
            say(f"{name:<12} {value}")
        for line in sources(guideline, str(row.get("cites", "")).split()):
            say(f"             {line}", style="dim")
        say()


def _transitions(guideline: Guideline) -> list[dict[str, Any]]:
    return [
        {
            "id": rule.id,
            "what": marked(rule.title, engineering=rule.engineering),
            "from": " ".join(rule.sources) or "(new)",
            "to": rule.to,
            "when": rule.trigger,
            "guards": " ".join(rule.guards),
            "who": rule.actor,
            "then": " ".join(rule.actions),
            "cites": " ".join(rule.cites),
        }
        for rule in guideline.transitions
    ]


def _timers(guideline: Guideline) -> list[dict[str, Any]]:
    return [
        {
            "id": rule.code,
            "what": marked(rule.title, engineering=rule.engineering),
            "counts from": rule.anchor,
            "due": rule.parameter,
            "speaks in": " ".join(f"{state}:{effect}" for state, effect in rule.effects.items()),
            "satisfied by": rule.satisfied,
            "cites": " ".join(rule.cites),
        }
        for rule in guideline.timers.values()
    ]


def _tasks(guideline: Guideline) -> list[dict[str, Any]]:
    return [
        {
            "id": rule.code,
            "what": marked(rule.title, engineering=rule.engineering),
            "who": rule.role,
            "opened": rule.opened,
            "due": f"{rule.anchor} + {rule.due_parameter or rule.due_days}",
            "closes": rule.closes,
            "cites": " ".join(rule.cites),
        }
        for rule in guideline.tasks.values()
    ]


def _recommendations(guideline: Guideline) -> list[dict[str, Any]]:
    return [
        {
            "id": rule.id,
            "what": marked(rule.title, engineering=rule.engineering),
            "when": rule.when,
            "text": rule.text,
            "cites": " ".join(rule.cites),
        }
        for rule in guideline.recommendations.values()
    ]


def _conflicts(guideline: Guideline) -> list[dict[str, Any]]:
    return [
        {
            "id": row["id"],
            "what": row["title"],
            "positions": " | ".join(f"{p['seed']}: {p['says']}" for p in row["positions"]),
            "default": row["default"],
            "parameters": " ".join(row["parameters"]),
            "cites": " ".join(cite for position in row["positions"] for cite in position["cites"]),
        }
        for row in guideline.conflicts
    ]


def _sources(guideline: Guideline) -> list[dict[str, Any]]:
    return [
        {
            "id": source.id,
            "says": source.says,
            "evidence": source.evidence,
            "may be cited": "cut off, never" if source.truncated else "yes" if source.citable else "no",
        }
        for source in guideline.sources.values()
    ]


def _parameters(guideline: Guideline, name: str) -> list[dict[str, Any]]:
    return [
        {
            "id": parameter.name,
            "value": marked(str(parameter.value), engineering=parameter.engineering),
            "unit": parameter.unit,
            "cites": " ".join(parameter.cites),
            "note": parameter.note,
        }
        for parameter in guideline.profile(name).parameters.values()
    ]


@guideline_app.command()
def diagram() -> None:
    """Draw the pathway as Mermaid text, rule ids on the arrows.

    Example: pathway guideline diagram > pathway.mmd
    """
    say(mermaid(load_guideline()))
