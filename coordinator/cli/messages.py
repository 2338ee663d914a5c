"""Commands about messages: what patients agreed to, calls, receipts, and what an outage did."""

from dataclasses import asdict
from datetime import date, datetime
from typing import Annotated, Any

import typer

from coordinator.cli.application import app
from coordinator.cli.base import ByOption, JsonOption, RoleOption, moment, opened, typed_day
from coordinator.cli.output import fail, grid, say, show_json
from coordinator.cli.recording import EpisodeOption, PatientArgument, record
from pathway.calendar import fire_instant, local_date, show_date, show_instant
from pathway.deciding import CONTACT_OUTCOMES
from pathway.journal import Step
from persistence.messages import OUTCOMES, Sent, messages
from persistence.store import Store
from scheduler.outage import latest
from scheduler.outage import outage_report as report_on
from scheduler.receipts import keep_receipt


@app.command()
def call(
    patient: PatientArgument,
    outcome: Annotated[str, typer.Argument(help=f"How it ended: {', '.join(CONTACT_OUTCOMES)}.")],
    note: Annotated[str | None, typer.Option("--note", help="What was said.")] = None,
    on: Annotated[str | None, typer.Option("--on", help="The day of the call, when it was not today.")] = None,
    episode: EpisodeOption = None,
    role: RoleOption = "coordinator",
    by: ByOption = "",
    as_json: JsonOption = False,
) -> None:
    """Log a call with a patient. Unless it reached nobody, it silences messages to the patient for a week.

    Example: pathway call P100 reached --note "will come on Monday"
    """
    data: dict[str, Any] = {"outcome": outcome} | ({"note": note} if note else {})
    if on:
        data["date"] = typed_day(on)
    record(patient, Step("admin", "contact", data, role, by), episode=episode, as_json=as_json)


@app.command()
def consent(
    patient: PatientArgument,
    channel: Annotated[str | None, typer.Argument(help="Name of a channel; leave out to list.")] = None,
    address: Annotated[str | None, typer.Argument(help="The patient's address there.")] = None,
    source: Annotated[str | None, typer.Option("--source", help="Where it is written down.")] = None,
    on: Annotated[str | None, typer.Option("--on", help="The day on which it was given or withdrawn.")] = None,
    withdrawn: Annotated[bool, typer.Option("--withdrawn", help="The patient has ended it.")] = False,
    by: ByOption = "",
    as_json: JsonOption = False,
) -> None:
    """Note that a patient agreed to be written to by one channel, or has ended it (all, where none is named).

    Example: pathway consent P100 sms +441632960001 --on 05-Jan-2026 --source "form of 5 January, signed"
    """
    with opened() as (store, settings, now):
        if store.person(patient) is None:
            fail(f"There is no patient {patient!r}; nothing was saved.")
        if withdrawn or channel:
            if not source:
                fail("A consent and its end need --source, where they are written down; nothing was saved.")
            day = typed_day(on) if on else local_date(now, settings.zone)
            if day > local_date(now, settings.zone):
                fail(f"--on {show_date(day)} lies in the future; nothing was saved.")
            if withdrawn:
                _withdraw(store, patient, channel, day, source)
            elif not address:
                fail("A consent needs the patient's address on that channel; nothing was saved.")
            else:
                row = {"patient_id": patient, "channel": channel, "address": address, "given_on": day}
                store.keep_consent({**row, "source": source, "noted_at": now, "noted_by": by or settings.owner})
        found = store.consents(patient)
    if as_json:
        show_json(found)
        return
    for noted in found:
        ended = f", ended {show_date(noted['withdrawn_on'])}" if noted["withdrawn_on"] else ""
        say(f"{noted['channel']} {noted['address']}: given {show_date(noted['given_on'])} ({noted['source']}){ended}")
    if not found:
        say("No consent is noted, so nothing is sent to this patient.")


