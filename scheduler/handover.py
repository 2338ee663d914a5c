"""A message that will not reach anybody becomes a person's work: a task on the patient's worklist, once."""

import logging
from datetime import datetime
from typing import Any

from pathway.errors import Outrun
from pathway.journal import Refusal, Step
from persistence.store import Store

SYSTEM = "system"
TRIES = 4

log = logging.getLogger(__name__)


def hand_over(store: Store, row: Any, episode: Any, because: str, now: datetime) -> str:
    """Open the task "see to it by telephone" in the journal; empty when it is there, else why it is not.

    Doing it twice for one message does nothing the second time, so the outbox may be killed in between.
    """
    about = f"{row.kind} {row.code} for the {row.role}"
    data = {"message": about, "because": because}
    step = Step("admin", "unreached", data, actor=SYSTEM, event_id=f"unreached:{row.key}")
    try:
        refusal = _recorded(store, row.patient_id, step, now, episode.n)
    except Exception as error:
        # An episode that the engine cannot go on with must not keep the others of the round from being told.
        log.warning("a message that reached nobody could not be given to a person yet: %s", error)
        return f"{because}; and the task for a person could not be opened: {type(error).__name__}"
    return "" if refusal is None else f"{because}; and the task for a person was refused: {refusal.because}"


def _recorded(store: Store, patient: str, step: Step, now: datetime, n: int) -> Refusal | None:
    """Another worker may be at the same patient: then again, on what it has left."""
    for _ in range(TRIES):
        try:
            return store.record(patient, step, now, episode_n=n).refusal
        except Outrun:
            continue
    return store.record(patient, step, now, episode_n=n).refusal
