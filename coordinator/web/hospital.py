"""The hospital's sign-in by OpenID Connect: where it is, what it is asked, and what its answer proves.

The answer must be signed by the provider's key, from this provider, for this program, fresh, and to the question that
this very browser asked. Nobody is let in by anything less, and no account is made by it.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import httpx
from authlib.integrations.base_client.errors import OAuthError  # type: ignore[import-untyped]  # it ships no types
from authlib.integrations.httpx_client import OAuth2Client  # type: ignore[import-untyped]  # it ships no types
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OctKey

from coordinator.settings import Settings
from coordinator.web.text import _

ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384"]
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
        with self._speaking(back) as client:
            endpoint = self._described(client)["authorization_endpoint"]
            address, _state = client.create_authorization_url(
                endpoint, state=asked.state, code_verifier=asked.verifier, nonce=asked.nonce
            )
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
        with self._speaking(back) as client:
            described = self._described(client)
            token = self._token(client, described, answer["code"], asked)
            keys = self._get(client, described["jwks_uri"])
        return self._proven(token, keys, asked, now)

    def _token(self, client: OAuth2Client, described: Mapping[str, Any], code: str, asked: Asked) -> str:
        if "client_secret_basic" not in described.get("token_endpoint_auth_methods_supported", ["client_secret_basic"]):
            client.token_endpoint_auth_method = "client_secret_post"
        try:
            found = client.fetch_token(described["token_endpoint"], code=code, code_verifier=asked.verifier)
        except OAuthError as error:
            raise NotProven(_("%(name)s let nobody in.", name=self.name)) from error
        if not isinstance(found.get("id_token"), str):
            raise NotProven(_("%(name)s did not say who it is.", name=self.name))
        return found["id_token"]

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

    def _speaking(self, back: str) -> "_Speaking":
        return _Speaking(self, back)

    def _described(self, client: OAuth2Client) -> Mapping[str, Any]:
        found = self._get(client, f"{self.issuer.rstrip('/')}/.well-known/openid-configuration")
        needed = ("authorization_endpoint", "token_endpoint", "jwks_uri")
        if found.get("issuer") != self.issuer or not all(isinstance(found.get(name), str) for name in needed):
            raise NotProven(_("%(name)s does not describe itself as this program expects.", name=self.name))
        return found

    def _get(self, client: OAuth2Client, address: str) -> Mapping[str, Any]:
        answer = client.request("GET", address, withhold_token=True)
        answer.raise_for_status()
        found = answer.json()
        if not isinstance(found, dict):
            raise ValueError(address)
        return found


class _Speaking:
    """A connection to the provider, closed afterwards; whatever goes wrong on it is one sentence."""

    def __init__(self, hospital: Hospital, back: str) -> None:
        self.name = hospital.name
        self.client = OAuth2Client(
            hospital.client,
            hospital.secret or None,
            scope="openid email profile",
            redirect_uri=back,
            code_challenge_method="S256",
            timeout=PATIENCE,
        )

    def __enter__(self) -> OAuth2Client:
        return self.client

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        self.client.close()
        if isinstance(error, httpx.HTTPError | ValueError):
            said = _("%(name)s does not answer. Sign in with a password, or try again later.", name=self.name)
            raise NotProven(said) from error
