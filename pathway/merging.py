"""Two records of one person: which of their open episodes may be one fracture, and which of those may rest.

A fracture that is followed twice would be reminded of twice. Which of the two goes on is for a person to say; the
other is withdrawn with that reason, keeps its history, and a clinician may reopen it.
"""

from collections.abc import Sequence, Set
from datetime import timedelta

from pathway.calendar import show_date
from pathway.episode import Episode
from pathway.guideline import Guideline
from pathway.journal import Refusal, Step

# [E]: the same level, dated so near to each other, may be the same fracture told twice.
NEAR = timedelta(days=28)

Pair = tuple[Episode, Episode]


def pairs(mine: Sequence[Episode], theirs: Sequence[Episode], guideline: Guideline) -> list[Pair]:
    """Open episodes of two records that may be about one fracture."""
    followed = [episode for episode in mine if not guideline.is_terminal(episode.state)]
    others = [episode for episode in theirs if not guideline.is_terminal(episode.state)]
    return [(one, other) for one in followed for other in others if may_be_one(one, other)]


def may_be_one(one: Episode, other: Episode) -> bool:
    """The same level, and nothing in the dates against it: a date that is not known to the day speaks for nothing."""
    if one.level != other.level:
        return False
    vague = "fracture_date" not in (one.onset_source, other.onset_source)
    return vague or abs(one.onset - other.onset) <= NEAR


def resting(found: Sequence[Pair], goes_on: Set[str]) -> list[tuple[Episode, Episode]] | Refusal:
    """Each episode that is to rest with one that goes on in its place, by the ids that a person named.

    Both named: two fractures, both go on. Neither: nobody has said, and nobody guesses.
    """
    for one, other in found:
        if not {one.id, other.id} & goes_on:
            return Refusal("REASON_REQUIRED", f"{question(one, other)}; say which goes on, or that both do")
    resting: dict[str, tuple[Episode, Episode]] = {}
    for pair in found:
        for episode, stays in (pair, pair[::-1]):
            if episode.id not in goes_on and stays.id in goes_on:
                resting.setdefault(episode.id, (episode, stays))
    refusal = next((r for episode, _ in resting.values() if (r := may_not_rest(episode))), None)
    return refusal or list(resting.values())


def question(one: Episode, other: Episode) -> str:
    days = f"{show_date(one.onset)} and {show_date(other.onset)}"
    return f"episodes {one.id} and {other.id} may be one fracture of {one.level} ({days})"


def may_not_rest(episode: Episode) -> Refusal | None:
    """An alarm is never stood down by tidying up."""
    if episode.open_flags():
        because = f"a red flag of {episode.id} has not been judged, so that episode goes on"
        return Refusal("RED_FLAG_ACTIVE", f"{because}; name it, or have the red flag judged first")
    if episode.malignancy == "suspected":
        because = f"malignancy is suspected in {episode.id}, so that episode goes on"
        return Refusal("STATE", f"{because}; name it, or have the suspicion judged first")
    return None


def put_to_rest(goes_on: Episode, because: str, actor: str, by: str) -> Step:
    reason = f"the same fracture as episode {goes_on.id}, which goes on; the records were merged: {because}"
    return Step("admin", "withdraw", {"reason": reason}, actor, by)


def brought_back(because: str, by: str) -> Step:
    """Reopening is a clinician's."""
    return Step("decide", "reopen", {"reason": f"the merge of the records was taken back: {because}"}, "clinician", by)


def dead_and_alive(mine: Sequence[Episode], theirs: Sequence[Episode]) -> bool:
    """One record knows of a death, the other goes on as if there had been none."""
    died = [any(episode.state == "DECEASED" for episode in record) for record in (mine, theirs)]
    return any(died) and not all(died)
