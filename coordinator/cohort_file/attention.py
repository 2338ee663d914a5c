"""What in a row a person should look at, whether the row is accepted or not."""

from collections.abc import Iterator

from coordinator.cohort_file.cells import Value, clean
from coordinator.cohort_file.columns import Column
from coordinator.cohort_file.concerns import Concern, LooksLike, looks_like
from coordinator.cohort_file.findings import Layout, Note
from coordinator.cohort_file.headings import ELEMENTS
from coordinator.cohort_file.readings import Readings
from coordinator.cohort_file.steps import imaging_findings, imaging_of, symptoms_data
from coordinator.cohort_file.table import Record
from coordinator.cohort_file.words import is_unknown, read_yes_no


def concerns_in(record: Record, layout: Layout, free: set[int], *, columns_hold: bool) -> Iterator[Concern]:
    """Every text that looks like something; `columns_hold` is False when cells may stand in wrong columns."""
    for column, raw in zip(layout.columns, record.cells, strict=False):
        text = clean(raw)
        if column.how == "our own" or not text:
            continue
        kinds = list(_signs(column, text) if columns_hold else looks_like(text))
        if column.position in free and not kinds:
            kinds.append("other_free_text")
        for kind in kinds:
            yield Concern(record.line, column.heading, _spoken(column, text), kind)
    for text in record.cells[len(layout.columns) :]:
        for kind in looks_like(text):
            yield Concern(record.line, "", text, kind)


def _signs(column: Column, text: str) -> Iterator[LooksLike]:
    named = column.field is not None and ELEMENTS[column.field].shape in ("name", "identifier")
    found = looks_like(text)
    # A name may contain any word; only a formula or a note that the person died is raised from it.
    yield from (kind for kind in found if not (named and kind == "red_flag"))
    if column.field is None:
        yield from (kind for kind in looks_like(column.heading) if kind not in found and not _denied(text))


def _denied(text: str) -> bool:
    return is_unknown(text, "date") or read_yes_no(text, {}) is False


def _spoken(column: Column, text: str) -> str:
    return text if column.field else f"{column.heading}: {text}"


_DANGERS_OF_IMAGING = (
    "posterior_column", "alignment_abnormal", "cord_compression", "progressive_kyphosis", "pathologic",
    "significant_deformity", "collapse_pct", "acute_levels",
)  # fmt: skip
_DANGERS_OF_THE_PERSON = (
    "mechanism", "motor_deficit", "sensory_deficit", "reflex_abnormal", "bowel_bladder",
    "reduced_rectal_tone", "radicular", "cancer_history", "weight_loss",
)  # fmt: skip


def dangers_lost(line: int, row: Readings, layout: Layout, *, refused: bool) -> Iterator[Concern]:
    """Coded findings that would be acted on at once, had they been recorded."""
    lost: tuple[str, ...] = _DANGERS_OF_THE_PERSON if refused else ()
    if refused or (imaging_findings(row) and len(imaging_of(row)) != 1):
        lost += _DANGERS_OF_IMAGING
    for name in lost:
        value = row.values.get(name)
        if value is not None and _dangerous(value):
            text = f"{ELEMENTS[name].title}: {row.written[name]} (not recorded)"
            yield Concern(line, layout.heading_of(name), text, "red_flag")


def _dangerous(value: Value) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return value > 50
    if isinstance(value, tuple):
        return len(value) > 1
    return value in ("high_energy", "suspected", "confirmed")


def notes_on(line: int, row: Readings) -> Iterator[Note]:
    if "identification_date" not in row.values:
        yield Note(line, "There is no date of identification, so the day of registration will stand for it.")
    if symptoms_data(row) and not row.day("symptoms_date"):
        yield Note(line, "The pain score or trend has no date, so it was not recorded.")
    scans, findings = imaging_of(row), imaging_findings(row)
    if findings and not scans:
        yield Note(line, "The imaging findings have no scan of known kind and date, so were not recorded.")
    elif findings and len(scans) > 1:
        yield Note(line, "The row names several scans, and its findings, of any of them, were not recorded.")
    elif row.day("imaging_date") and not row.text("imaging_modality"):
        yield Note(line, "The scan has a date but its kind is not said, so it was not recorded.")
