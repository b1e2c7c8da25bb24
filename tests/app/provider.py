"""Where a Space's visitors sign in: an OpenID provider on 127.0.0.1 that gradio's real client talks to."""

from __future__ import annotations

import secrets
import socket
import time
from base64 import b64encode
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlencode

import uvicorn
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import RedirectResponse
from joserfc import jwt
from joserfc.jwk import ECKey

CLIENT, SECRET, SCOPES = "presize-client", "of-the-space-alone", "openid profile contribute-repos"
ALGORITHM = "ES256"


class Provider:
    """Signs in whoever is `user`, with the token `token`, without asking."""

    def __init__(self, user: str, token: str) -> None:
        self.user, self.token = user, token
        self._nonces: dict[str, str] = {}  # by code
        self._key = ECKey.generate_key("P-256", {"kid": "1"})
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        app = FastAPI(openapi_url=None)
        app.get("/.well-known/openid-configuration")(self._metadata)
        app.get("/oauth/authorize")(self._authorize)
        app.post("/oauth/token")(self._exchange)
        app.get("/oauth/keys")(lambda: {"keys": [self._key.as_dict(private=False)]})
        self._server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
        Thread(target=self._server.run, args=([self._socket],), daemon=True).start()

    @property
    def variables(self) -> dict[str, str]:
        """Those that a Space has whose README.md says hf_oauth."""
        return {
            "OAUTH_CLIENT_ID": CLIENT,
            "OAUTH_CLIENT_SECRET": SECRET,
            "OAUTH_SCOPES": SCOPES,
            "OPENID_PROVIDER_URL": self.url,
        }

    def close(self) -> None:
        """Sign nobody in any more."""
        self._server.should_exit = True

    def _metadata(self) -> dict[str, Any]:
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/oauth/authorize",
            "token_endpoint": f"{self.url}/oauth/token",
            "jwks_uri": f"{self.url}/oauth/keys",
            "id_token_signing_alg_values_supported": [ALGORITHM],
        }

    def _authorize(self, client_id: str, redirect_uri: str, state: str, scope: str, nonce: str) -> RedirectResponse:
        if (client_id, scope) != (CLIENT, SCOPES):
            raise HTTPException(400)
        code = secrets.token_hex(8)
        self._nonces[code] = nonce
        joint = "&" if "?" in redirect_uri else "?"
        return RedirectResponse(redirect_uri + joint + urlencode({"code": code, "state": state}), 302)

    async def _exchange(self, request: Request) -> dict[str, Any]:
        basic = b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        code = parse_qs((await request.body()).decode()).get("code", [""])[0]
        if request.headers.get("authorization") != f"Basic {basic}" or code not in self._nonces:
            raise HTTPException(401)
        now = int(time.time())
        page = f"https://huggingface.co/{self.user}"
        claims = {"iss": self.url, "aud": CLIENT, "sub": self.user, "iat": now, "exp": now + 3600}
        claims |= {"nonce": self._nonces.pop(code), "name": self.user.title(), "preferred_username": self.user}
        claims |= {"profile": page, "picture": f"{page}.png"}
        identity = jwt.encode({"alg": ALGORITHM, "kid": "1"}, claims, self._key, algorithms=[ALGORITHM])
        known = {"token_type": "bearer", "expires_in": 3600, "scope": SCOPES, "id_token": identity}
        return {"access_token": self.token, **known}
