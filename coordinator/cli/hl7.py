"""Commands for HL7 v2: a file in, a listener for MLLP, and the messages that were stored."""

import asyncio
import json
import signal
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from coordinator.cli.application import app, session
from coordinator.cli.base import ByOption, JsonOption, opened
from coordinator.cli.importing import imports
from coordinator.cli.output import REFUSED, errors, fail, grid, say, show_json
from coordinator.settings import Settings
from pathway.calendar import show_instant
from persistence import hl7_messages as stored
from persistence.store import Store

SHOWN = 40
OF_A_PERSON = (*stored.WAITING, stored.TAKEN)

hl7 = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="The HL7 v2 messages that were stored.")
app.add_typer(hl7, name="hl7")

IdentifierOption = Annotated[
    str, typer.Option("--identifier", help="The authority (PID-3.4) whose numbers are your own patient numbers.")
]


def _site(store: Store, settings: Settings, identifier: str) -> Any:
    # What reads messages loads the codes and the rules of an import: only who needs them waits for them.
    from coordinator.hl7.receiving import Site  # noqa: PLC0415 see above

    return Site(store, settings.zone, settings.profile, settings.owner, identifier)


@imports.command(name="hl7")
def import_hl7(
    path: Annotated[Path, typer.Argument(help="A file with one or many messages, in a batch or not, or a folder.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would happen; write nothing.")] = False,
    identifier: IdentifierOption = "",
    as_json: JsonOption = False,
) -> None:
    """Take in HL7 v2 messages: ADT A01, A03, A04, A08, A40 and ORU R01. Each is stored first, whatever it is.

    Example: pathway import hl7 messages.hl7 --dry-run
    """
    from coordinator.hl7.framing import messages_in  # noqa: PLC0415 see above, at _site
    from coordinator.hl7.receiving import receive, rehearse  # noqa: PLC0415 see above, at _site

    if not path.exists():
        fail(f"{path} does not exist; expected a file with HL7 v2 messages, or a folder; nothing was saved.")
    told: list[dict[str, Any]] = []
    notes: list[str] = []
    with opened() as (store, settings, now):
        site = _site(store, settings, identifier)
        for file in _files(path):
            batch = messages_in(file.read_bytes())
            notes += _notes(file, batch)
            for raw in batch.messages:
                where = {"file": file.name, "line": raw.line}
                if dry_run:
                    header, done = rehearse(site, raw.data, now)
                    told.append({**where, **_told(header, done.outcome, done.because)})
                else:
                    found = receive(site, raw.data, f"{file.name}, line {raw.line}", now)
                    more = {"id": found.id, "repeated": found.repeated, "answer": found.code}
                    told.append({**where, **_told(found.header, found.outcome, found.because), **more})
    _show(told, notes, dry_run=dry_run, as_json=as_json)
    if any(each["outcome"] in (stored.REFUSED, stored.UNREADABLE) for each in told) or notes:
        raise typer.Exit(REFUSED)


def _files(path: Path) -> list[Path]:
    return [path] if path.is_file() else sorted(file for file in path.iterdir() if file.is_file())


def _notes(file: Path, batch: Any) -> Iterator[str]:
    if not batch.messages:
        yield f"{file.name}: there is no HL7 v2 message in it (none begins with MSH)"
    elif batch.outside:
        yield f"{file.name}: {batch.outside} lines before the first message belong to none, and were not taken in"
    if batch.count is not None and batch.count != len(batch.messages):
        yield f"{file.name}: its trailer says {batch.count} messages, and there are {len(batch.messages)}"


def _told(header: Any, outcome: str, because: str) -> dict[str, Any]:
    return {
        "control_id": header.control_id,
        "kind": header.kind,
        "sender": header.sender,
        "outcome": outcome,
        "because": because,
    }


def _show(told: list[dict[str, Any]], notes: list[str], *, dry_run: bool, as_json: bool) -> None:
    counts = Counter(each["outcome"] for each in told)
    if as_json:
        show_json({"dry_run": dry_run, "messages": told, "counts": dict(counts), "notes": notes})
        return
    if dry_run:
        say("Dry run: nothing is written.", style="bold")
    for note in notes:
        say(f"Note: {note}.")
    shown = [each for each in told if each["outcome"] in OF_A_PERSON and not each.get("repeated")]
    for each in shown[:SHOWN]:
        name = f"{each['kind'] or 'Message'} {each['control_id']}".strip()
        say(f"{name} ({each['file']}, line {each['line']}) {each['outcome']}: {each['because']}.")
    if len(shown) > SHOWN:
        say(f"… and {len(shown) - SHOWN} more (see --json).")
    repeated = sum(bool(each.get("repeated")) for each in told)
    said = ", ".join(f"{counts[outcome]} {outcome}" for outcome in stored.OUTCOMES if counts[outcome])
    say(f"{len(told)} messages: {said or 'none'}; {repeated} known already.", style="bold")


# ---------------------------------------------------------------- what was stored


