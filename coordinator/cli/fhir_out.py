"""The command that writes FHIR."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from coordinator.cli.base import opened
from coordinator.cli.exporting import exports
from coordinator.cli.output import REFUSED, errors, fail, progress

if TYPE_CHECKING:
    from coordinator.fhir.out.files import Written

STDOUT = Path("-")


@exports.command(name="fhir")
def export_fhir(
    patient: Annotated[str, typer.Option("--patient", help="Only this patient, as one Bundle.")] = "",
    out: Annotated[
        Path, typer.Option("--out", help="A file for one patient, a new or empty folder for all, or - for here.")
    ] = STDOUT,
    ndjson: Annotated[bool, typer.Option("--ndjson", help="One line a resource, one file a type.")] = False,
    packed: Annotated[bool, typer.Option("--gzip", help="Pack the NDJSON files.")] = False,
) -> None:
    """Write FHIR R4: one patient as a Bundle, or everybody as Bundles or NDJSON, with the pathway itself.

    Example: pathway export fhir --ndjson --out export
    """
    if patient and (ndjson or packed):
        fail("--patient is written as one Bundle; leave --ndjson and --gzip out; nothing was written.")
    if packed and (not ndjson or out == STDOUT):
        fail("--gzip packs the files of --ndjson --out FOLDER; nothing was written.")
    if not patient and not ndjson and out == STDOUT:
        fail("everybody does not fit into one Bundle; name a folder with --out, or add --ndjson; nothing was written.")
    if patient:
        _one(patient, out)
    else:
        _everybody(out, ndjson=ndjson, packed=packed)


def _one(number: str, out: Path) -> None:
    from coordinator.fhir.out.files import patient_bundle  # noqa: PLC0415 only who exports waits for its tables

    with opened() as (store, _settings, now):
        found = patient_bundle(store, number, now)
    if found is None:
        fail(f"there is no patient {number!r}; nothing was written.")
    text = json.dumps(found, ensure_ascii=False)
    if out == STDOUT:
        sys.stdout.write(f"{text}\n")
    else:
        out.write_text(text, encoding="utf-8")


def _everybody(out: Path, *, ndjson: bool, packed: bool) -> None:
    from coordinator.fhir.out.files import write_bundles, write_lines, write_ndjson  # noqa: PLC0415 as above

    if out != STDOUT:
        _empty(out)
    with opened() as (store, _settings, now), progress() as bar:
        track = bar.add_task("Exporting", total=len(store.patients()))

        def on_patient() -> None:
            bar.advance(track)

        if out == STDOUT:
            written = write_lines(store, sys.stdout, now, on_patient)
        elif ndjson:
            written = write_ndjson(store, out, now, on_patient, packed=packed)
        else:
            written = write_bundles(store, out, now, on_patient)
    _say(written, out)


def _empty(folder: Path) -> None:
    """Two exports in one folder would be read as one."""
    if folder.is_file():
        fail(f"{folder} is a file; expected a new or empty folder; nothing was written.")
    if folder.is_dir() and any(folder.iterdir()):
        fail(f"{folder} is not empty; expected a new or empty folder; nothing was written.")
    folder.mkdir(parents=True, exist_ok=True)


def _say(written: "Written", out: Path) -> None:
    """On standard error, so that what is written to standard output stays FHIR."""
    for fault in written.faults:
        errors.print(f"pathway: {fault}.", markup=False)
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(written.kinds.items()))
    where = "" if out == STDOUT else f" to {out}"
    errors.print(f"{written.patients} patients written{where}: {kinds}.", markup=False)
    if written.faults:
        raise typer.Exit(REFUSED)
