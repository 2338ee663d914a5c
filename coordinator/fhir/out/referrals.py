"""Referrals as ServiceRequests. The journal knows of no other order: imaging that is owed is a Task."""

from collections.abc import Iterator, Mapping
from typing import Any

from coordinator.fhir.out.elements import Json, concept, instant, person, reference, resource, subject
from coordinator.fhir.out.names import episode_name, spelled
from coordinator.fhir.out.terms import SERVICES
from pathway.calendar import show_date
from pathway.episode import Referral
from pathway.facts import as_date
from pathway.journal import Entry
from persistence.charts import Kept

STATUSES = {
    "draft": "draft",
    "proposed": "draft",
    "sent": "active",
    "on_hold": "on-hold",
    "completed": "completed",
    "declined": "revoked",
    "cancelled": "revoked",
    "withdrawn": "revoked",
}
Told = list[tuple[Entry, Mapping[str, Any]]]


def service_request(kept: Kept, referral: Referral) -> Json:
    episode, name = kept.episode, episode_name(kept.episode.id)
    told = list(_told(kept, referral))
    sent = next((entry for entry, effect in told if effect.get("status") == "sent"), None)
    # The engine drafts a surgical referral only for a red flag; what a clinician sends without one can wait its turn.
    urgent = bool(told) and told[0][1].get("status") == "draft"
    progress = dict(referral.progress)
    return resource(
        "ServiceRequest",
        f"{name}.{spelled(referral.service)}.{referral.n}",
        updated=kept.row.updated_at,
        basedOn=[reference("CarePlan", name)],
        status=STATUSES[referral.status],
        # Nothing is ordered by the engine: before a clinician has sent it, it is a proposal.
        intent="order" if sent else "proposal",
        priority="stat" if urgent else "routine",
        code=concept("service", referral.service, _service(referral)),
        subject=subject(episode.patient),
        occurrenceDateTime=progress.get("dated"),
        authoredOn=instant(referral.opened_at),
        requester=person(sent.step.by, sent.actor) if sent else None,
        performerType=concept("service", referral.service, SERVICES.get(referral.service, referral.service)),
        reasonReference=[reference("Condition", name)],
        note=[{"text": text} for text in _progress(progress)],
    )


def _told(kept: Kept, referral: Referral) -> Iterator[tuple[Entry, Mapping[str, Any]]]:
    """What the journal says of this referral, oldest first."""
    for entry in kept.entries:
        for effect in entry.effects:
            same = (effect.get("service"), effect.get("n")) == (referral.service, referral.n)
            if effect["event"] == "referral" and same:
                yield entry, effect


def _service(referral: Referral) -> str:
    named = f"Referral: {SERVICES.get(referral.service, referral.service).lower()}"
    return f"{named} ({referral.technique})" if referral.technique else named


def _progress(progress: Mapping[str, str]) -> Iterator[str]:
    for step, on in progress.items():
        yield f"{step.capitalize()}: {show_date(as_date(on))}"
