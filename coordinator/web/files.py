"""Files as answers: written while they are read, and, where they show patients, on record before they leave."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

from fastapi import HTTPException
from fastapi.responses import Response, StreamingResponse

from coordinator.export.columns import Table
from coordinator.export.csv_file import as_csv
from coordinator.web.desk import Desk
from coordinator.web.text import _
from persistence.accounts import Accounts

KINDS = {"csv": "text/csv; charset=utf-8", "parquet": "application/vnd.apache.parquet"}
AT_A_TIME = 500


def table_file(table: Table, records: Iterable[Any], kind: str, name: str) -> Response:
    return file_of(_written(table, records, kind), KINDS[kind], name)


def file_of(parts: Iterable[str | bytes], kind: str, name: str) -> Response:
    return StreamingResponse(parts, media_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'})


def require_kind(kind: str) -> None:
    if kind not in KINDS:
        raise HTTPException(404, _("There is no such file; expected csv or parquet."))


def _written(table: Table, records: Iterable[Any], kind: str) -> Iterator[str | bytes]:
    if kind == "csv":
        yield from as_csv(table, records)
        return
    # pyarrow takes longer to load than the rest of the site: only who needs it waits for it.
    from coordinator.export.parquet_file import as_parquet  # noqa: PLC0415 see above

    yield from as_parquet(table, records)


def on_record(desk: Desk, records: Iterable[Any], patient: Callable[[Any], str]) -> Iterator[Any]:
    """The records, each patient of them noted as seen, once, before they are handed out."""
    address = f"{desk.request.url.path}?{desk.request.url.query}".rstrip("?")
    accounts, noted, found = Accounts(desk.store.database), set[str](), iter(records)
    while page := list(islice(found, AT_A_TIME)):
        new = [one for one in dict.fromkeys(map(patient, page)) if one not in noted]
        accounts.note_views(desk.me.email, desk.me.role.id, new, address, desk.now)
        noted.update(new)
        yield from page
