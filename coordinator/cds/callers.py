"""Who calls: a system of the hospital proves it by a token that it signed with its own key (CDS Hooks 2.0, security).

Where no system is set up nobody may call, but where nothing is real (a demo, a rehearsal), and then from this very
machine only: a proxy in front of real patients would make everybody look like a neighbour.
"""

import json
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from threading import Lock
from typing import Any

import httpx
from fastapi import Request
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from coordinator.api.problems import Problem
from coordinator.web.house import House

# Signatures by a pair of keys only: with a shared secret anybody who can check could also sign.
ALGORITHMS = ["ES384", "ES256", "RS384", "RS256", "PS384", "PS256"]
LEEWAY = 60
LONGEST = timedelta(minutes=10)
KEYS_ARE_FRESH = timedelta(minutes=10)
PATIENCE = 5
LOOPBACK = ("127.0.0.1", "::1", "localhost")
FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")


@dataclass
class Callers:
    """`issuers`: for each system the address, or the file, of its public keys."""

    issuers: Mapping[str, str]
    _keys: dict[str, tuple[KeySet, datetime]] = field(default_factory=dict)
    _spent: dict[tuple[str, str], float] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def known(self, request: Request, house: House, now: datetime, address: str) -> str:
        """Who calls `address`; raises Problem (401) with what is not proven."""
        if not self.issuers:
            if (house.simulation or house.demo) and is_on_this_machine(request):
                return "this machine"
            raise _not_proven("No system is set up to call here (PATHWAY_CDS_ISSUERS)")
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise _not_proven("Send a token that your system has signed, as Authorization: Bearer JWT")
        return self._proven(token.strip(), now, address)

    def _proven(self, token: str, now: datetime, address: str) -> str:
        issuer = _unproven_issuer(token)
        if issuer not in self.issuers:
            raise _not_proven("The token is of a system that is not set up here (PATHWAY_CDS_ISSUERS)")
        rules = jwt.JWTClaimsRegistry(
            now=int(now.timestamp()),
            leeway=LEEWAY,
            iss={"essential": True, "value": issuer},
            aud={"essential": True, "value": address},
            exp={"essential": True},
            iat={"essential": True},
            jti={"essential": True},
        )
        try:
            claims = self._decoded(token, issuer, now)
            rules.validate(claims)
            expires = float(claims["exp"])
            if expires - float(claims["iat"]) > LONGEST.total_seconds():
                raise _not_proven("The token lasts longer than ten minutes")
        except (JoseError, ValueError, KeyError, TypeError) as error:
            raise _not_proven(f"The token does not prove who calls ({type(error).__name__})") from error
        self._spend(issuer, str(claims["jti"]), expires, now)
        return issuer

    def _decoded(self, token: str, issuer: str, now: datetime) -> dict[str, Any]:
        try:
            return dict(jwt.decode(token, self._keys_of(issuer, now), algorithms=ALGORITHMS).claims)
        except (JoseError, ValueError):
            # Signed with a key that is newer than what was fetched, perhaps.
            return dict(jwt.decode(token, self._keys_of(issuer, now, anew=True), algorithms=ALGORITHMS).claims)

    def _keys_of(self, issuer: str, now: datetime, *, anew: bool = False) -> KeySet:
        """The keys as they were fetched of late; a key that is not among them asks again, once a minute at most."""
        kept = self._keys.get(issuer)
        age = now - kept[1] if kept else KEYS_ARE_FRESH
        if kept and age < (timedelta(minutes=1) if anew else KEYS_ARE_FRESH):
            return kept[0]
        keys = KeySet.import_key_set(_read_keys(self.issuers[issuer]))
        self._keys[issuer] = keys, now
        return keys

    def _spend(self, issuer: str, name: str, expires: float, now: datetime) -> None:
        """A token is good once. Kept in this process until it is over by itself."""
        with self._lock:
            self._spent = {key: end for key, end in self._spent.items() if end + LEEWAY > now.timestamp()}
            if (issuer, name) in self._spent:
                raise _not_proven("The token was used before")
            self._spent[issuer, name] = expires


def is_on_this_machine(request: Request) -> bool:
    """Asked from here, by a name of here, with no proxy between: a page of another site could not do that."""
    asked_of = request.url.hostname or ""
    near = request.client is not None and request.client.host in LOOPBACK
    between = any(name in request.headers for name in FORWARDED)
    return near and asked_of in LOOPBACK and not between


def _unproven_issuer(token: str) -> str:
    """Whose keys to check it by: nothing else is believed yet."""
    try:
        return str(json.loads(_unpacked(token.split(".")[1]))["iss"])
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise _not_proven("The token is no signed JWT") from error


def _unpacked(part: str) -> bytes:
    return urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _read_keys(place: str) -> Any:
    """Raises ValueError where there are none."""
    try:
        if not place.startswith(("https://", "http://")):
            return json.loads(Path(place).read_text(encoding="utf-8"))
        answer = httpx.get(place, timeout=PATIENCE)
        answer.raise_for_status()
        return answer.json()
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        raise ValueError(f"its keys cannot be read ({type(error).__name__})") from error


def _not_proven(because: str) -> Problem:
    return Problem("no-token", f"{because}. Nothing was shown.", headers={"WWW-Authenticate": 'Bearer realm="cds"'})
