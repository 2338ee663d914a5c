"""The answer to a message (ACK): accepted only when it is stored for good."""

from datetime import datetime

from coordinator.hl7.message import Header

ACCEPTED, ERROR, REJECTED = "AA", "AE", "AR"
US = "PATHWAY"


def answer(header: Header, code: str, text: str, at: datetime, control_id: str) -> bytes:
    """An ACK in the sender's own separators, as UTF-8. `control_id` is that of the answer itself."""
    field, component = header.separators[0], header.separators[1]
    event = header.kind.partition("^")[2]
    kind = component.join(part for part in ("ACK", event, "ACK" if event else "") if part)
    head = [
        "MSH",
        header.separators[1:5].strip(),
        US,
        "",
        header.application,
        header.facility,
        at.strftime("%Y%m%d%H%M%S+0000"),
        "",
        kind,
        control_id,
        header.processing or "P",
        header.version or "2.5",
        *[""] * 5,
        "UNICODE UTF-8",
    ]
    said = ["MSA", code, header.control_id, _escaped(text, header.separators)]
    return "".join(f"{field.join(segment).rstrip(field)}\r" for segment in (head, said)).encode()


def _escaped(text: str, separators: str) -> str:
    marks = dict(zip(separators, "FSRET", strict=False))
    escape = separators[3]
    return "".join(f"{escape}{marks[c]}{escape}" if c in marks and c.strip() else c for c in text)
