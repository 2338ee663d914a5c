"""A table as Parquet, a group of rows at a time. The only module that imports pyarrow."""

import io
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from coordinator.export.columns import DAY, INSTANT, NUMBER, TEXT, WHOLE, YES_NO, Table, Value

GROUP = 2_000
KINDS = {
    TEXT: pa.string(),
    WHOLE: pa.int64(),
    NUMBER: pa.float64(),
    DAY: pa.date32(),
    INSTANT: pa.timestamp("us", tz="UTC"),
    YES_NO: pa.bool_(),
}


def as_parquet(table: Table, records: Iterable[Any]) -> Iterator[bytes]:
    """The bytes of the file, handed out as soon as a group of rows is written. Each column says what it means."""
    schema, drain, rows = schema_of(table), _Drain(), iter(records)
    with pq.ParquetWriter(drain, schema, compression="zstd") as writer:
        yield drain.taken()
        while group := list(islice(rows, GROUP)):
            writer.write_batch(_batch(table, group, schema))
            yield drain.taken()
    yield drain.taken()


def schema_of(table: Table) -> pa.Schema:
    about = {"table": table.name, "row": table.each}
    return pa.schema([_field(column) for column in table.columns], metadata=about)


def _field(column: Any) -> pa.Field:
    about = {"meaning": column.meaning, "unit": column.unit, "empty": column.empty}
    return pa.field(column.name, KINDS[column.type], metadata=about)


def _batch(table: Table, group: list[Any], schema: pa.Schema) -> pa.RecordBatch:
    columns = [
        pa.array([_typed(column.type, column.value(record)) for record in group], KINDS[column.type])
        for column in table.columns
    ]
    return pa.record_batch(columns, schema=schema)


def _typed(kind: str, value: Value) -> Value:
    return str(value) if kind == TEXT and value is not None else value


class _Drain(io.RawIOBase):
    """A file that keeps only what has not been taken away yet."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []
        self._at = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def write(self, data: Any) -> int:
        part = bytes(data)
        self._parts.append(part)
        self._at += len(part)
        return len(part)

    def taken(self) -> bytes:
        parts, self._parts = self._parts, []
        return b"".join(parts)