def _withdraw(store: Store, patient: str, channel: str | None, day: date, source: str) -> None:
    """Who believes to have ended what was never noted must hear of it: the patient would still be written to."""
    if not store.withdraw_consent(patient, channel, day, source):
        known = ", ".join(sorted({row["channel"] for row in store.consents(patient) if not row["withdrawn_on"]}))
        asked = f"to {channel}" if channel else "to anything"
        fail(f"{patient} has not agreed {asked} ({known or 'there is no consent'}); nothing was saved.")


@app.command()
def outbox(
    patient: Annotated[str | None, typer.Option("--patient", help="Only messages about this patient.")] = None,
    outcome: Annotated[str | None, typer.Option("--outcome", help=f"One of {', '.join(OUTCOMES)}.")] = None,
    limit: Annotated[int, typer.Option("--limit", help="At most so many rows; 0 for all.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """Every message with its one outcome and the reason, the latest first.

    Example: pathway outbox --outcome failed
    """
    if outcome is not None and outcome not in OUTCOMES:
        fail(f"--outcome {outcome!r} is not one of {', '.join(OUTCOMES)}.")
    with opened() as (store, settings, _now):
        found = messages(store, patient=patient, outcome=outcome, limit=limit)
    if as_json:
        show_json([asdict(message) for message in found])
        return
    grid(
        f"Outbox: {len(found)} messages, the latest first",
        ("Due", "Patient", "Message", "To", "Outcome", "Tries", "Because"),
        [_sent_row(message, settings.zone) for message in found],
        "No message of that kind.",
    )


def _sent_row(message: Sent, zone: str) -> tuple[str, ...]:
    told = f"{message.kind} {message.code}"
    due, tries = show_instant(message.due_at, zone), str(len(message.attempts))
    outcome = message.outcome.replace("_", " ")
    return (due, message.patient or "", told, message.role, outcome, tries, message.because)


@app.command()
def receipt(
    message_id: Annotated[str, typer.Argument(help="The Message-ID, or the id in a webhook's Idempotency-Key.")],
    bounced: Annotated[str | None, typer.Option("--bounced", help="Why it never arrived, as the server says.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Note that a message arrived, or that it came back; what reached nobody becomes a task.

    Example: pathway receipt "<3f9c…@hospital.example>" --bounced "550 no such mailbox"
    """
    if bounced is not None and not bounced.strip():
        fail("--bounced needs the reason, in the server's words; nothing was saved.")
    with opened() as (store, _settings, now):
        outcome = keep_receipt(store, message_id, now, refused=(bounced or "").strip())
    if as_json:
        show_json({"outcome": outcome})
    else:
        say(f"Noted; the message counts as {outcome.replace('_', ' ')}.")


@app.command()
def outage_report(
    first: Annotated[str | None, typer.Option("--from", help="Begin; default: the latest outage.")] = None,
    last: Annotated[str | None, typer.Option("--until", help="End; default: now.")] = None,
    as_json: JsonOption = False,
) -> None:
    """What fell due during an outage and what became of it: sent, no longer needed, or a task for a person.

    Example: pathway outage-report --from 2026-03-02T08:00 --until 2026-03-09T08:00
    """
    with opened() as (store, settings, now):
        span = _span(first, last, settings.zone, now) if first or last else latest(store)
        if span is None:
            say("There has been no outage: nothing was down for an hour, and no channel failed.")
            return
        found = report_on(store, *span)
    if as_json:
        show_json(found.as_json())
    else:
        say(found.text(settings.zone))
    if not found.adds_up:
        raise typer.Exit(1)


def _span(first: str | None, last: str | None, zone: str, now: datetime) -> tuple[datetime, datetime]:
    """A day as the beginning is meant from its first moment, as the end to its last."""
    if not first:
        fail("--until needs --from, when it began; nothing was counted.")
    since = moment(first, zone) if ":" in first else fire_instant(typed_day(first), "00:00", zone)
    until = moment(last, zone) if last else now
    if until <= since:
        fail(f"--until {last or 'now'} does not lie after --from {first}; nothing was counted.")
    return since, until
