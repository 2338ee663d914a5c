"""Reads the spreadsheets that services keep: bytes in; people, faults and work for a person out."""

from coordinator.cohort_file.columns import Column
from coordinator.cohort_file.concerns import Concern, LooksLike
from coordinator.cohort_file.findings import Fault, Note
from coordinator.cohort_file.identity import same_person
from coordinator.cohort_file.mapping import Mapping, MappingFaults, read_mapping
from coordinator.cohort_file.reader import CohortFile, CohortRow, RefusedRow, read_cohort
from coordinator.cohort_file.rejects import write_rejects
from coordinator.cohort_file.steps import Step
from coordinator.cohort_file.suggest import suggest_mapping
from coordinator.cohort_file.table import CohortFileUnreadable

__all__ = [
    "CohortFile",
    "CohortFileUnreadable",
    "CohortRow",
    "Column",
    "Concern",
    "Fault",
    "LooksLike",
    "Mapping",
    "MappingFaults",
    "Note",
    "RefusedRow",
    "Step",
    "read_cohort",
    "read_mapping",
    "same_person",
    "suggest_mapping",
    "write_rejects",
]
