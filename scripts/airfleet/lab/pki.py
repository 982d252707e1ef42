"""The lab's certificate authority, its certificates and kubeconfigs; made anew for every `up`, valid for a year."""

from __future__ import annotations

import base64
import ipaddress
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from airfleet.lab.state import LabRecord

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

LIFETIME = timedelta(days=365)


@dataclass(frozen=True)
class Authority:
    """A certificate authority that can sign."""

    key: EllipticCurvePrivateKey
    certificate: x509.Certificate


def create(lab: LabRecord) -> None:
    """Write pki/ (certificates, keys, one kubeconfig per component) and the user's kubeconfig."""
    directory = lab.dir / "pki"
    directory.mkdir(mode=0o700, exist_ok=True)
    ca = authority(directory, "ca", f"airfleet-{lab.name}")
    front = authority(directory, "front-proxy-ca", f"airfleet-{lab.name}-front-proxy")
    plan = lab.addresses
    control_plane = str(plan.node(1))
    api_names = [
        "localhost",
        *(f"kubernetes{suffix}" for suffix in ("", ".default", ".default.svc", ".default.svc.cluster.local")),
    ]
    api_addresses = ["127.0.0.1", control_plane, str(plan.kubernetes_service)]
    leaf(directory, "apiserver", ca, "kube-apiserver", names=api_names, addresses=api_addresses)
    leaf(directory, "apiserver-kubelet-client", ca, "kube-apiserver-kubelet-client", group="system:masters")
    leaf(directory, "front-proxy-client", front, "front-proxy-client")
    _write_pair(directory, "service-accounts", _new_key())

    inside = f"https://{control_plane}:6443"
    users = {
        "admin": ("airfleet-admin", "system:masters"),
        "controller-manager": ("system:kube-controller-manager", ""),
        "scheduler": ("system:kube-scheduler", ""),
        "proxy": ("system:kube-proxy", ""),
        "agent": ("airfleet-agent", ""),
    }
    for name, (user, group) in users.items():
        leaf(directory, name, ca, user, group=group)
        _write_kubeconfig(directory / f"{name}.kubeconfig", lab, directory, name, inside)
    for number, node in enumerate(lab.nodes, start=1):
        leaf(directory, node, ca, f"system:node:{node}", group="system:nodes")
        leaf(directory, f"{node}-serving", ca, f"system:node:{node}", names=[node], addresses=[str(plan.node(number))])
        _write_kubeconfig(directory / f"{node}.kubeconfig", lab, directory, node, inside)
    _write_kubeconfig(lab.dir / "kubeconfig", lab, directory, "admin", f"https://127.0.0.1:{lab.port}")


def _new_key() -> EllipticCurvePrivateKey:
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.generate_private_key(ec.SECP256R1())


def authority(directory: Path, file: str, name: str) -> Authority:
    """A new certificate authority; its pair is written as FILE.key and FILE.crt."""
    key = _new_key()
    certificate = _sign(name, "", key, None, [], [])
    _write(directory / f"{file}.key", _key_pem(key))
    _write(directory / f"{file}.crt", _certificate_pem(certificate))
    return Authority(key, certificate)


def leaf(
    directory: Path,
    file: str,
    ca: Authority,
    name: str,
    *,
    group: str = "",
    names: Sequence[str] = (),
    addresses: Sequence[str] = (),
) -> None:
    """Write a pair that the authority has signed: for a server if it has names or addresses, else for a client."""
    key = _new_key()
    certificate = _sign(name, group, key, ca, names, addresses)
    _write(directory / f"{file}.key", _key_pem(key))
    _write(directory / f"{file}.crt", _certificate_pem(certificate))


def _sign(
    name: str,
    group: str,
    key: EllipticCurvePrivateKey,
    ca: Authority | None,
    names: Sequence[str],
    addresses: Sequence[str],
) -> x509.Certificate:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group)] if group else []
    subject = x509.Name([*attributes, x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(ca.certificate.subject if ca else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.BasicConstraints(ca=ca is None, path_length=None), critical=True)
        .add_extension(_key_usage(authority=ca is None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    signer = ca.key if ca else key
    # Python's own TLS client refuses certificates without an authority key identifier
    builder = builder.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
    )
    if ca is not None:
        server = bool(names or addresses)
        usage = ExtendedKeyUsageOID.SERVER_AUTH if server else ExtendedKeyUsageOID.CLIENT_AUTH
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        if server:
            alternatives: list[x509.GeneralName] = [x509.DNSName(n) for n in names]
            alternatives += [x509.IPAddress(ipaddress.ip_address(a)) for a in addresses]
            builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    return builder.sign(signer, hashes.SHA256())


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=not authority,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _key_pem(key: EllipticCurvePrivateKey) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _certificate_pem(certificate: x509.Certificate) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.PEM)


def _write_pair(directory: Path, file: str, key: EllipticCurvePrivateKey) -> None:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    _write(directory / f"{file}.key", _key_pem(key))
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    _write(directory / f"{file}.pub", public)


def _write_kubeconfig(path: Path, lab: LabRecord, pki: Path, user: str, server: str) -> None:
    def embedded(file: str) -> str:
        return base64.b64encode((pki / file).read_bytes()).decode()

    name = f"airfleet-{lab.name}"
    cluster = {"server": server, "certificate-authority-data": embedded("ca.crt")}
    identity = {
        "client-certificate-data": embedded(f"{user}.crt"),
        "client-key-data": embedded(f"{user}.key"),
    }
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": name, "user": identity}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    }
    _write(path, json.dumps(config, indent=1).encode())  # JSON is YAML


def _write(path: Path, content: bytes) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(content)
