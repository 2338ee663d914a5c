"""A patient in every place of the pathway, each by the shortest plausible story."""

from collections.abc import Callable

from tests.journeys.clinic import Clinic, clinic_in_memory
from tests.journeys.people import (
    WHY,
    decided,
    examined,
    happened,
    observed,
    outcome,
    pain,
    painless,
    registered,
    scanned,
)


def assessed(**how: str) -> Clinic:
    """Registered on 5 January 2026 after a fracture on 2 January, examined and scanned on the 6th: stable."""
    return clinic_in_memory(**how).tell(registered(), examined()).at("2026-01-06 15:00").tell(scanned())


def in_care(**how: str) -> Clinic:
    return assessed(**how).at("2026-01-06 16:00").tell(decided("start_conservative"))


def in_reassessment(**how: str) -> Clinic:
    return in_care(**how).at("2026-02-03 10:00").tell(pain(5))


def in_imaging_review(**how: str) -> Clinic:
    return in_care(**how).at("2026-01-20 10:00").tell(pain(5, changed=True))


def in_malignancy_work_up(**how: str) -> Clinic:
    return in_care(**how).at("2026-01-20 10:00").tell(observed("malignancy_features", cancer_history=True))


def with_augmentation_proposed(**how: str) -> Clinic:
    clinic = in_reassessment(**how).tell(decided("complete_reassessment", outcome="continue"))
    clinic.at("2026-02-20 10:00").tell(scanned("2026-02-20")).at("2026-03-30 10:00").tell(pain(8))
    return clinic.at("2026-04-06 10:00")


def with_augmentation_sent(**how: str) -> Clinic:
    return with_augmentation_proposed(**how).tell(decided("confirm_augmentation"))


def with_red_flag(**how: str) -> Clinic:
    return in_care(**how).at("2026-01-20 10:00").tell(examined(motor_deficit=True, obs_id="flag"))


def with_surgeons(**how: str) -> Clinic:
    return with_red_flag(**how).tell(decided("acknowledge_red_flag"))


def after_procedure(**how: str) -> Clinic:
    return with_augmentation_sent(**how).at("2026-04-28 10:00").tell(outcome("augmentation", "performed"))


def under_surveillance(**how: str) -> Clinic:
    return in_care(**how).at("2026-02-03 10:00").tell(painless(), decided("resolved"))


def discharged(**how: str) -> Clinic:
    early = decided("discharge", override_reason="moves abroad next week")
    return under_surveillance(**how).tell(early)


def transferred(**how: str) -> Clinic:
    return in_care(**how).tell(happened("transfer_out", **WHY))


def withdrawn(**how: str) -> Clinic:
    return in_care(**how).tell(happened("withdraw", actor="coordinator", **WHY))


def deceased(**how: str) -> Clinic:
    return in_care(**how).tell(happened("death", actor="coordinator"))


PLACES: dict[str, Callable[..., Clinic]] = {
    "ACUTE_ASSESSMENT": assessed,
    "CONSERVATIVE_CARE": in_care,
    "REASSESSMENT": in_reassessment,
    "IMAGING_REVIEW": in_imaging_review,
    "IMAGING_REVIEW.malignancy": in_malignancy_work_up,
    "AUGMENTATION_REFERRAL.proposed": with_augmentation_proposed,
    "AUGMENTATION_REFERRAL.sent": with_augmentation_sent,
    "SURGICAL_REFERRAL.pending_ack": with_red_flag,
    "SURGICAL_REFERRAL.sent": with_surgeons,
    "POST_PROCEDURE": after_procedure,
    "SURVEILLANCE": under_surveillance,
    "DISCHARGED": discharged,
    "TRANSFERRED_OUT": transferred,
    "WITHDRAWN": withdrawn,
    "DECEASED": deceased,
}
ACTIVE = tuple(path for path in PLACES if PLACES[path] not in (discharged, transferred, withdrawn, deceased))
