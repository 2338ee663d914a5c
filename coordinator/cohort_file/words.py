"""Words that stand for a coded value. Anything not listed here is not interpreted."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

from coordinator.cohort_file.headings import ELEMENTS
from pathway.facts import LEVELS, MECHANISMS

# The pathway covers these index levels; everything else belongs elsewhere (data dictionary DE-02).
INDEX_LEVELS = ("L1", "L2")
NOTHING = "nothing recorded"

_BLANKS = frozenset(["", "?", "??", "???", "-", "--", "---", "–", "—", ".", "..", "...", "…", "/", "_"])
_UNKNOWN = "unknown | not known | n k | nk | n a | na | not available | not recorded | missing | u k"
_NOT_YET = "not done | not yet | nyd | awaited | awaiting | pending | booked | requested | tbc | tba | n d"
_NEVER = "none | nil | no | not started | never | not given | nothing"


@dataclass(frozen=True)
class NotAWord:
    """A word that is not on the list, as the end of a sentence that begins with the cell."""

    because: str


@lru_cache(maxsize=65536)
def word_key(text: str) -> str:
    """Case, spaces and punctuation do not tell two words apart, except a sign that carries the meaning."""
    if text.strip().startswith(("+", "-")):
        return " ".join(text.casefold().split())
    return "".join(mark for mark in text.casefold() if mark.isalnum())


def _says(groups: Mapping[str, str]) -> Mapping[str, str]:
    said = {word_key(word): value for value, group in groups.items() for word in group.split("|")}
    return MappingProxyType(said)


_UNKNOWN_WORDS = frozenset(_says({NOTHING: _UNKNOWN}))
_NO_DATE_WORDS = frozenset(_says({NOTHING: f"{_NOT_YET} | {_NEVER}"}))
_NO_NUMBER_WORDS = frozenset(_says({NOTHING: _NOT_YET}))

_YES_NO = _says({
    "yes": "yes | y | true | 1 | positive | pos | present | + | +ve",
    "no": "no | n | false | 0 | negative | neg | absent | nil | none | -ve",
})  # fmt: skip
_TICKS = {"✓": "yes", "✔": "yes", "√": "yes", "✗": "no", "✘": "no", "×": "no"}

_DRUGS = {
    "alendronate": "alendronate | alendronic acid | fosamax | alendronate sodium | binosto",
    "risedronate": "risedronate | risedronic acid | actonel | risedronate sodium",
    "ibandronate": "ibandronate | ibandronic acid | bonviva | boniva",
    "zoledronate": "zoledronate | zoledronic acid | aclasta | reclast | zoledronic | zoledronat",
    "denosumab": "denosumab | prolia",
    "teriparatide": "teriparatide | forsteo | forteo",
    "abaloparatide": "abaloparatide | eladynos",
    "romosozumab": "romosozumab | evenity",
    "raloxifene": "raloxifene | evista",
}

_WORDS: Mapping[str, Mapping[str, str]] = {
    "sex": _says({
        "F": "f | female | woman | w | fem", "M": "m | male | man", "other": "other | non binary | x",
        NOTHING: "u | not stated | not specified",
    }),
    "mechanism": _says({
        "low_energy": "low energy | low | low trauma | low impact | low velocity | fragility | minor trauma"
        " | fall from standing | fall from standing height | fall from own height | standing height"
        " | ground level fall | standing height fall | fragility fracture | low energy fall"
        " | minimal trauma",
        "atraumatic": "none | atraumatic | no trauma | spontaneous | non traumatic | no injury | nil",
        "high_energy": "high energy | high | high trauma | high impact | high velocity | major trauma | rta"
        " | rtc | road traffic accident | road traffic collision | mvc | mva | motor vehicle accident"
        " | motor vehicle collision | car accident | car crash | high energy trauma",
    }),
    "neuro_exam": _says({
        "normal": "normal", NOTHING: f"{_NOT_YET} | not examined | not assessed | not performed",
    }),
    "trend": _says({
        "improving": "improving | better | improved | improvement | getting better | b",
        "unchanged": "unchanged | same | the same | static | stable | no change | s",
        "worsening": "worsening | worse | worsened | getting worse | w | deteriorating",
        "resolved": "resolved | pain free",
    }),
    "imaging_modality": _says({
        "MRI": "mri | mr | mr scan | mri scan", "CT": "ct | ct scan | cat scan",
        "XR": "xr | x ray | x rays | radiograph | plain film | plain x ray | plain radiograph",
        "BONE_SCAN": "bone scan | scintigraphy | bone scintigraphy", "SPECT_CT": "spect ct",
    }),
    "pathologic": _says({
        "none": "none | no | n | nil | excluded", "suspected": "suspected | possible | query",
        "confirmed": "confirmed | proven",
    }),
    "osteoporosis_drug": _says({**_DRUGS, NOTHING: f"{_NEVER} | not prescribed | not on treatment"}),
    "bone_referral": _says({
        "endocrinology": "endocrinology | endocrine | endo", NOTHING: f"{_NEVER} | {_NOT_YET} | not referred",
        "rheumatology": "rheumatology | rheum | rheumatologist",
    }),
}  # fmt: skip

# In these columns people write sentences; what is not a listed word is for a person to read, not a fault.
SENTENCES_WELCOME = frozenset({"neuro_exam", "osteoporosis_drug", "bone_referral"})

_DRUG_WITH_DOSE = re.compile(
    r"([a-z]+(?: acid| sodium)?)(?: (?:iv|sc|po|oral|injection|infusion|tablet|tablets))?"
    r"(?: [0-9]+(?:\.[0-9]+)? ?(?:mg|mcg|g))?"
    r"(?: (?:iv|sc|po|oral|injection|infusion))?"
    r"(?: (?:od|daily|weekly|once weekly|once a week|monthly|6 monthly|six monthly|every 6 months|yearly))?"
)
_LEVEL = re.compile(
    r"(?:vertebra )?(lumbar|thoracic|dorsal|sacral|l|t|th|d|s)[ .-]?0?([0-9]{1,2})"
    r"(?: (?:vertebra|body|vcf|fracture|fx|#))?"
)
_REGION = {"lumbar": "L", "l": "L", "sacral": "S", "s": "S"}


def is_unknown(text: str, shape: str) -> bool:
    """Whether a cell says that nothing is known, in a column of that shape."""
    key = word_key(text)
    if text.strip() in _BLANKS or key in _UNKNOWN_WORDS:
        return True
    return (shape == "date" and key in _NO_DATE_WORDS) or (shape == "number" and key in _NO_NUMBER_WORDS)


def read_word(name: str, text: str, stated: Mapping[str, str]) -> str | NotAWord:
    """One cell as a coded value; `stated` holds what the mapping file says its words mean."""
    key = word_key(text)
    if key in stated:
        return stated[key]
    if name == "level":
        return _read_level(text)
    if name == "osteoporosis_drug" and (found := _DRUG_WITH_DOSE.fullmatch(" ".join(text.casefold().split()))):
        key = word_key(found[1])
    found_word = _WORDS[name].get(key)
    return NotAWord("is not a word that is known here") if found_word is None else found_word


def read_yes_no(text: str, stated: Mapping[str, str]) -> bool | NotAWord:
    key = word_key(text)
    answer = stated.get(key) or _YES_NO.get(key) or _TICKS.get(text.strip())
    return NotAWord("is neither yes nor no") if answer is None else answer == "yes"


def _read_level(text: str) -> str | NotAWord:
    found = _LEVEL.fullmatch(" ".join(text.casefold().split()))
    level = f"{_REGION.get(found[1], 'T')}{int(found[2])}" if found else ""
    return level if level in LEVELS else NotAWord("is not one vertebral level")


def read_levels(text: str) -> tuple[str, ...] | NotAWord:
    """Several levels in one cell, as in "T12, L1"; no levels at all is an empty list."""
    if word_key(text) in _NO_DATE_WORDS:
        return ()
    levels = [_read_level(part) for part in re.split(r"[,;/&+]| and ", text.casefold()) if part.strip()]
    good = tuple(level for level in levels if isinstance(level, str))
    return good if len(good) == len(levels) else NotAWord("is not a list of vertebral levels")


def choices(name: str) -> tuple[str, ...]:
    """The values that a mapping file may give to the words of one column; empty when it may not."""
    shape = ELEMENTS[name].shape
    if shape == "yes_no":
        return ("yes", "no")
    if name == "level":
        return LEVELS
    if name == "mechanism":
        return MECHANISMS
    return tuple(dict.fromkeys(_WORDS[name].values())) if shape == "word" else ()


def expected_words(name: str) -> str:
    if name == "level":
        return "one level, " + " or ".join(INDEX_LEVELS)
    plain = [value.replace("_", " ") for value in choices(name) if value != NOTHING]
    return f"{', '.join(plain[:-1])} or {plain[-1]}"
