"""A database outside a release: TLS on both sides, a password full of special characters, and PgBouncer before it."""

from __future__ import annotations

import base64
import datetime
from typing import TYPE_CHECKING, Any

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from airfleet import image
from airfleet.demo.install import RESTRICTED

if TYPE_CHECKING:
    from lab_harness.release import Release

PASSWORD = "p@ss:w/o%r?d#1 $HOME \"q\" 'a' \\ ü"
USER = "air flow@corp"
# Runs once, in the shell of the image's entrypoint, whose $1 is the new cluster: TLS with a certificate, or nothing.
ONLY_TLS = (
    "sed -i 's/^host all all all .*/hostssl all all all scram-sha-256 clientcert=verify-ca/' \"$1/pg_hba.conf\"\n"
)


def namespace(release: Release) -> str:
    """Where the database runs: not beside its users."""
    return f"{release.namespace}-database"


def prepare(release: Release) -> dict[str, Any]:
    """Start the database without waiting for it; the values of a release that uses it."""
    release.lab.load([image.ensure("pgbouncer").archive])
    where = namespace(release)
    release.cluster.ensure_namespace(where, RESTRICTED)
    host = f"db.{where}.svc"
    ca_key, ca = _certificate("airfleet-test-ca", None)
    server = _certificate(host, (ca_key, ca))
    client = _certificate(USER, (ca_key, ca))
    password = {"password": PASSWORD}
    files = {"ca.crt": _pem(ca), "tls.crt": _pem(server[1]), "tls.key": _key(server[0])}
    _apply(release, where, _secret("server", {**files, **password}), _config_map("only-tls", {"only-tls.sh": ONLY_TLS}))
    _apply(release, where, *_server(image.reference("postgres")))
    own = [
        _secret("metadata", {"pw": PASSWORD, "login": USER}),
        _secret("db-client", {"tls.crt": _pem(client[1]), "tls.key": _key(client[0])}),
        _config_map("db-ca", {"root.pem": _pem(ca)}),
    ]
    _apply(release, release.namespace, *own)
    repository, tag = image.reference("pgbouncer").rsplit(":", 1)
    return {
        "postgres": {"embedded": False},
        "database": {
            "secretName": "metadata",
            "host": host,
            "name": "metadata",
            "secretKeys": {"password": "pw", "user": "login"},
            "tls": {
                "mode": "verify-full",
                "ca": {"configMap": "db-ca", "key": "root.pem"},
                "client": {"secretName": "db-client"},
            },
        },
        "pgbouncer": {"enabled": True, "image": {"repository": repository, "tag": tag}},
    }


def query(release: Release, statement: str) -> list[list[str]]:
    """Rows of a query, asked inside the database's own pod."""
    psql = ["exec", "db-0", "--", "psql", "--host=/var/run/postgresql", "-U", USER, "-d", "metadata", "-tA", "-F", "\t"]
    done = release.lab.kubectl("--namespace", namespace(release), *psql, "-c", statement)
    return [line.split("\t") for line in done.stdout.splitlines()]


def _server(reference: str) -> list[dict[str, Any]]:
    labels = {"app": "db"}
    tls = {"ssl": "on", "ssl_ca_file": "/tls/ca.crt", "ssl_cert_file": "/tls/tls.crt", "ssl_key_file": "/tls/tls.key"}
    container = {
        "name": "db",
        "image": reference,
        "args": [part for name, value in tls.items() for part in ("-c", f"{name}={value}")],
        "env": [
            {"name": "POSTGRES_USER", "value": USER},
            {"name": "POSTGRES_DB", "value": "metadata"},
            {"name": "POSTGRES_PASSWORD_FILE", "value": "/tls/password"},
            {"name": "PGDATA", "value": "/data/pgdata"},
        ],
        "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": "512Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "tls", "mountPath": "/tls", "readOnly": True},
            {"name": "init", "mountPath": "/docker-entrypoint-initdb.d", "readOnly": True},
            *({"name": name, "mountPath": path} for name, path in SCRATCH.items()),
        ],
    }
    spec = {
        "terminationGracePeriodSeconds": 2,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 999,
            "fsGroup": 999,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": [
            {"name": "tls", "secret": {"secretName": "server", "defaultMode": 0o440}},
            {"name": "init", "configMap": {"name": "only-tls"}},
            *({"name": name, "emptyDir": {}} for name in SCRATCH),
        ],
    }
    workload = {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": "db"},
        "spec": {
            "serviceName": "db",
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "db"}}
    return [workload, service | {"spec": {"selector": labels, "ports": [{"port": 5432}]}}]


SCRATCH = {"data": "/data", "run": "/var/run/postgresql", "tmp": "/tmp"}


def _apply(release: Release, where: str, *objects: dict[str, Any]) -> None:
    release.lab.kubectl("--namespace", where, "apply", "--filename", "-", stdin=yaml.safe_dump_all(objects))


def _secret(name: str, data: dict[str, str]) -> dict[str, Any]:
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": encoded}


def _config_map(name: str, data: dict[str, str]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


_Pair = tuple[ec.EllipticCurvePrivateKey, x509.Certificate]


def _certificate(name: str, issuer: _Pair | None) -> _Pair:
    """A key and its certificate, signed by the issuer or, for an authority, by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[1].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=2))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
    )
    if issuer and "@" not in name:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    return key, builder.sign(issuer[0] if issuer else key, hashes.SHA256())


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _key(key: ec.EllipticCurvePrivateKey) -> str:
    plain = serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain).decode()
