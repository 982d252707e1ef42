"""Images of servers that tests need, made without a container engine.

They are an identity provider (Keycloak), a proxy that ends TLS (HAProxy) and a proxy for the way out (tinyproxy).
Each is a program of others with the libraries that it loads: Keycloak's distribution through Maven, on a Java runtime
that jlink makes of the machine's JDK, and the proxies from Debian's packages, unpacked but not installed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from airfleet.console import step
from airfleet.errors import AirfleetError
from airfleet.lab import images
from airfleet.lab.companions import CompanionImage
from airfleet.machine import ensure_commands, locked
from airfleet.paths import cache_dir
from airfleet.process import run

KEYCLOAK = "26.0.8"
_KEYCLOAK_SHA256 = "d82a52098db41f036bcfe8f2ebfd9251781c8af5959af8714e8aa9b311081786"
_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy"
_MODULES = "java.se,jdk.unsupported,jdk.crypto.ec,jdk.naming.dns,jdk.zipfs,jdk.management,jdk.charsets,jdk.localedata"


def keycloak() -> CompanionImage:
    """Keycloak, already built for its start; what it is told comes as arguments of the container."""
    java = ["/jre/bin/java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xmx400m"]
    java += ["-Dkc.home.dir=/keycloak", "-Djboss.server.config.dir=/keycloak/conf"]
    java += ["-Djava.util.logging.manager=org.jboss.logmanager.LogManager", "-cp", "/keycloak/lib/quarkus-run.jar"]
    return _image("keycloak", KEYCLOAK, [*java, "io.quarkus.bootstrap.runner.QuarkusEntryPoint"], _keycloak)


def haproxy() -> CompanionImage:
    """HAProxy as Debian has it."""
    make = partial(_debian, "haproxy", "usr/sbin/haproxy")
    return _image("haproxy", "debian", ["/usr/sbin/haproxy", "-f", "/etc/haproxy/haproxy.cfg"], make)


def tinyproxy() -> CompanionImage:
    """tinyproxy as Debian has it; it logs to standard output."""
    make = partial(_debian, "tinyproxy-bin", "usr/bin/tinyproxy")
    return _image("tinyproxy", "debian", ["/usr/bin/tinyproxy", "-d", "-c", "/etc/tinyproxy/tinyproxy.conf"], make)


def _image(name: str, version: str, entrypoint: list[str], make: Callable[[Path, Path], None]) -> CompanionImage:
    ref = f"docker.io/airfleet/{name}:{version}"
    inputs = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:16]
    archive = cache_dir() / "images" / f"lab-{name}-{inputs}.tar"
    with locked(archive.with_suffix(".lock")):
        if not archive.is_file():
            with step(f"pack {name}"), tempfile.TemporaryDirectory(dir=archive.parent, prefix=f".{name}-") as scratch:
                root = Path(scratch) / "root"
                (root / "tmp").mkdir(parents=True)
                (root / "tmp").chmod(0o1777)
                make(Path(scratch), root)
                packed = Path(scratch) / "archive.tar"
                images.pack([images.Image(ref, root, entrypoint=entrypoint)], packed)
                packed.rename(archive)
    return CompanionImage(ref, archive)


def _keycloak(scratch: Path, root: Path) -> None:
    ensure_commands({"mvn": "maven", "jlink": "openjdk-17-jdk-headless"})
    # Maven knows from its own settings where its repository is.
    run(["mvn", "--batch-mode", "--quiet", _COPY, f"-Dartifact=org.keycloak:keycloak-quarkus-dist:{KEYCLOAK}:zip",
         f"-DoutputDirectory={scratch}"], timeout=600)  # fmt: skip
    archive = scratch / f"keycloak-quarkus-dist-{KEYCLOAK}.zip"
    if (found := hashlib.sha256(archive.read_bytes()).hexdigest()) != _KEYCLOAK_SHA256:
        raise AirfleetError(
            f"{archive.name} is not the file that it was", why=f"sha256 {found}, not {_KEYCLOAK_SHA256}"
        )
    with zipfile.ZipFile(archive) as content:
        content.extractall(scratch)
    home = scratch / f"keycloak-{KEYCLOAK}"
    build = ["bash", str(home / "bin" / "kc.sh"), "build", "--db=dev-mem", "--health-enabled=true"]
    run(build, timeout=600)
    home.rename(root / "keycloak")
    (root / "keycloak" / "data").mkdir(exist_ok=True)
    lean = ["--strip-debug", "--no-header-files", "--no-man-pages"]
    run(["jlink", "--add-modules", _MODULES, *lean, "--output", str(root / "jre")], timeout=600)
    _add_libraries(root, [root / "jre" / "bin" / "java", *(root / "jre" / "lib").rglob("*.so")])


def _debian(package: str, path: str, scratch: Path, root: Path) -> None:
    """The one program of a package."""
    ensure_commands({"apt-get": "apt", "dpkg": "dpkg"})
    archives, unpacked = scratch / "archives", scratch / "unpacked"
    (archives / "partial").mkdir(parents=True)
    fetch = ["apt-get", "install", "--download-only", "--reinstall", "--yes", "--quiet", "--no-install-recommends"]
    run([*fetch, "-o", f"Dir::Cache::archives={archives}", "-o", "APT::Sandbox::User=root", package], timeout=300)
    for archive in sorted(archives.glob("*.deb")):
        run(["dpkg", "-x", str(archive), str(unpacked)])
    program = root / path
    program.parent.mkdir(parents=True)
    shutil.copy(unpacked / path, program)
    _add_libraries(root, [program], unpacked)


def _add_libraries(root: Path, programs: Iterable[Path], unpacked: Path | None = None) -> None:
    """Copy what programs load from the machine, or from unpacked packages, to where their loader looks for it."""
    places = {str(path.parent) for path in unpacked.rglob("*.so*")} if unpacked else set()
    env = {**os.environ, "LD_LIBRARY_PATH": ":".join(sorted(places))} if places else None
    for program in programs:
        listed = run(["ldd", str(program)], env=env, check=False).stdout.split()
        for library in (Path(word) for word in listed if word.startswith("/") and not word.startswith(str(root))):
            inside = library.relative_to(unpacked) if unpacked and library.is_relative_to(unpacked) else None
            target = root / (inside or str(library).lstrip("/"))
            if not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(library, target)
