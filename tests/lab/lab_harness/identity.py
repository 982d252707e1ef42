"""A real identity provider behind a real proxy that ends TLS, and a browser for what people do there.

Keycloak and HAProxy run in a namespace of their own. Both host names lead to the proxy, whose certificate a private
authority has signed; the browser reaches it through a port-forward.
"""

from __future__ import annotations

import html
import http.client
import json
import re
import socket
import ssl
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any

import yaml

from airfleet.kube import Cluster
from airfleet.lab import Lab, pki
from lab_harness import server_images
from lab_harness.release import until

AIRFLOW, IDP = "airflow.lab", "idp.lab"
ISSUER = f"https://{IDP}/realms/lab"
CLIENT, CLIENT_SECRET = "airflow", "not-so-secret-in-a-lab-8f1d"
PASSWORD = "a-password-of-the-lab"
PEOPLE = {"ada": "platform", "vic": "analysts", "eve": "strangers"}  # user -> their one group
# For the manager keycloak: a client of its own, and the roles that it asks for, of which eve has none.
MANAGER = "airflow-manager"
ROLES = {"ada": ["Admin"], "vic": ["Viewer"]}
_LIMITS = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "readOnlyRootFilesystem": True}
_USER = {"runAsNonRoot": True, "runAsUser": 65534, "fsGroup": 65534, "seccompProfile": {"type": "RuntimeDefault"}}

_HAPROXY = """
global
    log stdout format raw local0
resolvers cluster
    parse-resolv-conf
    hold nx 1s
defaults
    mode http
    log global
    option httplog
    option forwardfor
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    default-server resolvers cluster init-addr none
frontend https
    bind :8443 ssl crt /etc/haproxy/tls.pem
    http-request set-header X-Forwarded-Proto https
    http-request set-header X-Forwarded-Host %[req.hdr(host)]
    http-request set-header X-Forwarded-Port 443
    use_backend idp if {{ hdr(host) -i {idp} }}
    default_backend airflow
backend idp
    server keycloak keycloak.{namespace}.svc.cluster.local:8080
backend airflow
    server airflow {service}.svc.cluster.local:8080
"""


def _realm() -> dict[str, Any]:
    """Users, groups, and a client whose logins have to bring PKCE."""
    groups = {
        "name": "groups",
        "protocol": "openid-connect",
        "protocolMapper": "oidc-group-membership-mapper",
        "config": {"claim.name": "groups", "full.path": "false", "id.token.claim": "true"},
    }
    client = {
        "clientId": CLIENT,
        "secret": CLIENT_SECRET,
        "redirectUris": [f"https://{AIRFLOW}/auth/oauth-authorized/sso"],
        "attributes": {
            "pkce.code.challenge.method": "S256",
            "post.logout.redirect.uris": f"https://{AIRFLOW}/auth/login/",
        },
        "protocolMappers": [groups],
    }
    manager = {
        "clientId": MANAGER,
        "secret": CLIENT_SECRET,
        "redirectUris": [f"https://{AIRFLOW}/auth/login_callback"],
        "attributes": {"post.logout.redirect.uris": f"https://{AIRFLOW}/auth/logout_callback"},
        "serviceAccountsEnabled": True,
        "authorizationServicesEnabled": True,
        # Or a permission for another role would deny what the one for somebody's own role grants.
        "authorizationSettings": {"decisionStrategy": "AFFIRMATIVE", "policyEnforcementMode": "ENFORCING"},
        "directAccessGrantsEnabled": True,
    }
    people = [
        {
            "username": name,
            "enabled": True,
            "email": f"{name}@example.com",
            "emailVerified": True,
            "firstName": name.title(),
            "lastName": "Lab",
            "groups": [f"/{group}"],
            "realmRoles": ROLES.get(name, []),
            "credentials": [{"type": "password", "value": PASSWORD}],
        }
        for name, group in PEOPLE.items()
    ]
    return {
        "realm": "lab",
        "enabled": True,
        "groups": [{"name": group} for group in PEOPLE.values()],
        "roles": {"realm": [{"name": role} for role in ("Viewer", "User", "Op", "Admin", "SuperAdmin")]},
        "clients": [client, manager],
        "users": people,
    }


