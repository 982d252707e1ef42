"""FAB's configuration for single sign-on with OpenID Connect: docs/guide/single-sign-on.md.

The settings are oidc.json beside this file and the client secret is a file of its own: no value becomes Python code.
"""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from urllib.parse import urlencode

from airflow.api_fastapi.app import get_auth_manager, get_cookie_path
from airflow.api_fastapi.auth.managers.base_auth_manager import COOKIE_NAME_JWT_TOKEN
from airflow.configuration import conf
from airflow.providers.fab.auth_manager.security_manager.override import FabAirflowSecurityManagerOverride, FabException
from airflow.providers.fab.auth_manager.views.auth_oauth import CustomAuthOAuthView
from flask import redirect, session
from flask_appbuilder import expose
from flask_login import logout_user
from werkzeug.security import check_password_hash

try:
    from authlib.integrations.flask_client.apps import FlaskOAuth2App
except ImportError as error:
    raise RuntimeError("single sign-on needs Authlib: add apache-airflow-providers-fab[oauth] to the image") from error

log = logging.getLogger("airflow.airfleet.sso")


def read(file: Path) -> str:
    """A file that has to be there: FAB takes a missing one for no configuration, which is a login by password."""
    try:
        return file.read_text().strip()
    except OSError as error:
        raise RuntimeError(f"single sign-on is on, but its settings can't be read: {error}") from error


OIDC = json.loads(read(Path(__file__).with_name("oidc.json")))
SECRET = read(Path(os.environ.get("AIRFLEET_OIDC_CLIENT_SECRET", "/opt/airfleet/secrets/oidc-client-secret")))
BASE = conf.get("api", "base_url").rstrip("/")
LOGIN = f"{BASE}/auth/login/"


class Client(FlaskOAuth2App):
    """Authlib's client; it checks signature, expiry and nonce of the ID token."""

    def authorize_redirect(self, redirect_uri=None, **kwargs):
        """Come back to the base URL, not to what the request's headers say."""
        return super().authorize_redirect(f"{BASE}/auth/oauth-authorized/{self.name}", **kwargs)

    def authorize_access_token(self, **kwargs):
        """Check besides who has issued the token, and for whom."""
        wanted = {"iss": OIDC["issuer"], "aud": OIDC["clientId"]}
        options = {name: {"essential": True, "value": value} for name, value in wanted.items()}
        return super().authorize_access_token(claims_options=options, **kwargs)


class View(CustomAuthOAuthView):
    """Signing in and out."""

    @expose("/logout/")
    def logout(self):
        """End the session here and at the provider."""
        hint, user = session.get("id_token"), self._get_authenticated_user()
        logout_user()
        session.clear()
        if user is not None:
            self.appbuilder.sm.on_user_logout(user)
        response = redirect(self.appbuilder.sm.end_session_url(hint) if hint else LOGIN)
        response.delete_cookie(COOKIE_NAME_JWT_TOKEN, path=get_cookie_path(), httponly=True)
        return response


class SecurityManager(FabAirflowSecurityManagerOverride):
    """Users and roles by what the provider says of them."""

    authoauthview = View

    def __init__(self, appbuilder):
        super().__init__(appbuilder)
        # FAB's own logout forgets cookies, and the provider would sign the browser's next user in.
        get_auth_manager().get_url_logout = lambda: f"{BASE}/auth/logout/"

    def end_session_url(self, hint):
        """Where the provider ends a session; our login page if it has no such place."""
        try:
            endpoint = self.oauth_remotes[OIDC["name"]].load_server_metadata().get("end_session_endpoint")
        except Exception as error:
            log.warning("signed out here only, since the provider does not answer: %s", error)
            endpoint = None
        query = {"id_token_hint": hint, "client_id": OIDC["clientId"], "post_logout_redirect_uri": LOGIN}
        return f"{endpoint}?{urlencode(query)}" if endpoint else LOGIN

    def set_oauth_session(self, provider, oauth_response):
        """Keep the ID token, for the logout, and no access token."""
        session.update(oauth_provider=provider, id_token=oauth_response["id_token"])

    def get_oauth_user_info(self, provider, resp):
        """Ask the userinfo endpoint for what the validated ID token lacks."""
        claims = dict(resp["userinfo"])
        if None in [claim(claims, OIDC[key]) for key in ("usernameClaim", "groupsClaim")]:
            more = self.oauth_remotes[provider].userinfo(token=resp)
            if more["sub"] != claims["sub"]:
                raise ValueError("the userinfo endpoint told of somebody else")
            claims = {**more, **claims}
        groups = claim(claims, OIDC["groupsClaim"]) or []
        return {
            "username": claim(claims, OIDC["usernameClaim"]),
            "first_name": claims.get("given_name", ""),
            "last_name": claims.get("family_name", ""),
            "email": claims.get("email", ""),
            "role_keys": ["*", *([groups] if isinstance(groups, str) else groups)],
        }

    def auth_user_oauth(self, userinfo, rotate_session_id=True):
        """Without a role nobody comes in, and who has lost the last one has none in older sessions either."""
        name, groups = userinfo["username"], userinfo["role_keys"]
        if not name:
            log.warning("refused: the provider names no %s", OIDC["usernameClaim"])
            return None
        user, roles = self.find_user(username=name), list(self.get_roles_from_keys(groups))
        if user and user.password and not check_password_hash(user.password, ""):
            log.warning("refused: %s is a local user with a password; delete that one first", name)
            return None
        if user:
            user.roles = roles
            self.update_user(user)
            get_auth_manager().cache.pop(user.id, None)  # or the roles of before would count for half a minute
        if not roles:
            log.warning("refused: %s is in no group of auth.oidc.roleMapping: %s", name, groups)
            return None
        if not user:
            email = userinfo["email"] or f"{name}@email.notfound"
            try:
                self.add_user(name, userinfo["first_name"], userinfo["last_name"], email, roles)
            except FabException:  # it has been logged: another user has the address
                return None
        log.info("%s signed in as %s", name, sorted(role.name for role in roles))
        return super().auth_user_oauth(userinfo, rotate_session_id)


def claim(claims, path):
    """A claim by its name, or by its place such as realm_access.roles."""
    if path in claims:
        return claims[path]
    for part in path.split("."):
        claims = claims.get(part) if isinstance(claims, dict) else None
    return claims


AUTH_TYPE = 4  # flask_appbuilder.const.AUTH_OAUTH
SECURITY_MANAGER_CLASS = SecurityManager
AUTH_ROLES_MAPPING = {group: roles for group, roles in OIDC["roleMapping"].items() if roles}
AUTH_USER_REGISTRATION = False  # FAB's page where strangers register; users are made above
CLIENT = {
    "client_cls": Client,
    "client_id": OIDC["clientId"],
    "client_secret": SECRET,
    "server_metadata_url": OIDC["issuer"].rstrip("/") + "/.well-known/openid-configuration",
    "client_kwargs": {
        "scope": " ".join(["openid", *(OIDC.get("scopes") or [])]),
        "code_challenge_method": "S256",
        "default_timeout": 10,
    },
}
OAUTH_PROVIDERS = [{"name": OIDC["name"], "icon": "fa-key", "token_key": "access_token", "remote_app": CLIENT}]
