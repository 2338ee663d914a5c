"""Every sentence of the screens goes through the catalogue: in a made-up language nothing English is left."""

import gettext
import re
from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass
from html.parser import HTMLParser
from typing import Any

import pytest
from sqlalchemy import select

from coordinator.telling import tell
from coordinator.web import text
from coordinator.web.access import ROLES
from persistence import models
from persistence.names import full_name
from persistence.store import table
from tests.journeys.people import GUIDELINE
from tests.web.every_page import pages, who_may

SPOKEN = ("aria-label", "title", "placeholder", "alt", "content-label")
UNSPOKEN = ("script", "style", "svg:metadata")
# Letters that are no words of ours: codes, dates, ages, units, keys of the keyboard, identifiers.
CODES = re.compile(
    r"\b\d{2}[-‑](Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[-‑]\d{4}\b"
    r"|\b(Mon|Tue|Wed|Thu|Fri|Sat|Sun)\b"
    r"|\b\d+y\b|\[E\]|\bE\b"
    r"|\b[A-Z][A-Z0-9]*([-_.][A-Z0-9]+)+\b|\b[A-Z]-?\d+\b"
    r"|\b[\w.+-]+@[\w.-]+\b|\b[0-9a-f]{8,}\b"
    r"|\b\d[\w:.-]*\b"
)


class MadeUp(gettext.NullTranslations):
    """A language in which every message stands between ⟦ and ⟧."""

    def gettext(self, message: str) -> str:
        return f"⟦{message}⟧"

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        return f"⟦{msgid1 if n == 1 else msgid2}⟧"


@pytest.fixture
def in_english():
    yield
    text.use(gettext.NullTranslations())


class Words(HTMLParser):
    """What a page says: its text and what its attributes tell; a part marked translate="no" holds data."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[tuple[str, bool]] = []
        self.said: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        quiet = self.quiet or known.get("translate") == "no" or tag in UNSPOKEN
        if not quiet:
            self.said += [value for name, value in attrs if name in SPOKEN and value]
        if tag not in ("meta", "link", "input", "br", "hr", "img", "path", "rect", "line", "circle", "use", "wbr"):
            self.open.append((tag, quiet))

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        if not self.quiet and data.strip():
            self.said.append(data)

    @property
    def quiet(self) -> bool:
        return bool(self.open) and self.open[-1][1]


def strings(value: Any) -> Iterator[str]:
    """Every text that a value holds, however deep."""
    if isinstance(value, str):
        yield value
    elif is_dataclass(value) and not isinstance(value, type):
        for part in fields(value):
            yield from strings(getattr(value, part.name))
    elif hasattr(value, "items"):
        for key, inner in value.items():
            yield from strings(key)
            yield from strings(inner)
    elif isinstance(value, Iterable):
        for inner in value:
            yield from strings(inner)


def known_data(store) -> list[str]:
    """What pages show as it was written elsewhere: the guideline, names, and the lines of the journals."""
    people, staff, rows = table(models.Patient), table(models.User), table(models.Reminder)
    found = set(strings(GUIDELINE))
    with store.database.reading() as connection:
        for row in connection.execute(select(people)):
            found |= {full_name(row.surname, row.given), row.surname, row.given, row.id}
        found |= set(connection.scalars(select(staff.c.name)))
        found |= set(connection.scalars(select(rows.c.because))) | set(connection.scalars(select(rows.c.key)))
    for episode in store.episodes():
        found |= {episode.owner or "", episode.id}
        for told in tell(store.journal(episode.id), GUIDELINE):
            found |= {told.what, told.who, *told.because}
    return sorted((said.strip() for said in found if len(said.strip()) > 1), key=len, reverse=True)


def left_in_english(page: str, data: list[str]) -> list[str]:
    reader = Words()
    reader.feed(page)
    return [said for said in dict.fromkeys(reader.said) if _english(said, data)]


def _english(said: str, data: list[str]) -> bool:
    """Whether words are left when all that was translated is taken away, and all that is data."""
    rest = _unmarked(" ".join(said.split()))
    if not _letters(rest):
        return False
    for known in data:
        if " " in known and known in rest:
            rest = _unmarked(rest.replace(known, " "))
    # A single word of the data counts only where it stands for itself.
    return any(_letters(part) and part.strip() not in data for part in re.split(r"[·,;:()/→]", rest))


def _unmarked(rest: str) -> str:
    while (inner := re.sub(r"⟦[^⟦⟧]*⟧", " ", rest)) != rest:
        rest = inner
    return CODES.sub(" ", rest)


def _letters(rest: str) -> bool:
    return re.search(r"[^\W\d_]{2,}", rest) is not None


@pytest.mark.parametrize("role", [None, *ROLES])
def test_no_page_has_a_sentence_that_cannot_be_translated(in_english, signed_in, nobody, store, role):
    browser, data, left = nobody if role is None else signed_in(role), known_data(store), {}
    # After the sites were made: each of them speaks the language of its settings from then on.
    text.use(MadeUp())
    for path, asks in pages(browser.app, store):
        if role in who_may(asks):
            answer = browser.get(path)
            assert answer.status_code in (200, 303), f"{path}: {answer.status_code}"
            if found := left_in_english(answer.text, data):
                left[path] = found
    assert left == {}


def test_a_sentence_that_was_forgotten_is_found():
    page = '<p>⟦Today⟧ 03-Mar-2026 <b title="⟦Why⟧">SMITH, Ann</b></p><p>Press the button</p><i aria-label="Close"></i>'
    assert left_in_english(page, ["SMITH, Ann"]) == ["Press the button", "Close"]