@dataclass
class Provider:
    """Keycloak and the proxy, running."""

    lab: Lab
    cluster: Cluster
    folder: Path  # for the certificates
    service: str  # of Airflow, `name.namespace`
    namespace: str = "identity"
    _ports: list[int] = field(default_factory=list)

    def start(self) -> None:
        """Make everything; nothing is waited for."""
        made = [server_images.keycloak(), server_images.haproxy()]
        self.lab.load([image.archive for image in made])
        self.cluster.ensure_namespace(self.namespace, {"pod-security.kubernetes.io/enforce": "restricted"})
        authority = pki.authority(self.folder, "ca", "a private authority")
        pki.leaf(self.folder, "tls", authority, AIRFLOW, names=[AIRFLOW, IDP])
        files = {
            "haproxy.cfg": _HAPROXY.format(idp=IDP, namespace=self.namespace, service=self.service),
            "tls.pem": (self.folder / "tls.crt").read_text() + (self.folder / "tls.key").read_text(),
        }
        start = [
            "start", "--optimized", "--import-realm", "--cache=local", "--http-enabled=true",
            f"--hostname=https://{IDP}", "--proxy-headers=xforwarded",
        ]  # fmt: skip
        admin = {"KC_BOOTSTRAP_ADMIN_USERNAME": "admin", "KC_BOOTSTRAP_ADMIN_PASSWORD": PASSWORD}
        realm = {"lab-realm.json": json.dumps(_realm())}
        self.apply(
            {"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "proxy"}, "stringData": files},
            {"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "keycloak"}, "stringData": realm},
            *self._server("proxy", made[1].ref, [], 8443, "/", {"/etc/haproxy": {"secret": {"secretName": "proxy"}}}),
            *self._server(
                "keycloak",
                made[0].ref,
                start,
                8080,
                "/health/ready",
                {
                    "/keycloak/data": {"emptyDir": {}},
                    "/keycloak/data/import": {"secret": {"secretName": "keycloak"}},
                    "/tmp": {"emptyDir": {}},
                },
                admin,
            ),
        )

    def apply(self, *objects: Mapping[str, Any]) -> None:
        """`kubectl apply`."""
        text = yaml.safe_dump_all(list(objects))
        self.lab.kubectl("--namespace", self.namespace, "apply", "--filename", "-", stdin=text)

    def _server(
        self,
        name: str,
        image: str,
        args: list[str],
        port: int,
        health: str,
        mounts: Mapping[str, Any],
        env: Mapping[str, str] | None = None,
    ) -> Iterator[dict[str, Any]]:
        """A Deployment of one pod, and its Service."""
        probe = {"httpGet": {"path": health, "port": 9000}} if port == 8080 else {"tcpSocket": {"port": port}}
        container = {
            "name": name,
            "image": image,
            "args": args,
            "env": [{"name": key, "value": value} for key, value in (env or {}).items()],
            "readinessProbe": {**probe, "periodSeconds": 2},
            "securityContext": _LIMITS,
            "volumeMounts": [{"name": f"v{i}", "mountPath": path} for i, path in enumerate(mounts)],
        }
        volumes = [{"name": f"v{i}", **source} for i, source in enumerate(mounts.values())]
        pod = {
            "metadata": {"labels": {"app": name}},
            "spec": {
                "securityContext": _USER,
                "automountServiceAccountToken": False,
                "terminationGracePeriodSeconds": 1,
                "containers": [container],
                "volumes": volumes,
            },
        }
        labels = {"matchLabels": {"app": name}}
        spec = {"replicas": 1, "selector": labels, "strategy": {"type": "Recreate"}, "template": pod}
        yield {"kind": "Deployment", "apiVersion": "apps/v1", "metadata": {"name": name}, "spec": spec}
        ports = [{"port": 443 if port == 8443 else port, "targetPort": port}]
        service = {"selector": {"app": name}, "ports": ports}
        yield {"kind": "Service", "apiVersion": "v1", "metadata": {"name": name}, "spec": service}

    @property
    def certificate(self) -> str:
        """The private authority's, as PEM."""
        return (self.folder / "ca.crt").read_text()

    @property
    def address(self) -> str:
        """Where both host names lead, inside the cluster."""
        found = self.cluster.core.read_namespaced_service("proxy", self.namespace)
        return str(found.spec.cluster_ip)

    def scale(self, name: str, replicas: int) -> None:
        """Take a server away, or bring it back, and wait for it."""
        scale = ("scale", f"deployment/{name}", f"--replicas={replicas}")
        self.lab.kubectl("--namespace", self.namespace, *scale)
        self.wait(name, replicas)

    def wait(self, name: str, replicas: int = 1) -> None:
        """Until so many pods of a server are ready, and no other is left."""

        def settled() -> bool:
            pods = self.cluster.pods(self.namespace, f"app={name}")
            ready = [p for p in pods if any(s.ready for s in p.status.container_statuses or [])]
            return len(pods) == len(ready) == replicas

        until(f"{replicas} {name}", settled, 180)

    @contextmanager
    def reachable(self) -> Iterator[None]:
        """Browsers reach the proxy meanwhile."""
        kubectl = [self.lab.program("kubectl"), "--kubeconfig", self.lab.kubeconfig, "--context", self.lab.context]
        forward = [*kubectl, "--namespace", self.namespace, "port-forward", "service/proxy", ":443"]
        with subprocess.Popen(forward, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            match = re.search(r":(\d+) ->", process.stdout.readline())
            assert match, "kubectl port-forward ended"
            self._ports.append(int(match[1]))
            try:
                yield
            finally:
                process.terminate()

    def browser(self) -> Browser:
        """A browser that knows nobody yet."""
        return Browser(self._ports[-1], self.certificate)

    def put_into(self, user: str, group: str) -> None:
        """Make it the user's one group."""
        browser = self.browser()
        grant = {"client_id": "admin-cli", "grant_type": "password", "username": "admin", "password": PASSWORD}
        token = browser.open(f"https://{IDP}/realms/master/protocol/openid-connect/token", form=grant).json()
        admin, headers = f"https://{IDP}/admin/realms/lab", {"Authorization": f"Bearer {token['access_token']}"}
        (found,) = browser.open(f"{admin}/users?username={user}&exact=true", headers=headers).json()
        groups = {g["name"]: g["id"] for g in browser.open(f"{admin}/groups", headers=headers).json()}
        place = f"{admin}/users/{found['id']}/groups"
        for old in browser.open(place, headers=headers).json():
            assert browser.open(f"{place}/{old['id']}", method="DELETE", headers=headers).status == 204
        assert browser.open(f"{place}/{groups[group]}", method="PUT", headers=headers).status == 204


@dataclass(frozen=True)
class Page:
    """What a browser shows in the end, all redirects followed."""

    url: str
    status: int
    text: str

    def json(self) -> Any:
        return json.loads(self.text)


class Browser:
    """Keeps cookies and follows redirects, over TLS that it verifies, as whoever sits before it."""

    def __init__(self, port: int, certificate: str) -> None:
        context = ssl.create_default_context(cadata=certificate)

        class Connection(http.client.HTTPSConnection):
            def connect(self) -> None:
                plain = socket.create_connection(("127.0.0.1", port), self.timeout)
                self.sock = context.wrap_socket(plain, server_hostname=self.host)

        class Handler(urllib.request.HTTPSHandler):
            def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
                return self.do_open(Connection, request)

        self.cookies = CookieJar()
        jar = urllib.request.HTTPCookieProcessor(self.cookies)
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), Handler(), jar)

    def open(
        self,
        url: str,
        form: Mapping[str, str] | None = None,
        *,
        body: Any = None,
        method: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Page:
        """Go to a page, or send a form or JSON to it; what comes in the end, errors included."""
        data = urllib.parse.urlencode(form).encode() if form is not None else None
        data = json.dumps(body).encode() if body is not None else data
        kind = {"Content-Type": "application/json"} if body is not None else {}
        request = urllib.request.Request(url, data, {**kind, **(headers or {})}, method=method)  # noqa: S310
        try:
            answer = self._opener.open(request, timeout=60)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            return Page(answer.url, answer.status, answer.read().decode(errors="replace"))

    def api(self, path: str, **options: Any) -> Page:
        """A page of Airflow's."""
        return self.open(f"https://{AIRFLOW}{path}", **options)

    def begin(self, path: str = "/auth/login/sso") -> Page:
        """What follows the button on the login page; the manager keycloak has none, and begins at a path of its own."""
        return self.api(path)

    def sign_in(self, user: str, path: str = "/auth/login/sso") -> Page:
        """The whole way: the button, the provider's form, and back."""
        page = self.begin(path)
        assert is_form(page), f"{page.status} {page.url}: no form of the provider\n{page.text[:2000]}"
        action = re.search(r'action="([^"]+)"', page.text)
        assert action
        return self.open(html.unescape(action[1]), {"username": user, "password": PASSWORD})

    def cookie(self, name: str) -> Any:
        """Airflow's cookie of this name, or None."""
        return next((c for c in self.cookies if c.name == name and c.domain == AIRFLOW), None)


def is_form(page: Page) -> bool:
    """Whether the provider asks who one is."""
    return page.url.startswith(f"https://{IDP}/") and 'name="password"' in page.text
