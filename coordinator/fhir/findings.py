"""Where something stands in what was read, and the sentences about it."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Place:
    """File, line and resource: enough for a person to find it, and the provenance of what is recorded."""

    file: str
    line: int = 0
    resource: str = ""

    def __str__(self) -> str:
        parts = [self.file, f"line {self.line}" if self.line else "", self.resource]
        return ", ".join(part for part in parts if part)


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that was refused, in one sentence without its full stop."""

    place: Place
    because: str

    def sentence(self) -> str:
        return f"{self.place}: {self.because}."


def printable(text: str) -> str:
    """What a file says, as it may be shown on a terminal: no line breaks, no control codes, no half characters."""
    return "".join(mark if mark.isprintable() else "\ufffd" for mark in text)


def shown(place: Place) -> Place:
    return Place(printable(place.file), place.line, printable(place.resource))


@dataclass
class Findings:
    """What is said about an import: faults refuse something, notes do not. Bounded, whatever the files hold."""

    faults: list[Fault] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    faults_more: int = 0
    longest: int = 10_000

    def refuse(self, place: Place, because: str) -> None:
        if len(self.faults) < self.longest:
            self.faults.append(Fault(shown(place), printable(because)))
        else:
            self.faults_more += 1

    def note(self, text: str) -> None:
        if len(self.notes) < self.longest:
            self.notes.append(printable(text))

    @property
    def refused(self) -> int:
        return len(self.faults) + self.faults_more
