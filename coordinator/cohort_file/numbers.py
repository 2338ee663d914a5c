"""Numbers as people type them: decimal commas, units in the cell or the heading, scores over a base."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from coordinator.cohort_file.headings import heading_unit
from pathway.facts import FIELDS, Field


@dataclass(frozen=True)
class Measure:
    """How one number is written. `units` says by what a value in that unit is multiplied."""

    domain: Field
    units: Mapping[str, float]
    # A smaller bare number more likely means something else: a fraction, a blood level.
    bare_from: float = 0
    else_perhaps: str = ""

    @property
    def expected(self) -> str:
        return self.domain.expected


@dataclass(frozen=True)
class NotANumber:
    """Why a cell could not be read as this number, as the end of a sentence that begins with the cell."""

    because: str


_DEGREES = dict.fromkeys(("deg", "degs", "degree", "degrees", "°", "º", "d"), 1.0)
_PER_DAY = ("", "/d", "/day", "/24h", "aday", "perday", "daily", "od")


def _a_day(units: Mapping[str, float]) -> dict[str, float]:
    return {unit + pace: factor for unit, factor in units.items() for pace in _PER_DAY}


MEASURES = MappingProxyType({
    "nrs": Measure(FIELDS["symptoms"]["nrs"], {"/10": 1, "outof10": 1, "of10": 1, "0-10": 1, "0to10": 1}),
    "collapse_pct": Measure(
        FIELDS["imaging"]["collapse_pct"], {"%": 1, "percent": 1, "pct": 1, "pc": 1},
        bare_from=1, else_perhaps="a fraction",
    ),
    "kyphosis": Measure(FIELDS["imaging"]["kyphosis"], _DEGREES),
    "scoliosis": Measure(FIELDS["imaging"]["scoliosis"], _DEGREES),
    "t_score": Measure(FIELDS["dxa"]["t_score"], {"sd": 1, "sds": 1}),
    "calcium": Measure(
        FIELDS["supplements"]["calcium_mg"], _a_day({"mg": 1, "g": 1000}),
        bare_from=100, else_perhaps="a blood level or grams",
    ),
    "vitamin_d": Measure(
        FIELDS["supplements"]["vitamin_d_iu"], _a_day({"iu": 1, "units": 1, "u": 1}),
        bare_from=200, else_perhaps="a blood level or micrograms",
    ),
    "height": Measure(FIELDS["anthropometry"]["height_cm"], {"cm": 1, "cms": 1, "m": 100, "metres": 100}),
    "weight": Measure(FIELDS["anthropometry"]["weight_kg"], {"kg": 1, "kgs": 1, "kilos": 1}),
    "bmi": Measure(FIELDS["anthropometry"]["bmi"], {"kg/m2": 1}),
})  # fmt: skip

_WRITTEN = re.compile(r"([+-]?[0-9]+(?:[.,][0-9]+)?)\s*(.*)")
_OTHER_BASE = re.compile(r"(?:/|out\s*of|of|0\s*(?:-|to))\s*([0-9]+)")


def heading_fits(name: str, heading: str) -> bool:
    """Whether a heading that names a unit or a scale names one that this number is kept in."""
    unit = _folded_unit(heading_unit(heading))
    if name == "nrs" and (base := _OTHER_BASE.search(_plain_signs(heading.casefold()))):
        return base[1] == "10"
    looks_like_a_unit = unit in _KNOWN_UNITS
    return not looks_like_a_unit or unit in MEASURES[name].units


# Units that services write in headings and that some column here is not kept in.
_KNOWN_UNITS = frozenset(
    [unit for measure in MEASURES.values() for unit in measure.units]
    + ["mm", "st", "stone", "lb", "lbs", "ft", "in", "inches", "mcg", "µg", "ug", "nmol/l", "mmol/l", "ng/ml"]
)


def read_number(name: str, text: str, heading: str) -> int | float | NotANumber:
    """One cell as the number that this data element is kept in; never scaled from another scale."""
    written = _WRITTEN.fullmatch(_plain_signs(" ".join(text.split())))
    if not written:
        return NotANumber("is not a number")
    digits, cell_unit = written[1], _folded_unit(written[2])
    if re.fullmatch(r"[+-]?[1-9][0-9]{0,2}[.,][0-9]{3}", digits):
        return NotANumber("could be a decimal number or thousands")
    measure = MEASURES[name]
    unit = cell_unit or _folded_unit(heading_unit(heading))
    if cell_unit and cell_unit not in measure.units:
        return NotANumber(_wrong_unit(name, cell_unit))
    value = float(digits.replace(",", "."))
    if unit not in measure.units and 0 < value < measure.bare_from:
        return NotANumber(f"has no unit and is so small that it may be {measure.else_perhaps}")
    return _in_range(measure, round(value * measure.units.get(unit, 1.0), 4))


def _wrong_unit(name: str, unit: str) -> str:
    if name == "nrs" and (base := _OTHER_BASE.fullmatch(unit)):
        return f"is a score out of {base[1]}, and another scale is not converted"
    return f'is followed by "{unit}", which is not the unit of this column'


def _in_range(measure: Measure, value: float) -> int | float | NotANumber:
    if not measure.domain.fits(value):
        return NotANumber("is outside what is possible")
    return int(value) if value == int(value) else value


def _plain_signs(text: str) -> str:
    for dash in "−–—":
        text = text.replace(dash, "-")
    return text


def _folded_unit(unit: str) -> str:
    return re.sub(r"[\s.]+", "", _plain_signs(unit).casefold()).replace("²", "2")
