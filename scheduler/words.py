"""The words of all messages: those built in, with a site's own on top, each checked before any is used.

Words for patients count only while a named clinician has approved exactly this wording.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select

from pathway.errors import PathwayError
from persistence import models
from persistence.store import Store, table
from scheduler.channels import Message
from scheduler.placeholders import KINDS
from scheduler.rows import insert_once
from scheduler.wording import FOLDER, Template, WordsFaulty, read_template
from scheduler.wording_checks import faults_in

__all__ = ["NotApproved", "Template", "Words", "WordsFaulty", "approve", "approved", "built_in", "load_words"]


@dataclass(frozen=True)
class Words:
    """Templates by name, and which of them serves each kind of message."""

    templates: Mapping[str, Template]
    serving: Mapping[str, Template]

    def named(self, name: str) -> Template:
        if name not in self.templates:
            raise WordsFaulty(f"there is no template {name!r}; known are {', '.join(sorted(self.templates))}")
        return self.templates[name]

    def of_kind(self, kind: str) -> Template:
        if kind not in self.serving:
            raise WordsFaulty(f"{kind!r} is no kind of message; known are {', '.join(self.serving)}")
        return self.serving[kind]

    def kinds_of(self, template: Template) -> tuple[str, ...]:
        """The kinds that it serves; a site's template of another name may have taken some over."""
        return tuple(kind for kind, serving in self.serving.items() if serving == template)

    def message(self, kind: str, facts: Mapping[str, Any], key: str, now: datetime) -> Message:
        """The message of these facts; raises WordsFaulty when a fact is missing or it cannot be written."""
        said = self.said(kind, facts)
        return Message(key, said["subject"], said["text"], now, said["html"], said["brief"])

    def said(self, kind: str, facts: Mapping[str, Any]) -> dict[str, str]:
        """Subject, text, html and brief of these facts; raises WordsFaulty."""
        template = self.of_kind(kind)
        missing = [name for name in KINDS[kind].placeholders if name not in facts]
        if missing:
            raise WordsFaulty(f"a message of kind {kind!r} cannot be written without {', '.join(missing)}")
        return template.rendered(facts)


@cache
def built_in() -> Words:
    return load_words(None)


def load_words(folder: Path | None) -> Words:
    """The built-in templates, those of a site's folder on top; raises WordsFaulty with every fault at once."""
    ours, our_faults = _ours()
    theirs, their_faults = _read(folder, site=True) if folder is not None else ([], [])
    faults = [*our_faults, *their_faults, *_twice(ours), *_twice(theirs)]
    templates = {template.name: template for template in (*ours, *theirs)}
    kept = [template for template in ours if templates[template.name] is template]
    serving = {kind: template for template in (*kept, *theirs) for kind in template.kinds}
    if not faults:
        faults += _unserved(serving, ours)
    if faults:
        raise WordsFaulty(*faults)
    return Words(templates, {kind: serving[kind] for kind in KINDS})


@cache
def _ours() -> tuple[list[Template], list[str]]:
    """Those built in: they come with the program and are read and checked once."""
    return _read(FOLDER, site=False)


def _read(folder: Path, *, site: bool) -> tuple[list[Template], list[str]]:
    """The templates of a folder and every fault found in them."""
    found: list[Template] = []
    faults: list[str] = []
    files = sorted(folder.glob("*.toml")) if folder.is_dir() else []
    if not files:
        faults.append(f"{folder}: there is no such folder, or no file in it whose name ends in .toml")
    for file in files:
        try:
            template = read_template(file, site=site)
        except WordsFaulty as error:
            faults += [str(detail) for detail in error.details]
        else:
            found.append(template)
            faults += faults_in(template)
    return found, faults


def _twice(templates: Iterable[Template]) -> Iterator[str]:
    """Two templates of one folder with the same name, or for the same kind: which would count?"""
    claims: defaultdict[str, list[str]] = defaultdict(list)
    for template in templates:
        for claim in (f"the name {template.name!r}", *(f"the kind {kind!r}" for kind in template.kinds)):
            claims[claim].append(template.place)
    for claim, places in claims.items():
        if len(places) > 1:
            yield f"{' and '.join(places)} both have {claim}; expected one template for it"


def _unserved(serving: Mapping[str, Template], ours: Iterable[Template]) -> Iterator[str]:
    for template in ours:
        left = [kind for kind in template.kinds if kind not in serving]
        if left:
            yield f"the site's own template {template.name!r} replaces the built-in one without {', '.join(left)}"


# ---------------------------------------------------------------- approval


class NotApproved(PathwayError):
    """The wording was not approved, nothing was saved."""


def approve(store: Store, words: Words, name: str, by: str, at: datetime) -> models.Approval:
    """A named clinician approves the present wording for patients; one approved before stays as it was.

    The caller has made sure that it is a clinician. Raises NotApproved, or WordsFaulty for an unknown name.
    """
    template = words.named(name)
    if template.audience != "patient":
        raise NotApproved(f"template {name!r} is for staff and needs no approval")
    if not by.strip():
        raise NotApproved(f"template {name!r}: who approves it must be named")
    row = {"template": name, "fingerprint": template.fingerprint, "version": template.version}
    with store.database.writing() as connection:
        insert_once(connection, models.Approval, {**row, "approved_by": by.strip(), "approved_at": at})
        found = approved(connection, template)
    assert found is not None
    return found


def approved(connection: Connection, template: Template) -> models.Approval | None:
    """Who approved exactly this wording, and when; None while nobody has."""
    rows = table(models.Approval)
    same = (rows.c.template == template.name, rows.c.fingerprint == template.fingerprint)
    found = connection.execute(select(rows).where(*same)).first()
    return models.Approval(**found._mapping) if found is not None else None
