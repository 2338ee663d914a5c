"""One template: reading its file, its fingerprint, and rendering it in a sandbox that can do very little.

A template may show placeholders, ask whether they are empty and loop over lists; wording_checks.py refuses the
rest before anything is compiled. The sandbox has no functions, no tests and a handful of filters all the same.
"""

import hashlib
import json
import re
import tomllib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from pathway.errors import PathwayError
from scheduler.placeholders import KINDS

FOLDER = Path(__file__).parent / "templates"
BLOCKS = ("subject", "text", "html", "brief")
FRONT = ("name", "version", "audience", "language")
AUDIENCES = ("staff", "patient")
FILTERS = ("upper", "lower", "capitalize", "trim", "length")
LONGEST_SOURCE = 64_000  # characters of a file
LONGEST = 100_000  # bytes of a rendered block
LONGEST_FACT = 2_000  # characters; an error message that somebody else wrote can be a book
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class WordsFaulty(PathwayError):
    """The wording of messages cannot be used."""


@dataclass(frozen=True)
class Template:
    """A checked template. `place` is where it was read, as people know it; `site`: the site's own, not built in."""

    name: str
    version: str
    audience: str
    language: str
    kinds: tuple[str, ...]
    blocks: Mapping[str, str]
    place: str
    site: bool
    _compiled: dict[str, jinja2.Template] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def fingerprint(self) -> str:
        """sha256 of everything in it that counts, so that another wording has another one."""
        front = [self.name, self.version, self.audience, self.language, *self.kinds]
        source = [front, *(_normalised(self.blocks[block]) for block in BLOCKS)]
        return hashlib.sha256(json.dumps(source, ensure_ascii=False).encode()).hexdigest()

    def compiled(self, block: str) -> jinja2.Template:
        """Each block by itself and when it is first used, so that none is compiled before it has been checked."""
        if block not in self._compiled:
            self._compiled[block] = sandbox(block).from_string(self.blocks[block])
        return self._compiled[block]

    def rendered(self, facts: Mapping[str, Any]) -> dict[str, str]:
        """Each block in words; raises WordsFaulty where one cannot be rendered or is too long."""
        safe = {name: _safe(value) for name, value in facts.items()}
        found = {block: self.block(block, safe) for block in BLOCKS}
        return {**found, "html": page(found["subject"], found["html"], self.language)}

    def block(self, block: str, facts: Mapping[str, Any]) -> str:
        """One block as it goes out, the HTML still without its page."""
        try:
            said = _bounded(self.compiled(block), facts)
        except (jinja2.TemplateError, TypeError, ValueError) as error:
            raise WordsFaulty(f"{self.place}: template {self.name!r}, {block}: {error}") from error
        return " ".join(said.split()) if block == "subject" else _tidy(said, lines_apart=block != "brief")


def read_template(file: Path, *, site: bool) -> Template:
    """The template of a file, its words unchecked; raises WordsFaulty with every fault of its form."""
    place = str(file) if site else f"built-in {file.name}"
    try:
        source = file.read_text(encoding="utf-8")
        found = tomllib.loads(source)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise WordsFaulty(f"{place}: {error}") from error
    found = {"language": "en"} | found
    faults = [f"{place}: {fault}" for fault in (*_form_faults(found), *_kind_faults(found))]
    if len(source) > LONGEST_SOURCE:
        faults.append(f"{place}: {len(source)} characters; a template has at most {LONGEST_SOURCE}")
    if faults:
        raise WordsFaulty(*faults)
    blocks = {block: found[block] for block in BLOCKS}
    front = {name: found[name] for name in FRONT}
    return Template(**front, kinds=tuple(found["kinds"]), blocks=blocks, place=place, site=site)


def _form_faults(found: Mapping[str, Any]) -> list[str]:
    known = (*FRONT, "kinds", *BLOCKS)
    faults = [f"{name} is missing; expected {', '.join(known)}" for name in known if name not in found]
    faults += [f"{name} is not known; expected {', '.join(known)}" for name in found if name not in known]
    for name in (*FRONT, *BLOCKS):
        if name in found and not (isinstance(found[name], str) and found[name].strip()):
            faults.append(f"{name} is {found[name]!r}; expected a text that is not empty")
    for name, form in (("name", r"[a-z][a-z0-9-]*"), ("language", r"[A-Za-z]{2,3}(-[A-Za-z0-9]+)*")):
        if isinstance(found.get(name), str) and not re.fullmatch(form, found[name]):
            faults.append(f"{name} {found[name]!r} does not have the form {form}")
    return faults


def _kind_faults(found: Mapping[str, Any]) -> list[str]:
    audience, kinds = found.get("audience", "staff"), found.get("kinds", ["due"])
    if audience not in AUDIENCES:
        return [f"audience is {audience!r}; expected {' or '.join(AUDIENCES)}"]
    if not (isinstance(kinds, list) and kinds and all(isinstance(kind, str) for kind in kinds)):
        return [f'kinds is {kinds!r}; expected a list such as ["due", "overdue"]']
    fitting = ", ".join(kind.name for kind in KINDS.values() if kind.audience == audience)
    return [
        f"kind {kind!r} is not a kind of message to {audience}; expected some of {fitting}"
        for kind in kinds
        if kind not in KINDS or KINDS[kind].audience != audience
    ]


# ---------------------------------------------------------------- rendering


@cache
def sandbox(block: str) -> jinja2.Environment:
    """The environment of a block: only `html` escapes what it shows."""
    found = ImmutableSandboxedEnvironment(
        undefined=jinja2.StrictUndefined,
        autoescape=block == "html",
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,
    )
    found.globals.clear()
    found.tests.clear()
    found.filters = {name: found.filters[name] for name in FILTERS}
    return found


def page(subject: str, content: str, language: str) -> str:
    """The whole HTML letter around what a template says."""
    return _layout().render(subject=subject, content=Markup(content), language=language)


@cache
def _layout() -> jinja2.Template:
    return sandbox("html").from_string((FOLDER / "layout.html").read_text(encoding="utf-8"))


def _bounded(compiled: jinja2.Template, facts: Mapping[str, Any]) -> str:
    parts, size = [], 0
    for part in compiled.generate(facts):
        size += len(part.encode())
        if size > LONGEST:
            raise ValueError(f"it would be longer than {LONGEST} bytes")
        parts.append(part)
    return "".join(parts)


def _tidy(text: str, *, lines_apart: bool) -> str:
    """What was empty leaves no gap: at most one blank line between paragraphs, in a brief none at all."""
    lines = "\n".join(line.rstrip() for line in text.splitlines())
    return re.sub(r"\n{2,}", "\n\n" if lines_apart else "\n", lines).strip("\n") + ("\n" if lines_apart else "")


def _safe(value: Any) -> Any:
    """A fact as it may be shown: no control characters, nothing endless. Records and lists likewise."""
    if isinstance(value, tuple):
        return tuple(_safe(item) for item in value)
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{part.name: _safe(getattr(value, part.name)) for part in fields(value)})
    if not isinstance(value, str):
        return value
    # Half a character, which JSON can carry, cannot be sent by anybody.
    whole = CONTROL.sub("", value).encode(errors="replace").decode()
    return whole if len(whole) <= LONGEST_FACT else f"{whole[:LONGEST_FACT]} … (shortened)"


def _normalised(source: str) -> str:
    lines = unicodedata.normalize("NFC", source).splitlines()
    return "\n".join(line.rstrip() for line in lines).strip()
