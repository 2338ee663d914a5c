"""Resources together in one Bundle, each with an address of its own, so that each reference leads to an entry."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from coordinator.fhir.out.definition import plan_definition
from coordinator.fhir.out.elements import Json, instant
from coordinator.fhir.out.names import full_url
from coordinator.fhir.out.terms import code_system, value_set, vocabularies
from pathway.guideline import Guideline, Profile


def bundle(resources: Iterable[Json], now: datetime) -> Json:
    """A collection. Inside a Bundle a reference is the address of an entry, for an id alone leads nowhere there."""
    entries = [_entry(resource) for resource in resources]
    return {"resourceType": "Bundle", "type": "collection", "timestamp": instant(now), "entry": entries}


def _entry(resource: Json) -> Json:
    url = full_url(f"{resource['resourceType']}/{resource['id']}")
    return {"fullUrl": url, "resource": _addressed(resource)}


def _addressed(value: Any) -> Any:
    if isinstance(value, Mapping):
        parts = {name: _addressed(part) for name, part in value.items()}
        target = value.get("reference")
        if isinstance(target, str):
            # The address no longer says of what type it is.
            return {**parts, "reference": full_url(target), "type": target.partition("/")[0]}
        return parts
    return [_addressed(part) for part in value] if isinstance(value, list) else value


def definitions(guideline: Guideline, profiles: Iterable[Profile]) -> Iterator[Json]:
    """What the resources of patients speak of: the pathway by each of those profiles, and our codes."""
    for profile in profiles:
        yield plan_definition(guideline, profile)
    for vocabulary in vocabularies(guideline):
        yield code_system(vocabulary, guideline)
        yield value_set(vocabulary, guideline)
