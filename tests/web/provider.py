"""A small OpenID Connect provider on loopback, with a real key and real answers; a test can spoil each of them."""

import json
import secrets
import threading
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any
from urllib.parse import unquote

import uvicorn
from fastapi import FastAPI, Form, Request
from fastapi.responses import JSONResponse, RedirectResponse
from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT, SECRET = "pathway", "a secret: between the two"


@dataclass
class Provider:
    """`claims`: what it says of whoever signs in there; `spoiled`: what it says instead of the truth."""

    clock: Callable[[], datetime]
    issuer: str = ""
    claims: dict[str, Any] = field(default_factory=dict)
    spoiled: dict[str, Any] = field(default_factory=dict)
    described: dict[str, Any] = field(default_factory=dict)
    forged: bool = False
    unsigned: bool = False
    refuses: str = ""
    methods: tuple[str, ...] = ("client_secret_basic",)

    def __post_init__(self) -> None:
        self.key = RSAKey.generate_key(2048, {"kid": "one"}, private=True)
        self.other = RSAKey.generate_key(2048, {"kid": "one"}, private=True)
        self.asked: dict[str, dict[str, str]] = {}

    def id_token(self, nonce: str) -> str:
        now = self.clock()
        claims = {
            "iss": self.issuer,
            "aud": CLIENT,
            "sub": "person-1",
            "iat": int(now.timestamp()),
            "exp": int((now + timedelta(minutes=5)).timestamp()),
            "nonce": nonce,
            **self.claims,
            **self.spoiled,
        }
        said = {name: value for name, value in claims.items() if value is not None}
        token = jwt.encode({"alg": "RS256", "kid": "one"}, said, self.other if self.forged else self.key)
        if self.unsigned:
            head = urlsafe_b64encode(json.dumps({"alg": "none"}).encode()).decode().rstrip("=")
            return f"{head}.{token.split('.')[1]}."
        return token


def application(provider: Provider) -> FastAPI:
    app = FastAPI()

    @app.get("/.well-known/openid-configuration")
    def described() -> dict[str, Any]:
        return {
            "issuer": provider.issuer,
            "authorization_endpoint": f"{provider.issuer}/authorize",
            "token_endpoint": f"{provider.issuer}/token",
            "jwks_uri": f"{provider.issuer}/keys",
            "token_endpoint_auth_methods_supported": provider.methods,
            **provider.described,
        }

    @app.get("/authorize")
    def authorize(request: Request) -> RedirectResponse:
        asked = dict(request.query_params)
        assert (asked["response_type"], asked["client_id"], asked["code_challenge_method"]) == ("code", CLIENT, "S256")
        assert "openid" in asked["scope"].split()
        back = f"{asked['redirect_uri']}?state={asked['state']}"
        if provider.refuses:
            return RedirectResponse(f"{back}&error={provider.refuses}")
        code = secrets.token_urlsafe()
        provider.asked[code] = asked
        return RedirectResponse(f"{back}&code={code}")

    @app.post("/token")
    def token(
        request: Request,
        code: str = Form(),
        code_verifier: str = Form(),
        redirect_uri: str = Form(),
        client_id: str = Form(""),
        client_secret: str = Form(""),
    ) -> JSONResponse:
        asked = provider.asked.pop(code, None)
        challenge = urlsafe_b64encode(sha256(code_verifier.encode()).digest()).decode().rstrip("=")
        parts = b64decode(request.headers.get("authorization", "Basic ").removeprefix("Basic ")).decode().split(":")
        basic = [unquote(part) for part in parts] == [CLIENT, SECRET]
        known = basic if "client_secret_basic" in provider.methods else (client_id, client_secret) == (CLIENT, SECRET)
        if asked is None or not known or (challenge, redirect_uri) != (asked["code_challenge"], asked["redirect_uri"]):
            return JSONResponse({"error": "invalid_grant"}, 400)
        answer = {"access_token": "unused", "token_type": "Bearer", "id_token": provider.id_token(asked["nonce"])}
        return JSONResponse(answer)

    @app.get("/keys")
    def keys() -> dict[str, Any]:
        return {"keys": [provider.key.as_dict(private=False)]}

    return app


@contextmanager
def running(provider: Provider) -> Iterator[Provider]:
    server = uvicorn.Server(uvicorn.Config(application(provider), port=0, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    ready = threading.Event()
    while not server.started:
        assert thread.is_alive(), "the provider did not start"
        ready.wait(0.02)
    (socket,) = server.servers[0].sockets
    provider.issuer = f"http://127.0.0.1:{socket.getsockname()[1]}"
    try:
        yield provider
    finally:
        server.should_exit = True
        thread.join()