@hl7.command()
def messages(
    outcome: Annotated[
        str | None, typer.Option("--outcome", help=f"Only these: {', '.join(stored.OUTCOMES)}, or waiting.")
    ] = None,
    patient: Annotated[str, typer.Option("--patient", help="Only of this patient.")] = "",
    show: Annotated[int | None, typer.Option("--show", help="The whole message of this id, as it came.")] = None,
    limit: Annotated[int, typer.Option("--limit", help="At most so many; 0 for all.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """The messages that came, the newest first, with what became of each and why.

    Example: pathway hl7 messages --outcome waiting
    """
    wanted = stored.OUTCOMES if outcome is None else stored.WAITING if outcome == "waiting" else (outcome,)
    if not set(wanted) <= set(stored.OUTCOMES):
        fail(f"--outcome {outcome!r} is not known; expected waiting or one of {', '.join(stored.OUTCOMES)}.")
    with opened() as (store, settings, _now):
        if show is not None:
            _show_one(store, show)
            return
        numbers = store.numbers_of(patient) if patient else ()
        found = stored.messages(store.database, outcomes=wanted, patients=numbers, limit=limit or None)
        counts = stored.counts(store.database)
    if as_json:
        show_json({"counts": counts, "messages": [_row(each) for each in found]})
        return
    grid(
        "HL7 v2 messages, the newest first",
        ("Id", "Received", "Kind", "Control id", "From", "Patient", "Outcome", "Why"),
        [
            (
                str(each.id),
                show_instant(each.received_at, settings.zone),
                each.kind or "?",
                each.control_id or "?",
                each.sender or "?",
                each.patient,
                each.outcome + (f" ({each.times} times)" if each.times > 1 else ""),
                each.because,
            )
            for each in found
        ],
        "No such message is stored.",
    )
    waiting = sum(counts.get(each, 0) for each in stored.WAITING)
    say(f"{sum(counts.values())} stored, {waiting} wait for a person.", style="bold")


def _show_one(store: Store, number: int) -> None:
    found = stored.message(store.database, number)
    if found is None:
        fail(f"there is no message {number}.")
    if not found.raw:
        fail(f"the text of message {number} was emptied; it came on {found.received_at:%d-%b-%Y}.")
    for line in found.raw.replace(b"\r\n", b"\r").replace(b"\n", b"\r").split(b"\r"):
        if line.strip():
            # As a program would write it, so that nothing in a message speaks to the terminal.
            say(json.dumps(line.decode("utf-8", "backslashreplace"), ensure_ascii=False)[1:-1])


def _row(each: stored.Listed) -> dict[str, Any]:
    names = ("id", "kind", "control_id", "sender", "patient", "place", "received_at", "outcome", "because", "times")
    return {name: getattr(each, name) for name in names}


@hl7.command()
def retry(identifier: IdentifierOption = "", as_json: JsonOption = False) -> None:
    """Take in again what was stored and not done, in the order in which it came.

    Example: pathway hl7 retry
    """
    from coordinator.hl7.receiving import again  # noqa: PLC0415 see above, at _site

    with opened() as (store, settings, now):
        site = _site(store, settings, identifier)
        tried = [found for number in stored.to_try_again(store.database) if (found := again(site, number, now))]
    if as_json:
        show_json([{"id": found.id, **_told(found.header, found.outcome, found.because)} for found in tried])
        return
    for found in tried[:SHOWN]:
        say(f"{found.header.kind} {found.header.control_id} {found.outcome}: {found.because}.")
    counts = Counter(found.outcome for found in tried)
    said = ", ".join(f"{count} {outcome}" for outcome, count in counts.items())
    say(f"{len(tried)} tried again{': ' + said if said else ''}.", style="bold")


@hl7.command()
def close(
    number: Annotated[int, typer.Argument(metavar="ID", help="The id of a message that waits.")],
    because: Annotated[str, typer.Option("--because", help="What was done about it.")] = "",
    by: ByOption = "",
) -> None:
    """Say that a person has seen to a message that waited. It stays stored.

    Example: pathway hl7 close 12 --because "registered by hand" --by "C. Sample"
    """
    if not because.strip() or not by.strip():
        fail("closing a message needs --because and --by; nothing was saved.")
    with opened() as (store, _settings, now):
        if not stored.close_message(store.database, number, now, by.strip(), because.strip()):
            fail(f"there is no message {number} that waits; nothing was saved.")
    say(f"Closed {number}.")


@hl7.command()
def forget(
    days: Annotated[int, typer.Option("--days", min=1, help="Older than so many days.")] = 90,
) -> None:
    """Empty the text of old messages that are done with: that they came and what became of them stays on record.

    Example: pathway hl7 forget --days 90
    """
    with opened() as (store, _settings, now):
        count = stored.forget(store.database, now - timedelta(days=days))
    say(f"Emptied {count} messages.")


# ---------------------------------------------------------------- by MLLP


@app.command(name="hl7-listen")
def listen(
    host: Annotated[str, typer.Option("--host", help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="The port; 0 for any that is free.")] = 2575,
    identifier: IdentifierOption = "",
) -> None:
    """Take in HL7 v2 messages by MLLP until stopped. A message is accepted (AA) when it is stored, and not before.

    Example: pathway hl7-listen --host 127.0.0.1 --port 2575
    """
    if host not in ("127.0.0.1", "::1", "localhost"):
        errors.print("pathway: MLLP knows no password and no cipher: only in a network that you trust.", markup=False)
    with opened() as (store, settings, _now):
        asyncio.run(_listen(store, settings, host, port, identifier))
    say("Stopped; what had come is stored and answered.")


async def _listen(store: Store, settings: Settings, host: str, port: int, identifier: str) -> None:
    from coordinator.hl7.listening import Listener  # noqa: PLC0415 see above, at _site

    listener = Listener(_site(store, settings, identifier), lambda: session.now(settings), _say_received)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, listener.stopping.set)

    def ready(bound: int) -> None:
        print(f"Listening for HL7 v2 on {host}:{bound}; stop with Ctrl-C or SIGTERM.", flush=True)

    await listener.serve(host, port, ready)


def _say_received(received: Any) -> None:
    """No name and no word of the message: what stands on a terminal may stay there."""
    header = received.header
    print(f"{header.kind or '?'} {header.control_id or '?'} {received.code} {received.outcome}", flush=True)
