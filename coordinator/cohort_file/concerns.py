"""Text that only a person may interpret: what looks like a red flag or a death, and formulas in cells.

Nothing found here becomes a clinical fact. A negation ("no weakness") is raised as well, because telling it
from a finding is reading, and reading is for people.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

LooksLike = Literal["red_flag", "death", "formula", "other_free_text"]


@dataclass(frozen=True)
class Concern:
    """One cell that somebody should read. `identifier` is the number in that row, empty when it has none."""

    line: int
    column: str
    text: str
    looks_like: LooksLike
    identifier: str = ""


_NEUROLOGY = (
    r"\bweak", r"\bnumb(?!er)", r"incontinen", r"\bretention\b", r"saddle", r"cauda\b", r"\bces\b",
    r"cord (?:compress|signal|involve|oedema|edema|injur)",
    r"compress\w* (?:the |of )?(?:the )?(?:spinal )?cord",
    r"canal (?:compromise|stenosis)", r"myelopath", r"(?:foot|wrist)[ -]?drop", r"drop(?:ped)?[ -]?foot",
    r"paraly[sz]", r"\w*pares[ie]s\b", r"\w*plegi[ac]", r"par(?:a)?esthesi", r"pins (?:and|&|n) needles",
    r"\btingling", r"bladder", r"\bbowels?\b", r"sphincter", r"(?:anal|rectal) tone", r"peri(?:anal|neal)",
    r"sciatica", r"radicul", r"\bdeficit", r"\bpower [0-4] ?/ ?5", r"clonus", r"babinski", r"hyper-?reflexi",
    r"\boff (?:his|her|their) (?:legs|feet)", r"\boff legs\b", r"(?:un|not )able to (?:walk|stand|move)",
    r"(?:can ?not|can'?t|couldn'?t) (?:walk|stand|move|feel|pass)", r"red flags?\b", r"\bmscc\b",
    r"legs? g(?:iving|ave) way", r"\bno sensation", r"(?:lost|loss of|reduced) (?:sensation|feeling|power)",
)  # fmt: skip
_MALIGNANCY_AND_INFECTION = (
    r"metast", r"\bmets?\b", r"cancer", r"carcinom", r"malignan", r"tumou?r", r"myeloma", r"lymphoma",
    r"sarcoma",
    r"neoplas", r"\bca (?:breast|prostate|lung|bowel|kidney|thyroid)", r"patholog", r"weight loss",
    r"los(?:t|ing|s of) (?:\w+ ){0,3}weight", r"night sweats", r"night pain", r"lytic", r"discitis",
    r"osteomyelit",
    r"epidural abscess", r"\bfever",
)  # fmt: skip
_DEATH = (
    r"\br\.?i\.?p\b", r"\bdied\b", r"\bdeath\b", r"\bdead\b", r"\bdeceased\b", r"\bdec['’]?d\b",
    r"\bd\.?o\.?d\b",
    r"\bpassed (?:away|on)\b", r"\bdeceas", r"†", r"\bmortuary\b", r"\bbereave", r"\bfuneral\b",
)  # fmt: skip

_RED_FLAG = re.compile("|".join(_NEUROLOGY + _MALIGNANCY_AND_INFECTION), re.IGNORECASE)
_DEAD = re.compile("|".join(_DEATH), re.IGNORECASE)
_PLAIN_NUMBER = re.compile(r"\s*[+-]?[0-9 ().,/%:-]+")
_RISKY_START = re.compile(r"\s*[=+\-@\t\r＝＋－＠]")
_FORMULA = re.compile(
    r"\s*(?:[=@＝＠]|[+\-＋－]\s*(?:[a-z_.]+\s*[(|!]|\$?[a-z]{1,3}\$?[0-9]+\b|[0-9.]+\s*[+*/(|]|\())",
    re.IGNORECASE,
)


@lru_cache(maxsize=65536)
def looks_like(text: str) -> tuple[LooksLike, ...]:
    """Everything that a text may be a sign of; empty when it is none of these."""
    found: list[LooksLike] = []
    if is_formula(text):
        found.append("formula")
    if _DEAD.search(text):
        found.append("death")
    if _RED_FLAG.search(text):
        found.append("red_flag")
    return tuple(found)


def is_formula(text: str) -> bool:
    """Whether a spreadsheet program would compute this text instead of showing it."""
    return bool(_FORMULA.match(text)) and not _PLAIN_NUMBER.fullmatch(text)


def neutralised(text: str) -> str:
    """The text with an apostrophe before anything that a spreadsheet program could take for a formula."""
    risky = _RISKY_START.match(text) and not _PLAIN_NUMBER.fullmatch(text)
    return f"'{text}" if risky else text


def without_apostrophe(text: str) -> str:
    """The text as it stood before `neutralised`; other apostrophes are part of a name."""
    return text[1:] if text.startswith("'") and _RISKY_START.match(text[1:]) else text
