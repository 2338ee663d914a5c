"""The resources in a file, one at a time: a Bundle of any type, NDJSON, or a single resource.

Whatever is wrong becomes a sentence in the findings, and what stands before and behind it is read all the same.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from coordinator.fhir.findings import Findings, Place
from coordinator.fhir.json_text import LONGEST_VALUE, CutOff, NotJson, Window, parsed_line
from coordinator.fhir.openings import Bounded, Named, Unreadable, opened_file

Json = dict[str, Any]

LINES = (".ndjson", ".jsonl")
# Whether a file is NDJSON under another name shows in its first line; a Bundle on one line is longer than this.
FIRST_LINE = 1 << 20
# What a line without resourceType holds if it was a resource before it was damaged.
TRACES = ("subject", "patient", "code", "identifier", "birthDate", "clinicalStatus")
NESTED = 3


@dataclass(frozen=True, slots=True)
class Found:
    """One resource as it stands, where, and the address that its Bundle gives it."""

    resource: Json
    place: Place
    url: str = ""

    @property
    def kind(self) -> str:
        return str(self.resource["resourceType"])


@dataclass
class Reading:
    """One file being read. `complete` is False for a Bundle of which the end is missing: it is one whole, or none.

    A line of NDJSON stands for itself, so a bad one takes nothing from the others.
    """

    named: Named
    findings: Findings
    complete: bool = True
    by_lines: bool = False
    strangers: int = 0
    first_stranger: int = 0
    consumed: int = 0
    _source: Bounded | None = field(default=None, repr=False)

    def resources(self) -> Iterator[Found]:
        try:
            with opened_file(self.named) as source:
                self._source = source
                yield from self._all(source)
        except Unreadable as error:
            self.complete = self.complete and self.by_lines
            self._refuse(0, "", str(error))
        finally:
            self._source = None
        if self.strangers:
            lines = f"{self.strangers} lines are" if self.strangers > 1 else "one line is"
            what = f"{lines} no FHIR resource (no resourceType), the first on line {self.first_stranger}; left alone"
            self.findings.note(f"{self.named.name}: {what}.")

    def progress(self) -> int:
        """How many bytes of the file itself have been read."""
        if self._source is not None:
            self.consumed = self._source.consumed
        return self.consumed

    def _all(self, source: Bounded) -> Iterator[Found]:
        self.by_lines = _stem(self.named.name).endswith(LINES) or _looks_like_lines(source)
        yield from self._lines(source) if self.by_lines else self._document(source)

    def _refuse(self, line: int, resource: str, because: str) -> None:
        self.findings.refuse(Place(self.named.name, line, resource), because)

    # ---------------------------------------------------------------- NDJSON

    def _lines(self, source: Bounded) -> Iterator[Found]:
        number = 0
        while data := source.line(LONGEST_VALUE):
            number += 1
            if len(data) == LONGEST_VALUE and not data.endswith(b"\n"):
                self._refuse(number, "", f"the line is longer than {LONGEST_VALUE >> 20} MB; not taken in")
                while data and not data.endswith(b"\n"):
                    data = source.line(LONGEST_VALUE)
                continue
            if data.strip(b" \t\r\n\x1e\xef\xbb\xbf"):
                yield from self._line(number, data)

    def _line(self, number: int, data: bytes) -> Iterator[Found]:
        try:
            found = parsed_line(data)
        except NotJson as error:
            cut = "" if data.endswith(b"\n") else "; it is the last line, and may have been cut off"
            self._refuse(number, "", f"the line is not JSON ({error}){cut}; not taken in")
            return
        yield from self._expanded(found, number, "", "the line")

    def _expanded(self, found: Any, line: int, url: str, what: str, depth: int = 0) -> Iterator[Found]:
        """A resource, or what is in a Bundle that was read whole."""
        if not isinstance(found, dict):
            self._refuse(line, "", f"{what} holds no JSON object; not taken in")
            return
        kind = found.get("resourceType")
        if kind == "Bundle" and depth < NESTED:
            entries = found.get("entry")
            for number, entry in enumerate(entries if isinstance(entries, list) else [], start=1):
                yield from self._entry(entry, number, line, depth + 1)
        elif isinstance(kind, str) and kind:
            yield Found(found, Place(self.named.name, line, _spoken(found, url)), url)
        elif any(name in found for name in TRACES):
            self._refuse(line, "", f"{what} has no resourceType; not taken in")
        else:
            self.strangers += 1
            self.first_stranger = self.first_stranger or line

    # ---------------------------------------------------------------- a Bundle, or a single resource

    def _document(self, source: Bounded) -> Iterator[Found]:
        window = Window(source.read)
        top: Json = {}
        number = 0
        try:
            if window.peek() == "":
                self.findings.note(f"{self.named.name}: the file is empty.")
                return
            for name in _names(window):
                if name == "entry" and window.peek() == "[":
                    for line, entry in _elements(window):
                        number += 1
                        yield from self._entry(entry, number, line, 1)
                else:
                    top[name] = window.value()
            if window.peek():
                raise NotJson("something follows the end of the document")
        except NotJson as error:
            self._refuse_rest(window.line, number, error)
            return
        if top.get("resourceType") != "Bundle":
            yield from self._expanded(top, 1, "", "the file")
        elif "entry" in top:
            self._refuse(1, "Bundle", "its entry is no list; nothing in it was taken in")

    def _refuse_rest(self, line: int, number: int, error: NotJson) -> None:
        kept = f"; the {number} entries before it were read" if number else "; nothing in it was taken in"
        cut = "the file is cut off" if isinstance(error, CutOff) else "the file is not JSON"
        self.complete = False
        self._refuse(line, "", f"{cut} ({error}){kept}")

    def _entry(self, entry: Any, number: int, line: int, depth: int) -> Iterator[Found]:
        if not isinstance(entry, dict):
            self._refuse(line, f"entry {number}", "the entry is no JSON object; not taken in")
            return
        request = entry.get("request")
        address = entry.get("fullUrl")
        url = address if isinstance(address, str) and address.isprintable() else ""
        if "resource" in entry:
            yield from self._expanded(entry["resource"], line, url, f"entry {number}", depth)
        elif isinstance(request, dict) and str(request.get("method")).upper() == "DELETE":
            gone = str(request.get("url") or url or f"entry {number}")
            because = "it was deleted in the source; deletions are not taken over, so a person must correct the record"
            self._refuse(line, gone, because)


def _names(window: Window) -> Iterator[str]:
    """The names in an object, each with the window before its value; the caller takes the value."""
    window.take("{")
    if window.peek() == "}":
        window.take("}")
        return
    while True:
        name = window.value()
        if not isinstance(name, str):
            raise NotJson("a name in an object is no text")
        window.take(":")
        yield name
        if window.peek() != ",":
            window.take("}")
            return
        window.take(",")


def _elements(window: Window) -> Iterator[tuple[int, Any]]:
    """The elements of a list, each with the line on which it begins."""
    window.take("[")
    if window.peek() == "]":
        window.take("]")
        return
    while True:
        window.peek()
        line = window.line
        yield line, window.value()
        if window.peek() != ",":
            window.take("]")
            return
        window.take(",")


def _looks_like_lines(source: Bounded) -> bool:
    """Several JSON objects, each on a line of its own, under a name that does not say so."""
    first = source.line(FIRST_LINE)
    try:
        several = first.endswith(b"\n") and isinstance(parsed_line(first), dict)
    except NotJson:
        several = False
    while several:
        following = source.line(FIRST_LINE)
        if following.strip():
            break
        several = bool(following)
    source.again()
    return several


def _stem(name: str) -> str:
    return name.lower().removesuffix(".gz")


def _spoken(resource: Json, url: str) -> str:
    """A resource as people speak of it: Condition/123."""
    name = resource.get("id")
    kind = str(resource.get("resourceType"))[:60]
    return f"{kind}/{name[:80]}" if isinstance(name, str) and name else f"{kind} {url[:80]}".strip()
