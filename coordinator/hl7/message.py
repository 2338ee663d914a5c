"""One message, read: its header leniently, because even of a broken one somebody wants to know whose it was."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import hl7
from hl7.exceptions import HL7Exception

from coordinator.fhir.findings import printable
from coordinator.hl7.framing import segments_of

# What the library raises over texts that nobody foresaw.
BROKEN = (HL7Exception, ValueError, IndexError, KeyError, TypeError, AttributeError, RecursionError)
CHARSETS = {"8859/1": "latin-1", "8859/15": "iso8859-15", "UNICODE UTF-8": "utf-8", "UNICODE": "utf-8"}
ESCAPE = re.compile(r"\\(F|S|T|R|E|\.br|\.sp\d*|X[0-9A-Fa-f]+|H|N|\.[a-z]{2}[+-]?\d*)\\")
NULL = '""'
LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class Header:
    """What a message says of itself. `kind` is as ADT^A01; `version` as 2.5; `processing` P, T or D."""

    kind: str = ""
    control_id: str = ""
    sender: str = ""
    sent_at: str = ""
    version: str = ""
    processing: str = ""
    # Its own separators, for the answer.
    separators: str = "|^~\\&"
    application: str = ""
    facility: str = ""


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment with its number in the message, counted from 1. Parts that are not there are empty."""

    name: str
    number: int
    fields: Sequence[Any]
    marks: str

    def repetitions(self, field: int) -> Iterator["Parts"]:
        """Each repetition of a field that says anything."""
        if field >= len(self.fields):
            return
        whole = self.fields[field]
        for repetition in whole if isinstance(whole, hl7.Field) else [whole]:
            parts = Parts(repetition, self.marks)
            if parts.text():
                yield parts

    def first(self, field: int) -> "Parts":
        return next(self.repetitions(field), Parts("", self.marks))

    def text(self, field: int, component: int = 1) -> str:
        return self.first(field).text(component)

    def all_text(self, field: int) -> str:
        """Every repetition of a text, as lines."""
        return "\n".join(parts.text() for parts in self.repetitions(field))


@dataclass(frozen=True, slots=True)
class Parts:
    """One repetition of a field: components, counted from 1, and their parts."""

    value: Any
    marks: str

    def text(self, component: int = 1, part: int = 1) -> str:
        """Empty where it is not there, and where the sender says that it should be deleted ("")."""
        found = _nth(_nth(self.value, component), part)
        said = unescaped(str(found), self.marks).strip()
        return "" if said == NULL else said


def _nth(value: Any, n: int) -> Any:
    if isinstance(value, hl7.Container):
        return value[n - 1] if n <= len(value) else ""
    return value if n == 1 else ""


@dataclass(frozen=True, slots=True)
class Message:
    header: Header
    segments: tuple[Segment, ...]

    def all(self, name: str) -> list[Segment]:
        return [segment for segment in self.segments if segment.name == name]


def text_of(data: bytes) -> str:
    """The message as text, in the character set that it names; else UTF-8, and where it is none, Latin-1."""
    lines = segments_of(data)
    head = (lines[0] if lines else b"").decode("latin-1")
    named = head.split(head[3:4] or "|")[17:18]
    wanted = CHARSETS.get(named[0].partition("~")[0].strip() if named else "", "utf-8")
    whole = b"\r".join(lines)
    for charset in (wanted, "utf-8"):
        try:
            return whole.decode(charset)
        except UnicodeDecodeError:
            continue
    return whole.decode("latin-1")


def header_of(data: bytes) -> Header:
    """As much as can be read of the first segment, of a broken message too."""
    head = text_of(data).partition("\r")[0]
    if not head.startswith("MSH") or len(head) < 8:
        return Header()
    mark = head[3]
    fields = [printable(field.strip())[:LONGEST_NAME] for field in head.split(mark)]
    fields += [""] * (20 - len(fields))
    component = head[4]
    kind = "^".join(fields[8].split(component)[:2])
    sender = " ".join(part for part in (fields[2], fields[3]) if part)
    return Header(
        kind=kind,
        control_id=fields[9],
        sender=sender,
        sent_at=fields[6].split(component)[0],
        version=fields[11].split(component)[0],
        processing=fields[10].split(component)[0],
        separators=(mark + head[4:8]).ljust(5),
        application=fields[2],
        facility=fields[3],
    )


def digest_of(data: bytes) -> str:
    """The same for the same content, whenever it is sent: the header, with its time, is left out where there is one."""
    lines = segments_of(data)
    said = lines[1:] if lines[0].startswith(b"MSH") else [data]
    return hashlib.sha256(b"\r".join(said)).hexdigest()[:32]


def read(data: bytes) -> Message | str:
    """The message, or why it cannot be read, as a clause."""
    header, text = header_of(data), text_of(data)
    if not header.kind and not header.control_id:
        return "it does not begin with a header (MSH) that can be read"
    if "\x00" in text:
        return "it holds characters that are no text"
    if not _are_separators(header.separators):
        return "its separators (MSH-1 and MSH-2) are not five different marks"
    try:
        parsed = hl7.parse(text + "\r")
        segments = tuple(_segment(number, found, header.separators) for number, found in enumerate(parsed, 1))
    except BROKEN as error:
        return f"its segments cannot be read ({type(error).__name__}: {printable(str(error))[:120]})"
    return Message(header, segments)


def _are_separators(marks: str) -> bool:
    return len(set(marks)) == len(marks) and not any(mark.isalnum() or mark.isspace() for mark in marks)


def _segment(number: int, found: Any, marks: str) -> Segment:
    return Segment(str(found[0]), number, found, marks)


def unescaped(text: str, marks: str) -> str:
    """The text without HL7's escapes; one that is not known stays as it stands.

    Not by the library, which writes what it cannot read into the log, and that may be about a patient.
    """
    if "\\" not in text:
        return text
    known = {"F": marks[0], "S": marks[1], "R": marks[2], "E": marks[3], "T": marks[4], "H": "", "N": ""}
    return ESCAPE.sub(lambda found: _said(found[1], known), text)


def _said(code: str, known: dict[str, str]) -> str:
    if code in known:
        return known[code]
    if code.startswith("X"):
        digits = code[1:] if len(code) % 2 else code[1:-1]
        return printable(bytes.fromhex(digits).decode("latin-1"))
    return "\n" if code.startswith((".br", ".ce")) else " "
