"""Commands that read: worklist, patient, preview. Every one can answer as things stood then."""

from collections import Counter
from datetime import UTC, timedelta
from typing import Annotated, Any

import typer

from coordinator.cli.application import app
from coordinator.cli.base import AsOfOption, JsonOption, known_at, opened, unless_said
from coordinator.cli.output import E_NOTE, console, day, fail, grid, marked, progress, say, show_json, sources
from coordinator.patient import EpisodePage, PatientPage, patient_page
from pathway.calendar import local_date, show_date, show_instant, zone_named
from pathway.guideline import Guideline
from pathway.preview import Expected
from pathway.preview import preview as look_ahead
from persistence.history import episodes_as_of
from persistence.worklist import WorkItem, people_names
from persistence.worklist import worklist as read_worklist


@app.command()
def worklist(
    role: Annotated[str | None, typer.Option("--role", help="Only work of this role.")] = None,
    owner: Annotated[str | None, typer.Option("--owner", help="Only patients of this owner.")] = None,
    due: Annotated[str, typer.Option("--due", help="now (due or overdue), overdue, or all.")] = "now",
    limit: Annotated[int, typer.Option("--limit", help="At most so many rows; 0 for all.")] = 50,
    as_of: AsOfOption = None,
    as_json: JsonOption = False,
) -> None:
    """Who needs what today, most urgent first.

    Example: pathway worklist --role clinician --due overdue
    """
    if due not in ("now", "overdue", "all"):
        fail(f"--due {due!r} is not one of now, overdue, all.")
    with opened() as (store, settings, now):
        then = known_at(as_of, settings, now)
        items = read_worklist(store, now, as_of=then, role=role, owner=owner)
        wanted = [item for item in items if due == "all" or item.when in _shown(due)]
        if as_json:
            show_json([_work_json(item) for item in wanted])
            return
        shown = wanted if limit == 0 else wanted[:limit]
        day_shown = show_date(local_date(then or now, settings.zone))
        grid(
            f"Worklist of {day_shown}: {len(wanted)} tasks, red flags first, then most overdue",
            ("When", "Patient", "Where", "Do next", "Who", "Owner", "Why"),
            [_work_row(item, store.engine.guideline) for item in shown],
            f"No work is {'open' if due == 'all' else 'due'} on {day_shown}. `--due all` shows what lies ahead.",
        )
        if len(shown) < len(wanted):
            say(f"{len(wanted) - len(shown)} more; `--limit 0` shows all.")
        if any(item.engineering for item in shown):
            say(E_NOTE)


def _shown(due: str) -> tuple[str, ...]:
    return ("overdue",) if due == "overdue" else ("overdue", "due")


def _work_row(item: WorkItem, guideline: Guideline) -> tuple[str, ...]:
    late = f"▲ {item.days_overdue} d overdue" if item.days_overdue else f"{item.when} {day(item.due)}"
    return (
        f"⚑ {late}" if item.red_flag else late,
        f"{item.name}, born {day(item.birth_date)}, No. {item.patient}",
        guideline.states[item.state].shown(item.sub),
        f"{marked(item.title, engineering=item.engineering)} [{item.code}]",
        item.role,
        item.owner or "nobody",
        " ".join(item.cites),
    )


def _work_json(item: WorkItem) -> dict[str, Any]:
    names = (
        "patient name birth_date episode n state sub code title role due overdue_after owner red_flag engineering "
        "cites when days_overdue"
    )
    return {name: getattr(item, name) for name in names.split()}


# ---------------------------------------------------------------- one patient


patients = typer.Typer(
    cls=unless_said("show"), no_args_is_help=True, rich_markup_mode=None, help="One patient: look, merge two records."
)
app.add_typer(patients, name="patient")


