"""From bytes to single messages: frames of MLLP, envelopes of a batch and every kind of line end are tolerated."""

import re
from dataclasses import dataclass

START, END = b"\x0b", b"\x1c"
ENVELOPE = (b"FHS", b"BHS", b"BTS", b"FTS")
SEGMENT = re.compile(rb"[A-Z][A-Z0-9]{2}(?![A-Za-z0-9])")
LINE_END = re.compile(rb"\r\n|\r|\n")
# A field that a careless sender has broken over lines: one line end inside a text.
BREAK = b"\\.br\\"


@dataclass(frozen=True, slots=True)
class Raw:
    """One message as it came: its bytes, and the line of the file on which it begins."""

    data: bytes
    line: int = 1


@dataclass
class Batch:
    """The messages of a file, and what its trailers promised: `count` is None where none did."""

    messages: list[Raw]
    count: int | None = None
    outside: int = 0


def messages_in(data: bytes) -> Batch:
    """Every message of a file, in its order. Lines before the first are counted, never dropped silently."""
    batch, lines, began = Batch([]), list[bytes](), 0
    for number, line in enumerate(LINE_END.split(data.removeprefix(b"\xef\xbb\xbf")), 1):
        text = line.strip(START + END + b"\x00")
        if text.startswith(ENVELOPE):
            batch.count = _promised(text, batch.count)
        elif text.startswith(b"MSH"):
            _close(batch, lines, began)
            lines, began = [text], number
        elif text.strip() and lines:
            lines.append(text)
        elif text.strip():
            batch.outside += 1
    _close(batch, lines, began)
    return batch


def _close(batch: Batch, lines: list[bytes], began: int) -> None:
    if lines:
        batch.messages.append(Raw(b"\r".join(lines) + b"\r", began))


def _promised(text: bytes, before: int | None) -> int | None:
    """How many messages a batch trailer says it had; of several the sum."""
    field = text.split(text[3:4])[1:2]
    if not text.startswith(b"BTS") or not field or not field[0].strip().isdigit():
        return before
    return (before or 0) + int(field[0])


def segments_of(data: bytes) -> list[bytes]:
    """The lines of one message, each a segment; a line that begins none belongs to the one before it."""
    found: list[bytes] = []
    for line in LINE_END.split(data.strip(START + END + b"\r\n\x00 ")):
        if SEGMENT.match(line) or not found:
            found.append(line)
        elif line.strip():
            found[-1] += BREAK + line
    return found
