"""What all requests share: the store, the settings, the clock, the templates."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from coordinator.settings import Settings
from coordinator.web import showing, text
from coordinator.web.access import ROLES, May
from coordinator.web.first_code import FirstCode
from coordinator.web.hospital import Hospital
from persistence.store import Store

STATIC = Path(__file__).parent / "static"


@dataclass(frozen=True)
class House:
    """`simulation`: nothing here is real, and every page says so. `demo`: people may sign in without a password,
    from this machine only. `first_code`: what lets somebody make the first account, while there is none."""

    store: Store
    settings: Settings
    clock: Callable[[], datetime]
    simulation: bool = False
    demo: bool = False
    first_code: FirstCode | None = None
    templates: Environment = field(init=False)
    hospital: Hospital | None = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "templates", _environment(self))
        object.__setattr__(self, "hospital", Hospital.of(self.settings))

    @property
    def secure(self) -> bool:
        """Whether people reach it by https, so that cookies may insist on it."""
        return self.settings.web_url.startswith("https://")


def _environment(house: House) -> Environment:
    made = Environment(
        loader=PackageLoader("coordinator.web"),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    made.install_gettext_callables(  # type: ignore[attr-defined]  # the i18n extension adds it
        lambda message: text.translations().gettext(message),
        lambda one, many, number: text.translations().ngettext(one, many, number),
        newstyle=True,
    )
    made.filters.update(showing.FILTERS)
    made.globals.update(
        guideline=house.store.engine.guideline,
        house=house,
        May=May,
        ROLES=ROLES,
        asset=_asset,
    )
    return made


@cache
def _asset(name: str) -> str:
    """The address of a static file; it changes with the content, so that browsers may keep it for ever."""
    return f"/static/{name}?v={hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]}"
