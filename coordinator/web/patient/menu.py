"""What can be recorded for a patient, in the order in which people look for it."""

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from coordinator.web.desk import Desk
from coordinator.web.patient import deciding, wording
from coordinator.web.text import _
from pathway.episode import Episode
from pathway.facts import FIELDS


@dataclass(frozen=True, slots=True)
class Item:
    title: str
    href: str
    needs: str = "coordinator"


@dataclass(frozen=True, slots=True)
class Group:
    title: str
    items: tuple[Item, ...]
    says: str = ""


def menu(desk: Desk, episode: Episode) -> tuple[Group, ...]:
    common = (
        Item(_("Red-flag questions"), f"/patient/{quote(episode.patient, safe='')}/red-flags?episode={episode.n}"),
        _item(episode, "admin", "contact", _("Talk with the patient")),
        *(_item(episode, "observe", kind, wording.kind_title(kind)) for kind in wording.COMMON),
    )
    others = (_item(episode, "observe", k, wording.kind_title(k)) for k in FIELDS if k not in wording.COMMON)
    return (
        Group(_("Often recorded"), common),
        Group(_("Other findings"), tuple(others)),
        Group(
            _("Decisions"), tuple(_decisions(desk, episode)), _("What is not possible yet is refused with its reason.")
        ),
        Group(_("Administration"), tuple(_administration(desk, episode))),
        Group(_("Corrections"), tuple(_corrections(episode)), _("The earlier entry stays in the journal.")),
    )


def _item(episode: Episode, event: str, kind: str, title: str, needs: str = "coordinator", **about: str) -> Item:
    query = urlencode({"episode": episode.n, **about})
    return Item(title, f"/patient/{quote(episode.patient, safe='')}/record/{event}/{kind}?{query}", needs)


def _decisions(desk: Desk, episode: Episode) -> Iterator[Item]:
    for kind, fixed in deciding.decisions():
        form = deciding.decision_form(kind, fixed, desk.store.engine.guideline, desk.today)
        if form is not None:
            yield _item(episode, "decide", kind, form.title, form.needs, **fixed)


def _administration(desk: Desk, episode: Episode) -> Iterator[Item]:
    guideline = desk.store.engine.guideline
    for kind in deciding.ADMIN_KINDS:
        form = deciding.admin_form(kind, guideline, desk.today, (), {})
        if form is not None:
            yield _item(episode, "admin", kind, form.title, form.needs)
    yield _item(episode, "new_fracture", "fracture", _("Register a further fracture"))


def _corrections(episode: Episode) -> Iterator[Item]:
    yield _item(episode, "correct", "fracture_date", _("Date of the fracture"))
    yield _item(episode, "correct", "identification_date", _("Date of identification"))
    yield _item(episode, "correct", "care_start", _("Start of care"))
    for observation in reversed(episode.observations):
        if not observation.retracted:
            title = f"{wording.kind_title(observation.kind)}, {observation.effective:%d-%b-%Y}"
            yield _item(episode, "correct", "observation", title, obs=observation.id)
