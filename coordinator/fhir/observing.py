"""Facts into the journals of patients who are followed: once, corrected where the source was, never dropped."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from coordinator.fhir.enrolling import Desk, raise_concern
from coordinator.fhir.records import Record, resource_name, said
from coordinator.fhir.relevance import is_withdrawn
from coordinator.fhir.sorting import Item
from coordinator.fhir.stating import Fact, Reader, Statement, Unusable
from pathway.calendar import show_date
from pathway.episode import Episode, Observation
from pathway.journal import Step

FACT = "fhir"
CORRECTED, IN_ERROR = "corrected in the source", "entered in error in the source"


@dataclass
class Observed:
    """What became of the facts of patients who are followed."""

    recorded: int = 0
    known: int = 0
    corrected: int = 0
    retracted: int = 0
    refused: int = 0
    before: int = 0


def observe(desk: Desk, observed: Observed, record: Record, items: Iterable[Item], reader: Reader) -> None:
    """Everything that one patient's resources state, oldest first, into each of their open episodes."""
    open_episodes = record.open_episodes
    targets = open_episodes or _last_closed(record)
    if not targets:
        return
    items = list(items)
    for item in items:
        if is_withdrawn(item.resource):
            for episode in record.episodes:
                _retract(desk, observed, record, episode, item)
    standing = [item for item in items if not is_withdrawn(item.resource)]
    statements = [statement for item in standing for statement in reader.statements(item)]
    facts = sorted((s for s in statements if isinstance(s, Fact)), key=lambda fact: (fact.day, fact.item.ref))
    for number in [episode.n for episode in targets]:
        for fact in _concerning(desk, observed, record, number, facts, only_dangers=not open_episodes):
            _take(desk, observed, record, number, fact)
    if open_episodes:
        _say(desk, observed, record, open_episodes[-1].n, statements)


def _last_closed(record: Record) -> list[Episode]:
    """A dangerous finding on a closed episode is a late result; after a death nothing is told any more."""
    return [episode for episode in record.episodes if episode.state != "DECEASED"][-1:]


def _episode(record: Record, number: int) -> Episode:
    return next(episode for episode in record.episodes if episode.n == number)


def _concerning(
    desk: Desk, observed: Observed, record: Record, number: int, facts: Sequence[Fact], *, only_dangers: bool
) -> list[Fact]:
    """The facts that belong to this fracture: since it happened, and the newest of what was true before."""
    onset = _episode(record, number).onset
    newest = {(fact.kind, fact.part): fact for fact in facts if fact.standing and fact.day < onset}
    chosen = []
    for fact in facts:
        current = fact.day >= onset or newest.get((fact.kind, fact.part)) is fact
        if only_dangers and not (fact.danger and fact.day >= onset):
            continue
        if current or _recorded_before(desk, record, number, fact):
            chosen.append(fact)
        elif not fact.danger:
            observed.before += 1
    return chosen


def _name(desk: Desk, record: Record, item: Item, part: str) -> str:
    return _names(desk, record, item, part)[0]


def _names(desk: Desk, record: Record, item: Item, part: str) -> tuple[str, ...]:
    """What this part of the resource is called, under every number that the person has or had; the source's first."""
    about = said({"part": part})
    return tuple(f"{FACT}:{resource_name(desk.intake, number, item.ref)}:{about}:" for number in record.numbers)


def _recorded_before(desk: Desk, record: Record, number: int, fact: Fact) -> bool:
    """What is in the journal already is corrected wherever its date went."""
    names = _names(desk, record, fact.item, fact.part)
    return any(observation.id.startswith(names) for observation in _episode(record, number).observations)


