"""Every sentence of the screens goes through the catalogue: in a made-up language nothing English is left."""

import gettext
import re
from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass
from html import unescape
from html.parser import HTMLParser
from typing import Any

import pytest
from sqlalchemy import select

from coordinator.telling import tell
from coordinator.web import text
from coordinator.web.access import ROLES
from pathway.facts import FIELDS
from persistence import models
from persistence.names import full_name
from persistence.store import table
from scheduler.letters import HEADINGS
from tests.journeys.people import GUIDELINE
from tests.web.catalogue import POT, collected
from tests.web.every_page import pages, who_may

SPOKEN = ("aria-label", "title", "placeholder", "alt", "content-label")
UNSPOKEN = ("script", "style", "kbd")
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
        self.drawn: list[str] = []
        self.deep = 0

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
        outside = self._outside(data)
        if not self.quiet and outside.strip():
            # A picture breaks its words into lines.
            drawn = any(tag == "tspan" for tag, _quiet in self.open)
            (self.drawn if drawn else self.said).append(outside.strip())

    def _outside(self, data: str) -> str:
        """What stands outside of every message; a date in the middle of one may have an element of its own."""
        found = ""
        for part in re.split(r"([⟦⟧])", data):
            self.deep += {"⟦": 1, "⟧": -1}.get(part, 0)
            found += part if self.deep == 0 and part != "⟧" else " · " if part == "⟦" else ""
        return found

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


class Data:
    """What pages show as it was written elsewhere: the guideline, names, the lines of the journals."""

    def __init__(self, *found: str) -> None:
        self.whole = {bare(said) for said in found} - {""}
        self.by_first: dict[str, list[str]] = {}
        for said in sorted(self.whole, key=len, reverse=True):
            self.by_first.setdefault(_first(said), []).append(said)

    def taken_from(self, said: str) -> str:
        """What is left of a text without the data in it, the longest first; single words count only by themselves."""
        for word in re.findall(r"\w+", said):
            for known in self.by_first.get(word, ()):
                if " " in known and known in said:
                    said = said.replace(known, " · ")
        return said

    def has(self, said: str) -> bool:
        return said in self.whole or said[:1].lower() + said[1:] in self.whole

    def has_within(self, said: str) -> bool:
        return any(f" {said} " in f" {known} " for known in self.whole)


def bare(said: str) -> str:
    """Without dates, numbers and codes: what is left of a line is then the same for every patient."""
    return " ".join(CODES.sub(" ", said).split())


def _first(said: str) -> str:
    found = re.search(r"\w+", said)
    return found[0] if found else ""


def known_data(store) -> Data:
    people, staff, rows = table(models.Patient), table(models.User), table(models.Reminder)
    found = {*strings(GUIDELINE), *strings(HEADINGS), *vocabulary()}
    with store.database.reading() as connection:
        for row in connection.execute(select(table(models.Candidate))):
            # The page's title has it after a comma.
            found |= {name := full_name(row.surname, row.given), f", {name}"}
        for row in connection.execute(select(people)):
            found |= {full_name(row.surname, row.given), row.surname, row.given, row.id}
        found |= set(connection.scalars(select(staff.c.name)))
        found |= set(connection.scalars(select(rows.c.because)))
    for episode in store.episodes():
        found |= {episode.owner or "", GUIDELINE.states[episode.state].shown(episode.sub)}
        entries = store.journal(episode.id)
        for told in tell(entries, GUIDELINE):
            found |= {told.what, told.who, *told.because}
        # What was typed and found, with the names of what was missing.
        for entry in entries:
            found |= {said.replace("_", " ") for said in (*strings(entry.step.data), *strings(entry.effects))}
    return Data(*found)


def vocabulary() -> Iterator[str]:
    """What the pathway says of its findings: units, and which answers it expects. Their names are for the screens."""
    for fields_ in FIELDS.values():
        for field in fields_.values():
            yield from (field.unit, field.expected)


def left_in_english(page: str, data: Data) -> list[str]:
    reader = Words()
    reader.feed(page)
    return [said for said in dict.fromkeys(reader.said) if _english(bare(said), data)] + [
        said for said in dict.fromkeys(reader.drawn) if _letters(_unmarked(said)) and not data.has_within(bare(said))
    ]


def _english(said: str, data: Data) -> bool:
    """Whether words are left when all that was translated is taken away, and all that is data."""
    if said in data.whole or not _letters(_unmarked(said)):
        return False
    rest = _unmarked(data.taken_from(said))
    return any(_letters(part) and not data.has(part.strip(" .")) for part in re.split(r"[·,;:()/→|.⚑]", rest))


def _unmarked(rest: str) -> str:
    while (inner := re.sub(r"⟦[^⟦⟧]*⟧", " · ", rest)) != rest:
        rest = inner
    return rest


def _letters(rest: str) -> bool:
    return re.search(r"[^\W\d_]{2,}", rest) is not None


@pytest.mark.parametrize("role", [None, *ROLES])
def test_no_page_has_a_sentence_that_cannot_be_translated(in_english, signed_in, nobody, store, role):
    browser, data, left = nobody if role is None else signed_in(role), known_data(store), {}
    # After the sites were made: each of them speaks the language of its settings from then on.
    text.use(MadeUp())
    wanted = [path for path, asks in pages(browser.app, store) if role in who_may(asks)]
    for path in wanted:
        answer = browser.get(path)
        assert answer.status_code in (200, 303), f"{path}: {answer.status_code}"
        if found := left_in_english(answer.text, data):
            left[path] = found
        if path.endswith("/record"):
            # Every form that can be recorded on.
            wanted += [unescape(href) for href in re.findall(r'href="(/patient/[^"]+/record/[^"]+)"', answer.text)]
    assert left == {}


def test_a_sentence_that_was_forgotten_is_found():
    page = '<p>⟦Today⟧ 03-Mar-2026 <b title="⟦Why⟧">SMITH, Ann</b></p><p>Press the button</p><i aria-label="Close"></i>'
    assert left_in_english(page, Data("SMITH, Ann")) == ["Press the button", "Close"]


def test_the_catalogue_holds_what_is_marked_today():
    assert POT.read_text(encoding="utf-8") == collected(), "run `make text`"
