"""Signs people in to a real Airflow, once for each fault of the provider; prints what came of it as JSON.

The provider is a small one, since a real one can't be made to issue a wrong token. Argument: the settings' folder.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

KEY_SIZE = 2048
# fault -> what the provider says otherwise in the ID token
CLAIMS: dict[str, dict[str, Any]] = {
    "none": {},
    "group as one text": {"groups": "platform"},
    "group at a path": {"groups": None, "realm_access": {"roles": ["platform"]}},
    "another issuer": {"iss": "https://evil.example.com"},
    "another audience": {"aud": "another-client", "azp": "airflow"},
    "another nonce": {"nonce": "replayed"},
    "expired": {"exp": int(time.time()) - 3600},
    "no groups": {"groups": None},
    "unknown group": {"groups": ["strangers"]},
    "no name": {"preferred_username": None},
    "name of a local user": {"preferred_username": "local"},
    "address of another user": {"preferred_username": "mallory", "email": "local@example.com"},
}
WAYS = [*CLAIMS, "signed by another", "not signed", "no ID token", "groups from userinfo", "userinfo of another"]


class Provider(BaseHTTPRequestHandler):
    """Discovery, keys, token and userinfo; `fault` and `nonce` are set before each login."""

    fault = nonce = ""
    asked: ClassVar[dict[str, list[str]]] = {}
    keys: Any = None

    def do_GET(self) -> None:
        issuer = f"http://{self.headers['Host']}"
        if self.path == "/keys":
            return self.answer({"keys": [self.keys[0].as_dict(private=False)]})
        if self.path == "/userinfo":
            who = "somebody-else" if self.fault == "userinfo of another" else "1"
            return self.answer({"sub": who, "groups": ["platform"] if "userinfo" in self.fault else None})
        urls = {"token_endpoint": "token", "jwks_uri": "keys", "userinfo_endpoint": "userinfo"}
        urls |= {"authorization_endpoint": "authorize", "end_session_endpoint": "end"}
        algorithms = {"id_token_signing_alg_values_supported": ["RS256"]}
        return self.answer({"issuer": issuer, **{k: f"{issuer}/{v}" for k, v in urls.items()}, **algorithms})

    def do_POST(self) -> None:
        Provider.asked = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        Provider.asked["authorization"] = [self.headers.get("Authorization", "")]
        issuer, now = f"http://{self.headers['Host']}", int(time.time())
        claims = {"iss": issuer, "aud": "airflow", "sub": "1", "iat": now, "exp": now + 300, "nonce": self.nonce}
        claims |= {"preferred_username": "ada", "email": "ada@example.com", "groups": ["platform"]}
        claims |= CLAIMS.get(self.fault, {})
        if "userinfo" in self.fault:
            claims["groups"] = None
        claims = {name: value for name, value in claims.items() if value is not None}
        token = {"access_token": "an-access-token", "token_type": "Bearer", "expires_in": 300}
        if self.fault != "no ID token":
            token["id_token"] = self.sign(claims)
        self.answer(token)

    def sign(self, claims: dict[str, Any]) -> str:
        from joserfc import jwt
        from joserfc.util import urlsafe_b64encode

        if self.fault == "not signed":
            parts = [urlsafe_b64encode(json.dumps(part).encode()).decode() for part in ({"alg": "none"}, claims)]
            return ".".join([*parts, ""])
        key = self.keys[1 if self.fault == "signed by another" else 0]
        return jwt.encode({"alg": "RS256", "kid": self.keys[0].kid}, claims, key)

    def answer(self, body: Any) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_: object) -> None:
        pass


def main() -> None:
    """Start both, and go through the ways."""
    from joserfc.jwk import RSAKey

    Provider.keys = [RSAKey.generate_key(KEY_SIZE, {"kid": "one"}) for _ in range(2)]
    provider = ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    threading.Thread(target=provider.serve_forever, daemon=True).start()
    folder = Path(sys.argv[1])
    settings = {"issuer": f"http://127.0.0.1:{provider.server_port}", "clientId": "airflow", "name": "sso"}
    settings |= {"scopes": ["profile"], "usernameClaim": "preferred_username", "groupsClaim": "groups"}
    (folder / "oidc.json").write_text(json.dumps({**settings, "roleMapping": {"platform": ["Admin"]}}))
    told = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):
        found = dict(sign_in_all())
    print(json.dumps(found), file=told)
    told.flush()
    os._exit(0)


def sign_in_all() -> Any:
    """(way, what came of it) for each."""
    from airflow.api_fastapi.app import create_app, get_auth_manager

    app = create_app(apps="core")
    manager = get_auth_manager()
    with manager.flask_app.app_context():
        sm = manager.security_manager
        sm.add_user("local", "L", "L", "local@example.com", sm.find_role("Viewer"), "its-own-password")
    for way in WAYS:
        yield way, sign_in(app, way)
    yield "signed out", sign_out(app)
    from starlette.testclient import TestClient

    client = TestClient(app, base_url="https://airflow.test")
    for name, password in (("local", "its-own-password"), ("ada", ""), ("ada", "x")):
        yield (
            f"token {name} {password}",
            client.post("/auth/token", json={"username": name, "password": password}).status_code,
        )
    with manager.flask_app.app_context():
        yield "users", {user.username: [role.name for role in user.roles] for user in sm.get_all_users()}


def begin(app: Any, way: str) -> tuple[Any, dict[str, list[str]]]:
    """A browser that has pressed the button, and what it was sent to the provider with."""
    from starlette.testclient import TestClient

    client = TestClient(app, base_url="https://airflow.test", follow_redirects=False)
    # The path of the groups is a setting; the module that Flask has read holds it.
    settings("groupsClaim", "realm_access.roles" if way == "group at a path" else "groups")
    query = parse_qs(
        urlsplit(client.get("/auth/login/sso", headers={"X-Forwarded-Host": "evil.test"}).headers["Location"]).query
    )
    Provider.fault, Provider.nonce = way, query["nonce"][0]
    return client, query


def settings(name: str, value: str) -> None:
    """Change a setting of the running program."""
    from airflow.api_fastapi.app import get_auth_manager

    type(get_auth_manager().security_manager).get_oauth_user_info.__globals__["OIDC"][name] = value


def sign_in(app: Any, way: str) -> dict[str, Any]:
    """Go the whole way; what the API says then, and what was said on the way."""
    client, query = begin(app, way)
    back = client.get("/auth/oauth-authorized/sso", params={"code": "a-code", "state": query["state"][0]})
    home = client.get("/auth/") if back.status_code == 302 else back
    return {
        "callback": back.status_code,
        "token": "_token" in client.cookies,
        "dags": client.get("/api/v2/dags").status_code,
        "query": query,
        "asked": Provider.asked,
        "cookies": home.headers.get_list("set-cookie"),
    }


def sign_out(app: Any) -> dict[str, Any]:
    """Sign in and out; where it leads, and whether the old token still counts."""
    client, query = begin(app, "none")
    client.get("/auth/oauth-authorized/sso", params={"code": "a-code", "state": query["state"][0]})
    client.get("/auth/")
    token = client.cookies["_token"]
    first = client.get("/api/v2/auth/logout")
    second = client.get(first.headers["Location"])
    old = client.get("/api/v2/dags", headers={"Authorization": f"Bearer {token}"}).status_code
    return {"first": first.headers["Location"], "second": second.headers["Location"], "old": old}


if __name__ == "__main__":
    main()