@patients.command(name="show")
def patient(
    patient_id: Annotated[str, typer.Argument(help="The service's own identifier of the patient.")],
    as_of: AsOfOption = None,
    past: Annotated[int, typer.Option("--past", help="How many lines of the past; 0 for all.")] = 40,
    as_json: JsonOption = False,
) -> None:
    """One patient: banner, where, do next and why with sources, past and future.

    Example: pathway patient show P100 --as-of 03-Mar-2026

    The word show may be left out: pathway patient P100
    """
    with opened() as (store, settings, now):
        page = patient_page(store, patient_id, now, known_at(as_of, settings, now))
        guideline = store.engine.guideline
        if as_json:
            show_json(_page_json(page, guideline))
            return
        say(page.banner, style="bold reverse")
        if page.alike:
            say(f"⚠ Name alert: {page.alike} other patient(s) have the same name.", style="bold")
        if page.formerly:
            say(f"This is the record of No. {', '.join(page.formerly)} too: they were merged.")
        for episode_page in reversed(page.episodes):
            _show_episode(episode_page, guideline, past)
        say()
        say(guideline.disclaimer, style="dim")


def _show_episode(page: EpisodePage, guideline: Guideline, past: int) -> None:
    episode = page.episode
    say()
    say(f"Episode {episode.n}: {page.state}, since {show_instant(page.since, episode.zone)}", style="bold")
    onset = {"fracture_date": "", "month_earliest": " (only the month is known)"}.get(
        episode.onset_source, " (fracture date not known: identification stands in)"
    )
    say(
        f"  Index fracture {episode.level} of {day(episode.onset)}{onset}, identified {day(episode.identification)}, "
        f"care started {day(episode.care_start)}, profile {episode.profile}, owner {episode.owner or 'nobody'}"
    )
    _show_work(page, guideline)
    _show_advice(page, guideline)
    _show_timeline(page, past)


def _show_work(page: EpisodePage, guideline: Guideline) -> None:
    say("  Do next", style="bold")
    for number, work in enumerate(page.work, 1):
        late = f"▲ {work.days_overdue} days overdue" if work.days_overdue else f"due {day(work.task.due)}"
        say(f"  {number}. {marked(work.title, engineering=work.engineering)} ({work.role}), {late} [{work.task.code}]")
        say(f"     Why: opened {show_instant(work.task.opened_at, page.episode.zone)}; closes when {work.closes}.")
        for line in sources(guideline, work.cites):
            say(f"     {line}", style="dim")
    if not page.work:
        say("  Nothing is open; the next clock is listed below.")


def _show_advice(page: EpisodePage, guideline: Guideline) -> None:
    if page.advice:
        say("  Recommendations of the sources", style="bold")
    for advice in page.advice:
        rule = advice.rule
        say(f"  • {marked(rule.title, engineering=rule.engineering)} [{rule.id}] ({', '.join(rule.cites)})")
        say(f"     {rule.text}")
        if advice.because:
            say(f"     Why: {'; '.join(advice.because)}.")
        if advice.missing:
            say(f"     Not known: {', '.join(advice.missing).replace('_', ' ')}.")
        for note in rule.safety_notes:
            say(f"     Safety: {guideline.outside[note]['says']}", style="dim")


def _show_timeline(page: EpisodePage, past: int) -> None:
    zone = page.episode.zone
    lines = page.past if past == 0 else page.past[-past:]
    say("  Past", style="bold")
    for told in lines:
        late = f" (happened {show_instant(told.occurred_at, zone)})" if told.late else ""
        cites = f" [{' '.join(told.cites)}]" if told.cites and told.mark == "transition" else ""
        say(f"  {show_instant(told.recorded_at, zone)}  {told.what}{cites}, {told.who}{late}")
        if told.mark in ("transition", "rejected") and told.because:
            say(f"  {'':17}  because {'; '.join(told.because)}", style="dim")
    say(f"  ── {day(page.today)} ──")
    for expected in page.ahead[:12]:
        say(f"  {show_instant(expected.at, zone)}  {_ahead(expected)} (if nobody acts)")


def _ahead(expected: Expected) -> str:
    kinds = ", ".join(expected.reminder_kinds)
    moves = f" → {expected.moves_to}" if expected.moves_to else ""
    return f"{expected.entry.step.kind}{' ' + kinds if kinds else ''}{moves}"


