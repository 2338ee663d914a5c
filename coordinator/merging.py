"""Two records that may be of one person, side by side, for whichever door a person comes through."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from coordinator.cohort_file import same_person
from pathway import merging
from pathway.episode import Episode
from pathway.errors import NoSuchPatient
from pathway.journal import Refusal
from persistence.merges import Merged, merges_of
from persistence.merging import Asked, merge
from persistence.names import full_name
from persistence.store import Store


@dataclass(frozen=True, slots=True)
class Side:
    """One of two records: who it says the person is, and what it follows."""

    number: str
    name: str
    birth_date: Any
    sex: str | None
    episodes: tuple[Episode, ...]


@dataclass(frozen=True, slots=True)
class Proposal:
    """What merging would join. `differ`: what the records say differently of the person; `pairs`: open episodes that
    may be about one fracture, of which a person says which goes on; `refusal`: why it cannot be as things stand."""

    surviving: Side
    retired: Side
    differ: tuple[str, ...]
    pairs: tuple[tuple[Episode, Episode], ...]
    refusal: Refusal | None

    @property
    def seen(self) -> dict[str, int]:
        """The version of every episode, as it was looked at."""
        return {episode.id: episode.seq for side in (self.surviving, self.retired) for episode in side.episodes}


def propose(store: Store, surviving: str, retired: str) -> Proposal | Refusal:
    """The two records as they stand; a refusal where there are no two of them. Nothing is written."""
    sides = []
    for number in (surviving, retired):
        current = store.current_number(number)
        if current != number:
            return Refusal("STATE", f"{number} goes on as {current} already; name that number; nothing was saved")
        try:
            sides.append(_side(store, number))
        except NoSuchPatient:
            return Refusal("STATE", f"there is no patient {number}; nothing was saved")
    mine, theirs = sides
    if mine.number == theirs.number:
        return Refusal("STATE", f"{mine.number} is one record already; name two numbers; nothing was saved")
    found = merging.pairs(mine.episodes, theirs.episodes, store.engine.guideline)
    return Proposal(mine, theirs, differences(mine, theirs), tuple(found), _in_the_way(mine, theirs))


def _side(store: Store, number: str) -> Side:
    case, person = store.case(number), store.person(number)
    name = full_name(person.surname, person.given)
    return Side(number, name, person.birth_date, person.sex, tuple(case.episodes))


def differences(one: Side, other: Side) -> tuple[str, ...]:
    """In which of name, date of birth and sex the records contradict each other; what one does not say, does not."""
    surnames = [side.name.partition(",")[0].replace("Not known", "") for side in (one, other)]
    names = not same_person(surnames[0], None, surnames[1], None)
    births = not same_person("", one.birth_date, "", other.birth_date)
    sexes = bool(one.sex and other.sex and one.sex != other.sex)
    found = {"surname": names, "date of birth": births, "sex": sexes}
    return tuple(word for word, differs in found.items() if differs)


def _in_the_way(mine: Side, theirs: Side) -> Refusal | None:
    if not merging.dead_and_alive(mine.episodes, theirs.episodes):
        return None
    because = "only one of the records says that the person has died: record the death in both, or correct it, first"
    return Refusal("CONTRADICTION", because)


def join(store: Store, proposal: Proposal, asked: Asked, at: datetime, *, although: bool = False) -> Merged | Refusal:
    """Merge what was proposed. `although`: a person says that it is one person although the records differ."""
    if proposal.differ and not although:
        because = f"the two records differ in {' and '.join(proposal.differ)}"
        return Refusal("CONTRADICTION", f"{because}; say that it is the same person all the same; nothing was saved")
    return merge(store, asked, at)


def joined_into(store: Store, number: str) -> list[Merged]:
    """The merges that stand in the record of that number, the newest first."""
    return [found for found in merges_of(store.database, store.numbers_of(number)) if found.undone_at is None]
