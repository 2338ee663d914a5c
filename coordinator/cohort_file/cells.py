"""One cell, read as the data element of its column: a value, nothing, words for a person, or a fault."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from coordinator.cohort_file.concerns import is_formula, without_apostrophe
from coordinator.cohort_file.dates import MonthOnly, NotADate, Order, read_date
from coordinator.cohort_file.headings import Element
from coordinator.cohort_file.numbers import MEASURES, NotANumber, read_number
from coordinator.cohort_file.words import (
    NOTHING,
    SENTENCES_WELCOME,
    NotAWord,
    expected_words,
    is_unknown,
    read_levels,
    read_word,
    read_yes_no,
    word_key,
)

Value = str | int | float | bool | date | MonthOnly | tuple[str, ...]


@dataclass(frozen=True)
class FreeWords:
    """Text in a column of coded words that only a person can read."""

    text: str


@dataclass(frozen=True)
class NotUnderstood:
    """A cell that is refused: what was expected, and why this is not it."""

    expected: str
    because: str


@dataclass(frozen=True)
class Customs:
    """How this file writes things: its date order, and the words its mapping file explains."""

    order: Order | None = None
    words: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


CellReading = Value | FreeWords | NotUnderstood | None

_DATE_FORMS = "a date such as 2026-02-28, 28/02/2026 or 28-Feb-2026"
_TEXT_LITERAL = re.compile(r'="([\w \-/.]*)"')
_ROUNDED = re.compile(r"[0-9](?:[.,][0-9]+)?e\+?[0-9]+", re.IGNORECASE)


def clean(raw: str) -> str:
    """The cell without what spreadsheets add: odd spaces, a guarding apostrophe, ="..." around digits."""
    text = without_apostrophe(raw).replace("\u00a0", " ").strip()
    if literal := _TEXT_LITERAL.fullmatch(text):
        return literal[1].strip()
    return text[1:] if re.match(r"'[0-9]", text) else text


def read_cell(element: Element, text: str, heading: str, customs: Customs) -> CellReading:
    """What one cleaned cell says about its data element; None when it says that nothing is known."""
    stated = customs.words.get(element.name, {})
    if element.shape == "free_text":
        return FreeWords(text) if text else None
    if word_key(text) not in stated and is_unknown(text, element.shape):
        return None
    match element.shape:
        case "identifier":
            return _identifier(element, text)
        case "name":
            return NotUnderstood(f"a {element.title}", "is a formula") if is_formula(text) else text
        case "date":
            return _date(element, text, customs.order)
        case "number":
            return _number(element, text, heading)
        case "levels":
            return _understood(read_levels(text), "levels such as T12, L1")
        case "yes_no":
            return _yes_no(text, stated)
    return _word(element, text, stated)


def _identifier(element: Element, text: str) -> str | NotUnderstood:
    expected = "an NHS number of ten digits" if element.name == "nhs_number" else "a hospital number"
    if is_formula(text):
        return NotUnderstood(expected, "is a formula")
    if _ROUNDED.fullmatch(text):
        return NotUnderstood(expected, "was rounded by a spreadsheet, so the last digits are lost")
    number = re.sub(r"\s+", "", text).upper()
    digits = number.replace("-", "")
    if element.name != "nhs_number":
        if not any(mark.isalnum() for mark in number):
            return NotUnderstood(expected, "is no number")
        return digits if digits.isdecimal() else number
    if not re.fullmatch(r"[0-9]{10}", digits):
        return NotUnderstood(expected, "does not have ten digits")
    if not nhs_check_digit_fits(digits):
        return NotUnderstood(expected, "has a check digit that does not fit, so a digit is mistyped")
    return digits


def nhs_check_digit_fits(digits: str) -> bool:
    weighted = sum(int(digit) * weight for digit, weight in zip(digits, range(10, 1, -1), strict=False))
    return (11 - weighted % 11) % 11 == int(digits[9])


def _date(element: Element, text: str, order: Order | None) -> CellReading:
    day = read_date(text, order)
    if isinstance(day, NotADate):
        return NotUnderstood(_DATE_FORMS, day.because)
    if isinstance(day, MonthOnly) and element.name != "fracture_date":
        return NotUnderstood(_DATE_FORMS, "names only the month")
    return day


def _number(element: Element, text: str, heading: str) -> CellReading:
    number = read_number(element.name, text, heading)
    if isinstance(number, NotANumber):
        return NotUnderstood(MEASURES[element.name].expected, number.because)
    return number


def _word(element: Element, text: str, stated: Mapping[str, str]) -> CellReading:
    word = read_word(element.name, text, stated)
    if isinstance(word, NotAWord) and element.name in SENTENCES_WELCOME:
        return FreeWords(text)
    return None if word == NOTHING else _understood(word, expected_words(element.name))


def _yes_no(text: str, stated: Mapping[str, str]) -> CellReading:
    # "breast, 2010" under "Cancer history" is an answer, but one that only a person can turn into yes or no.
    answer = read_yes_no(text, stated)
    return FreeWords(text) if isinstance(answer, NotAWord) else answer


def _understood(value: Value | NotAWord, expected: str) -> CellReading:
    return NotUnderstood(expected, value.because) if isinstance(value, NotAWord) else value
