"""The cells of one row that were understood, by data element."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from coordinator.cohort_file.cells import Value
from coordinator.cohort_file.dates import MonthOnly


@dataclass(frozen=True)
class Readings:
    """`values` holds what was understood, `written` the same cells as they stand in the file."""

    values: Mapping[str, Value] = field(default_factory=dict)
    written: Mapping[str, str] = field(default_factory=dict)

    def day(self, name: str) -> date | None:
        value = self.values.get(name)
        if isinstance(value, MonthOnly):
            return value.first_day
        return value if isinstance(value, date) else None

    def text(self, name: str) -> str:
        value = self.values.get(name)
        return value if isinstance(value, str) else ""

    def among(self, names: Mapping[str, str]) -> dict[str, Any]:
        """The known values of these elements, under the names that the journal gives them."""
        return {key: self.values[name] for name, key in names.items() if name in self.values}

    @property
    def onset(self) -> date | None:
        return self.day("fracture_date") or self.day("identification_date")

    @property
    def precision(self) -> str:
        stated = self.values.get("fracture_date")
        if stated is None:
            return "unknown"
        return "month" if isinstance(stated, MonthOnly) else "day"
