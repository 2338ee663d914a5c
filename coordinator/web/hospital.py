"""The hospital's sign-in by OpenID Connect: where it is, what it is asked, and what its answer proves.

The answer must be signed by the provider's key, from this provider, for this program, fresh, and to the question that
this very browser asked. Nobody is let in by anything less, and no account is made by it.
"""

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

import httpx
from authlib.oauth2.rfc7636 import create_s256_code_challenge  # type: ignore[import-untyped]  # it ships no types
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OctKey

from coordinator.settings import Settings
from coordinator.web.text import _

ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384"]
SCOPE = "openid email profile"
METHODS = "token_endpoint_auth_methods_supported"
LEEWAY = 60
ASKED_FOR = timedelta(minutes=10)
PATIENCE = 10


class NotProven(Exception):
    """The answer of the provider lets nobody in; the argument is the sentence."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What one browser asked: kept in it under our signature until the answer comes."""

    state: str
    nonce: str
    verifier: str
    wanted: str


@dataclass(frozen=True, slots=True)
class Person:
    """Whom the provider vouches for. `subject` names them for good; the address only where it is verified."""

    subject: str
    email: str | None


@dataclass
class Hospital:
    issuer: str
    client: str
    secret: str = field(repr=False)
    name: str
    # Of this process: a browser that asks another one, or after a restart, is asked to begin again.
    _key: OctKey = field(default_factory=lambda: OctKey.import_key(secrets.token_bytes(32)), repr=False)

    @staticmethod
    def of(settings: Settings) -> "Hospital | None":
        if not (settings.oidc_issuer and settings.oidc_client):
            return None
        return Hospital(settings.oidc_issuer, settings.oidc_client, settings.oidc_secret, settings.oidc_name)

    # ------------------------------------------------------------ asking

    def question(self, back: str, wanted: str, now: datetime) -> tuple[str, str]:
        """The provider's address to go to, and what the browser keeps meanwhile. Raises NotProven."""
        state, nonce, verifier = (secrets.token_urlsafe(32) for _part in range(3))
        asked = Asked(state, nonce, verifier, wanted)
        with self._speaking() as client:
            endpoint = self._described(client)["authorization_endpoint"]
        question = {
            "response_type": "code",
            "client_id": self.client,
            "redirect_uri": back,
            "scope": SCOPE,
            "state": state,
            "nonce": nonce,
            "code_challenge": create_s256_code_challenge(verifier),
            "code_challenge_method": "S256",
        }
        address = httpx.URL(endpoint).copy_merge_params(question)
        claims = {"state": asked.state, "nonce": asked.nonce, "verifier": asked.verifier, "wanted": wanted}
        until = int((now + ASKED_FOR).timestamp())
        return str(address), jwt.encode({"alg": "HS256"}, {**claims, "exp": until}, self._key)

    def kept(self, cookie: str, now: datetime) -> Asked:
        """What this browser asked. Raises NotProven where it asked nothing, or too long ago."""
        try:
            claims = jwt.decode(cookie, self._key, algorithms=["HS256"]).claims
            jwt.JWTClaimsRegistry(now=int(now.timestamp()), exp={"essential": True}).validate(claims)
        except (JoseError, ValueError) as error:
            raise NotProven(_("This sign-in was not begun in this browser, or too long ago.")) from error
        return Asked(claims["state"], claims["nonce"], claims["verifier"], claims["wanted"])

    # ------------------------------------------------------------ the answer

    def person(self, answer: Mapping[str, str], asked: Asked, back: str, now: datetime) -> Person:
        """Who the answer proves to be there. Raises NotProven."""
        if not secrets.compare_digest(answer.get("state", "").encode(), asked.state.encode()):
            raise NotProven(_("The answer belongs to another question than this browser asked."))
        if "error" in answer or not answer.get("code"):
            raise NotProven(_("%(name)s let nobody in.", name=self.name))
        with self._speaking() as client:
            described = self._described(client)
            token = self._token(client, described, answer["code"], asked, back)
            keys = self._get(client, described["jwks_uri"])
        return self._proven(token, keys, asked, now)

    def _token(self, client: httpx.Client, described: Mapping[str, Any], code: str, asked: Asked, back: str) -> str:
        """The signed word of the provider in exchange for the code, which is good once."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": back,
            "code_verifier": asked.verifier,
            "client_id": self.client,
        }
        basic = "client_secret_basic" in described.get(METHODS, ["client_secret_basic"])
        if self.secret and not basic:
            form["client_secret"] = self.secret
        # Both parts are escaped before they are joined, or a colon in one of them would cut it short.
        known = httpx.BasicAuth(quote(self.client, safe=""), quote(self.secret, safe=""))
        auth = known if self.secret and basic else httpx.USE_CLIENT_DEFAULT
        answer = client.post(described["token_endpoint"], data=form, auth=auth)
        if 400 <= answer.status_code < 500:
            raise NotProven(_("%(name)s let nobody in.", name=self.name))
        answer.raise_for_status()
        token = answer.json().get("id_token")
        if not isinstance(token, str):
            raise NotProven(_("%(name)s did not say who it is.", name=self.name))
        return token

    def _proven(self, token: str, keys: Mapping[str, Any], asked: Asked, now: datetime) -> Person:
        rules = jwt.JWTClaimsRegistry(
            now=int(now.timestamp()),
            leeway=LEEWAY,
            iss={"essential": True, "value": self.issuer},
            aud={"essential": True, "value": self.client},
            sub={"essential": True},
            exp={"essential": True},
            iat={"essential": True},
            nonce={"essential": True, "value": asked.nonce},
        )
        try:
            claims = jwt.decode(token, KeySet.import_key_set(keys), algorithms=ALGORITHMS).claims  # type: ignore[arg-type]  # a mapping of the provider's own shape
            rules.validate(claims)
        except (JoseError, ValueError, KeyError, TypeError) as error:
            said = _("What %(name)s says of you could not be proven.", name=self.name)
            raise NotProven(said) from error
        # A token for several programs must name this one as the one that asked.
        if claims.get("azp", self.client) != self.client:
            raise NotProven(_("What %(name)s says was meant for another program.", name=self.name))
        email = claims.get("email")
        verified = claims.get("email_verified") is True and isinstance(email, str)
        return Person(f"{self.issuer} {claims['sub']}", str(email).strip().lower() if verified else None)

    # ------------------------------------------------------------ speaking

    @contextmanager
    def _speaking(self) -> Iterator[httpx.Client]:
        """A connection to the provider; whatever goes wrong on it is one sentence."""
        try:
            with httpx.Client(timeout=PATIENCE) as client:
                yield client
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            said = _("%(name)s does not answer. Sign in with a password, or try again later.", name=self.name)
            raise NotProven(said) from error

    def _described(self, client: httpx.Client) -> Mapping[str, Any]:
        found = self._get(client, f"{self.issuer.rstrip('/')}/.well-known/openid-configuration")
        needed = ("authorization_endpoint", "token_endpoint", "jwks_uri")
        if found.get("issuer") != self.issuer or not all(isinstance(found.get(name), str) for name in needed):
            raise NotProven(_("%(name)s does not describe itself as this program expects.", name=self.name))
        return found

    def _get(self, client: httpx.Client, address: str) -> Mapping[str, Any]:
        answer = client.get(address)
        answer.raise_for_status()
        found = answer.json()
        if not isinstance(found, dict):
            raise ValueError(address)
        return found
