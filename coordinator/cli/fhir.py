"""Commands for FHIR: an export in, and the candidates that wait for a person."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import TaskID

from coordinator.cli.application import app
from coordinator.cli.base import AsOfOption, ByOption, JsonOption, RoleOption, known_at, opened, typed_day
from coordinator.cli.importing import imports
from coordinator.cli.output import REFUSED, day, fail, grid, progress, refuse, say, show_json
from coordinator.cli.recording import report as report_outcome
from coordinator.fhir.candidates import KINDS, Acceptance, Candidate, waiting
from coordinator.fhir.candidates import accept as accept_candidate
from coordinator.fhir.candidates import dismiss as dismiss_candidate
from pathway.facts import LEVELS
from pathway.journal import ROLES

if TYPE_CHECKING:
    from coordinator.fhir.taking import Report

# On a screen; --json has them all.
SHOWN = 40


@imports.command(name="fhir")
def import_fhir(
    path: Annotated[Path, typer.Argument(help="A Bundle, an NDJSON file, a folder of them; packed with gzip or not.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would happen; write nothing.")] = False,
    identifier: Annotated[
        str, typer.Option("--identifier", help="The system of the identifiers that are your own patient numbers.")
    ] = "",
    source: Annotated[
        str, typer.Option("--source", help="A name for the sending system, where several send the same ids.")
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Take in a FHIR R4 export: sure vertebral fractures are enrolled, unsure ones wait as candidates.

    Example: pathway import fhir export/ --dry-run
    """
    # The FHIR models take longer to load than the rest of the program: only who needs them waits for them.
    from coordinator.fhir.records import Intake  # noqa: PLC0415 see above
    from coordinator.fhir.taking import take_in  # noqa: PLC0415 see above

    if not path.exists():
        fail(f"{path} does not exist; expected a FHIR file or a folder; nothing was saved.")
    with opened() as (store, settings, now):
        intake = Intake(store, now, settings.zone, settings.profile, settings.owner, source, dry_run)
        with progress() as bar:
            tracks: dict[str, TaskID] = {}

            def on_progress(what: str, done: int, of: int) -> None:
                if what not in tracks:
                    tracks[what] = bar.add_task(what, total=of)
                bar.update(tracks[what], completed=done)

            report = take_in(intake, path, system=identifier, on_progress=on_progress)
    if as_json:
        show_json(_as_json(report, dry_run=dry_run))
    else:
        _show(report, dry_run=dry_run)
    if report.findings.refused:
        raise typer.Exit(REFUSED)


def _show(report: "Report", *, dry_run: bool) -> None:
    if dry_run:
        say("Dry run: nothing is written.", style="bold")
    for note in report.findings.notes[:SHOWN]:
        say(f"Note: {note}")
    faults = report.findings.faults
    for fault in faults[:SHOWN]:
        say(f"Refused: {fault.sentence()}")
    if report.findings.refused > SHOWN:
        say(f"… and {report.findings.refused - len(faults[:SHOWN])} more refused (see --json).")
    enrolled, observed = report.enrolled, report.observed
    for patient, level, place in enrolled.registered:
        say(f"{'Would enrol' if dry_run else 'Enrolled'} {patient}: {level} ({place}).")
    asked = [found for found in enrolled.candidates if found.what != "known"]
    for found in asked[:SHOWN]:
        say(f"Candidate {found.id} ({found.patient or 'patient unknown'}): {'; '.join(found.reasons)} ({found.place}).")
    if len(asked) > SHOWN:
        say(f"… and {len(asked) - SHOWN} more candidates (see `pathway candidates`).")
    say(_read_line(report))
    if report.tally.ours:
        _show_restored(report, dry_run=dry_run)
    new = Counter(found.what for found in enrolled.candidates)
    say(
        f"{len(enrolled.registered)} {'would be ' if dry_run else ''}enrolled, {enrolled.known} followed already; "
        f"{new['new']} new candidates, {new['changed']} changed, {new['known'] + enrolled.candidates_more} known; "
        f"{observed.recorded} facts recorded, {observed.known} known, "
        f"{observed.corrected + enrolled.corrected} corrected, {observed.retracted} retracted, "
        f"{observed.before} from before the fracture; {enrolled.concerns} for a person; "
        f"{report.findings.refused} refused.",
        style="bold",
    )


def _show_restored(report: "Report", *, dry_run: bool) -> None:
    restored, tally = report.restored, report.tally
    would = "would be " if dry_run else ""
    say(
        f"{tally.ours} of them are of an export of this engine: the journals of {len(restored.patients)} patients with "
        f"{restored.episodes} episodes {would}taken in, {restored.known} were here already."
    )


def _read_line(report: "Report") -> str:
    tally = report.tally
    most = ", ".join(f"{count} {kind}" for kind, count in tally.kinds.most_common(4))
    return f"Read {tally.files} files, {tally.resources} resources ({most or 'none'}), {tally.wanted} of use here."