def _page_json(page: PatientPage, guideline: Guideline) -> dict[str, Any]:
    return {
        "patient": page.patient,
        "name": page.name,
        "birth_date": page.birth_date,
        "sex": page.sex,
        "name_alert": page.alike,
        "formerly": page.formerly,
        "episodes": [_episode_json(episode, guideline) for episode in page.episodes],
        "disclaimer": guideline.disclaimer,
    }


def _episode_json(page: EpisodePage, guideline: Guideline) -> dict[str, Any]:
    episode = page.episode
    return {
        "episode": episode.id,
        "state": episode.state,
        "sub": episode.sub,
        "since": page.since,
        "anchors": episode.anchors(),
        "profile": episode.profile,
        "owner": episode.owner,
        "work": [
            {
                "code": work.task.code,
                "title": work.title,
                "due": work.task.due,
                "overdue_after": work.task.overdue_after,
                "days_overdue": work.days_overdue,
                "role": work.role,
                "engineering": work.engineering,
                "sources": sources(guideline, work.cites),
            }
            for work in page.work
        ],
        "advice": [
            {
                "id": advice.rule.id,
                "text": advice.rule.text,
                "because": advice.because,
                "missing": advice.missing,
                "engineering": advice.rule.engineering,
                "sources": sources(guideline, advice.rule.cites),
            }
            for advice in page.advice
        ],
        "past": [
            {
                "recorded_at": t.recorded_at,
                "occurred_at": t.occurred_at,
                "what": t.what,
                "who": t.who,
                "rule": t.rule,
            }
            for t in page.past
        ],
        "ahead": [_ahead_json(expected) for expected in page.ahead],
    }


def _ahead_json(expected: Expected) -> dict[str, Any]:
    return {
        "at": expected.at,
        "patient": expected.patient,
        "episode": expected.episode,
        "owner": expected.owner,
        "code": expected.entry.step.kind,
        "reminders": expected.reminder_kinds,
        "moves_to": expected.moves_to,
    }


# ---------------------------------------------------------------- what lies ahead


@app.command()
def preview(
    days: Annotated[int, typer.Option("--days", min=1, max=800, help="How far to look ahead.")] = 14,
    owner: Annotated[str | None, typer.Option("--owner", help="Only patients of this owner.")] = None,
    as_of: AsOfOption = None,
    as_json: JsonOption = False,
) -> None:
    """What will fire if nobody does anything, by day. Nothing is written.

    Example: pathway preview --days 30
    """
    with opened() as (store, settings, now):
        then = known_at(as_of, settings, now)
        start = then or now
        known = episodes_as_of(store, then) if then else store.episodes()
        episodes = [e for e in known if owner in (None, e.owner)]
        expected: list[Expected] = []
        # Days on the wall: over a change of the clocks one of them is not 24 hours long.
        until = (start.astimezone(zone_named(settings.zone)) + timedelta(days=days)).astimezone(UTC)
        with progress() as bar:
            for episode in bar.track(episodes, description="Looking ahead"):
                expected += look_ahead(store.engine, episode, until, start)
        expected.sort(key=lambda item: (item.at, item.episode))
        if as_json:
            show_json([_ahead_json(item) for item in expected])
            return
        say("Simulation: what fires if nobody acts. Nothing is written.", style="bold")
        names = people_names(store)
        by_day: dict[Any, list[Expected]] = {}
        for item in expected:
            by_day.setdefault(local_date(item.at, settings.zone), []).append(item)
        for found_day, items in by_day.items():
            _show_day(found_day.strftime("%a ") + show_date(found_day), items, names)
        if not expected:
            say(f"Nothing falls due in the next {days} days.")


def _show_day(title: str, items: list[Expected], names: dict[str, str]) -> None:
    counts = Counter(item.entry.step.kind for item in items)
    moves = sum(item.moves_to is not None for item in items)
    say(f"{title}: {len(items)} firings, {moves} patients move", style="bold")
    say("   " + ", ".join(f"{code} {count}" for code, count in counts.most_common()))
    for item in [item for item in items if item.moves_to][:5]:
        console.print(f"   {names.get(item.patient, '')} {item.episode} → {item.moves_to}", markup=False)