def _take(desk: Desk, observed: Observed, record: Record, number: int, fact: Fact) -> None:
    episode, stamp = _episode(record, number), fact.item.stamp
    names = _names(desk, record, fact.item, fact.part)
    contents = tuple(f"{name}{said(fact.data)}:" for name in names)
    standing = [o for o in episode.observations if o.id.startswith(names) and not o.retracted]
    if _is_known(episode, fact, standing, contents) or _told_by_another(episode, fact, names):
        observed.known += 1
        return
    place, content = str(fact.item.place), contents[0]
    step = Step("observe", fact.kind, fact.data, "coordinator", place, f"{content}{stamp}:{number}")
    refusal = record.record(step, episode_n=number).refusal
    if refusal is None:
        observed.recorded += 1
    else:
        observed.refused += 1
        desk.findings.refuse(
            fact.item.place, f"{refusal.because} ({refusal.code}); episode {episode.id} keeps the refusal"
        )
    for old in standing:
        _correct(observed, record, number, old, CORRECTED, place, f"{content}{stamp}")


def _is_known(episode: Episode, fact: Fact, standing: Sequence[Observation], content: tuple[str, ...]) -> bool:
    """Recorded as it is, refused before, taken back by a person here, or older than what is recorded."""
    if any(observation.id.startswith(content) for observation in standing):
        return True
    told = [event_id for event_id in episode.event_ids if event_id.startswith(content)]
    if told and (not standing or any(_stamp(event_id) >= fact.item.stamp for event_id in told)):
        return True
    return bool(fact.item.stamp) and any(_stamp(o.id) > fact.item.stamp for o in standing)


def _stamp(name: str) -> str:
    """When the source had changed the resource, as the identity of the entry keeps it."""
    return name.split(":")[4]


def _told_by_another(episode: Episode, fact: Fact, names: tuple[str, ...]) -> bool:
    """The same scan is told of by its order, its images, its report and its procedure: it is one scan."""
    if fact.kind != "imaging" or "modality" not in fact.data:
        return False
    return any(
        scan.data.get("modality") == fact.data["modality"] and scan.effective == fact.day
        for scan in episode.facts("imaging")
        if not scan.id.startswith(names)
    )


def _correct(
    observed: Observed, record: Record, number: int, old: Observation, why: str, place: str, content: str
) -> None:
    step = Step(
        "correct", "observation", {"obs_id": old.id, "reason": why}, "coordinator", place, f"correct:{old.id}:{content}"
    )
    if record.record(step, episode_n=number).refusal is None:
        if why == CORRECTED:
            observed.corrected += 1
        else:
            observed.retracted += 1


def _retract(desk: Desk, observed: Observed, record: Record, episode: Episode, item: Item) -> None:
    names = tuple(f"{FACT}:{resource_name(desk.intake, number, item.ref)}:" for number in record.numbers)
    for old in [o for o in episode.observations if o.id.startswith(names) and not o.retracted]:
        _correct(observed, record, episode.n, old, IN_ERROR, str(item.place), f"error:{item.stamp}")


# ---------------------------------------------------------------- for a person


def _say(desk: Desk, observed: Observed, record: Record, number: int, statements: Sequence[Statement]) -> None:
    """Words, dangers that are older than the fracture, and what could not be used."""
    onset = _episode(record, number).onset
    for statement in statements:
        if isinstance(statement, Unusable):
            desk.findings.refuse(statement.item.place, statement.because)
            observed.refused += 1
        elif isinstance(statement, Fact):
            if statement.danger and statement.day < onset and not statement.standing:
                note = str(statement.data.get("note", statement.kind))
                text = f"Coded before the fracture, on {show_date(statement.day)}: {note}. Is it present now?"
                _concern(desk, record, number, statement.item, "red_flag", text)
        elif statement.day is None or statement.day >= onset:
            _concern(desk, record, number, statement.item, statement.looks_like, statement.text)


def _concern(desk: Desk, record: Record, number: int, item: Item, looks_like: str, text: str) -> None:
    event_id = f"{_name(desk, record, item, 'words')}{said({'text': text})}:words:{number}"
    raise_concern(desk, record, _episode(record, number), event_id, looks_like, text, item.place)