def _as_json(report: "Report", *, dry_run: bool) -> dict[str, object]:
    enrolled, observed = report.enrolled, report.observed
    return {
        "dry_run": dry_run,
        "files": report.tally.files,
        "resources": report.tally.resources,
        "by_type": dict(report.tally.kinds.most_common()),
        "patients": report.people,
        "enrolled": [{"patient": p, "level": level, **_place(place)} for p, level, place in enrolled.registered],
        "followed_already": enrolled.known,
        "candidates": [
            {
                "id": found.id,
                "patient": found.patient,
                "kind": found.kind,
                "level": found.level or None,
                "reasons": list(found.reasons),
                "what": found.what,
                **_place(found.place),
            }
            for found in enrolled.candidates
        ],
        "candidates_withdrawn": enrolled.withdrawn,
        "facts": {
            "recorded": observed.recorded,
            "known": observed.known,
            "corrected": observed.corrected + enrolled.corrected,
            "retracted": observed.retracted,
            "before_the_fracture": observed.before,
            "refused": observed.refused,
        },
        "restored": {
            "patients": report.restored.patients,
            "episodes": report.restored.episodes,
            "known": report.restored.known,
        },
        "concerns": enrolled.concerns,
        "refused": [{**_place(fault.place), "because": fault.because} for fault in report.findings.faults],
        "refused_count": report.findings.refused,
        "refused_files": report.tally.refused_files,
        "notes": report.findings.notes,
    }


def _place(place: Any) -> dict[str, object]:
    return {"file": place.file, "line": place.line, "resource": place.resource}


@app.command()
def candidates(
    accept: Annotated[str | None, typer.Option("--accept", help="Register the candidate of this id.")] = None,
    level: Annotated[str | None, typer.Option("--level", help="Its level, where the file does not say it.")] = None,
    fracture: Annotated[str | None, typer.Option("--fracture", help="Its date, where you know it better.")] = None,
    patient: Annotated[str, typer.Option("--patient", help="The patient's number; to accept, or to list.")] = "",
    dismiss: Annotated[
        list[str] | None, typer.Option("--dismiss", help="Not for this pathway; may be repeated.")
    ] = None,
    because: Annotated[str, typer.Option("--because", help="Why it is dismissed.")] = "",
    kind: Annotated[str | None, typer.Option("--kind", help="List only spine, osteoporotic or elsewhere.")] = None,
    role: RoleOption = "coordinator",
    by: ByOption = "",
    as_of: AsOfOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fractures of an import that were not enrolled, each with why, until a person accepts or dismisses it.

    Example: pathway candidates --accept 4dc2457a45 --level L1 --as clinician --by "Dr C. Sample"
    """
    if accept is not None and dismiss:
        fail("a candidate is accepted or dismissed, not both; nothing was saved.")
    if accept is not None:
        _accept(accept, level, fracture, patient, role, by, as_json=as_json)
    elif dismiss:
        _dismiss(dismiss, because, by)
    else:
        _list(kind, patient, as_of, as_json=as_json)


def _accept(
    name: str, level: str | None, fracture: str | None, patient: str, role: str, by: str, *, as_json: bool
) -> None:
    if role not in ROLES:
        fail(f"--as {role!r} is not a role; expected coordinator or clinician; nothing was saved.")
    if level is not None and level.upper() not in LEVELS:
        fail(f"--level {level!r} is no vertebra; expected one such as L1; nothing was saved.")
    with opened() as (store, settings, now):
        acceptance = Acceptance(
            by=by,
            actor=role,
            level=level.upper() if level else None,
            fracture_date=typed_day(fracture) if fracture else None,
            patient=patient,
            owner=settings.owner,
        )
        found = accept_candidate(store, name, now, acceptance, zone=settings.zone, profile=settings.profile)
        if found.refusal is not None:
            if found.outcome is None:
                fail(f"{found.refusal.because}.")
            refuse(found.refusal, as_json=as_json)
        assert found.outcome is not None
        report_outcome(found.outcome, store.engine.guideline, as_json=as_json)


def _dismiss(names: list[str], because: str, by: str) -> None:
    with opened() as (store, _settings, now):
        for done, name in enumerate(names):
            refusal = dismiss_candidate(store, name, now, by, because)
            if refusal is not None:
                before = f" ({done} before it were dismissed)" if done else ""
                fail(f"{refusal.because}{before}.")
    say(f"Dismissed {len(names)}.")


def _list(kind: str | None, patient: str, as_of: str | None, *, as_json: bool) -> None:
    if kind is not None and kind not in KINDS:
        fail(f"--kind {kind!r} is not known; expected one of {', '.join(KINDS)}.")
    with opened() as (store, settings, now):
        at = known_at(as_of, settings, now) or now
        found = waiting(store, at, patient=patient or None, kinds=(kind,) if kind else KINDS)
    if as_json:
        show_json([_row(each) for each in found])
        return
    grid(
        "Candidates, the most likely first",
        ("Id", "No.", "Name", "Born", "Fracture", "Of", "Why it was not enrolled", "Where"),
        [
            (
                each.id,
                each.patient or "?",
                each.name,
                day(each.birth_date),
                each.text or each.kind,
                each.when,
                "; ".join(each.reasons),
                each.place,
            )
            for each in found
        ],
        "No candidate waits.",
    )


def _row(found: Candidate) -> dict[str, object]:
    names = ("id", "patient", "surname", "given", "birth_date", "sex", "kind", "level", "onset", "precision", "text")
    return {name: getattr(found, name) for name in (*names, "reasons", "place", "found_at")}
