"""Builds the lab's programs from the pinned Go modules in lab/go, once, into the cache."""

from __future__ import annotations

import errno
import hashlib
import os
import platform
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from airfleet.console import step
from airfleet.errors import AirfleetError
from airfleet.lab import preflight
from airfleet.machine import ensure_commands, locked
from airfleet.paths import cache_dir
from airfleet.process import run

# command or file -> Debian package
_NEEDS = {
    "gcc": "gcc",
    "pkg-config": "pkg-config",
    "/usr/include/seccomp.h": "libseccomp-dev",
    "/usr/include/stdlib.h": "libc6-dev",
}
SOURCES = Path(__file__).parent / "go"
CNI_PLUGIN = "lab-policy"  # the name under which the container runtime starts labinit as a network plugin
_BUILD_SPACE = 7 << 30  # bytes: Kubernetes' compiled packages take 3.3 GB, its sources 1.5 GB


@dataclass(frozen=True)
class Build:
    """One `go build`: packages, tags, the variables that the linker sets, and whether C is involved."""

    packages: tuple[str, ...]
    tags: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    cgo: bool = False


@dataclass(frozen=True)
class Module:
    """One Go module of ours: its builds, and links to make beside the results (link -> program)."""

    name: str
    title: str
    builds: tuple[Build, ...]
    links: Mapping[str, str] = field(default_factory=dict)

    @property
    def source(self) -> Path:
        """The module's directory."""
        return SOURCES / self.name


def required(path: Path, version_of: str) -> str:
    """The version of a module that a go.mod requires."""
    found = re.search(rf"^\s*(?:require )?{re.escape(version_of)} (v\S+)", path.read_text(), re.MULTILINE)
    if found is None:
        raise AirfleetError(f"{version_of} is not required", where=str(path))
    return found[1]


def _kube() -> Module:
    version = required(SOURCES / "kube" / "go.mod", "k8s.io/kubernetes")
    variables: dict[str, str] = {}
    for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version"):
        variables |= {f"{package}.gitVersion": version, f"{package}.gitTreeState": "clean"}
        variables |= dict(zip((f"{package}.gitMajor", f"{package}.gitMinor"), version[1:].split("."), strict=False))
    components = (
        "etcd",
        "kube-apiserver",
        "kube-controller-manager",
        "kube-scheduler",
        "kubelet",
        "kube-proxy",
        "kubectl",
    )
    return Module(
        "kube",
        f"Kubernetes {version} from source (5 to 10 minutes, once)",
        (Build(("./cmd/kube", "./cmd/coredns"), variables=variables),),
        dict.fromkeys(components, "kube"),
    )


def _containers() -> Module:
    go_mod = SOURCES / "containers" / "go.mod"
    containerd = "github.com/containerd/containerd/v2"
    plugins = "github.com/containernetworking/plugins"
    runc = "github.com/opencontainers/runc"
    return Module(
        "containers",
        "containerd, runc and the network plugins (a minute, once)",
        (
            Build(
                tuple(f"{containerd}/cmd/{c}" for c in ("containerd", "containerd-shim-runc-v2", "ctr")),
                tags="no_btrfs,no_devmapper,no_zfs",
                variables={f"{containerd}/version.Version": required(go_mod, containerd)},
            ),
            Build(
                tuple(
                    f"{plugins}/plugins/{p}"
                    for p in ("main/bridge", "main/loopback", "ipam/host-local", "meta/portmap")
                ),
                variables={f"{plugins}/pkg/utils/buildversion.BuildVersion": required(go_mod, plugins)},
            ),
            Build((runc,), tags="seccomp", variables={"main.version": required(go_mod, runc)[1:]}, cgo=True),
        ),
    )


def _node() -> Module:
    return Module(
        "node",
        "the lab's own programs (a minute, once)",
        (Build(("./cmd/labinit", "./cmd/labagent")),),
        {CNI_PLUGIN: "labinit"},
    )


def modules() -> list[Module]:
    """Every module, in the order in which they are built."""
    return [_node(), _containers(), _kube()]


def digest(module: Module) -> str:
    """16 hexadecimal digits that change with any of the module's sources or with the processor's architecture."""
    h = hashlib.sha256(f"{platform.machine()} {module}".encode())
    for path in sorted(p for p in module.source.rglob("*") if p.is_file() and not p.name.endswith("_test.go")):
        h.update(f"{path.relative_to(module.source)}\0{path.stat().st_size}\0".encode())
        h.update(path.read_bytes())
    return h.hexdigest()[:16]


def destination(module: Module) -> Path:
    """Where the built programs of a module are, or will be."""
    return cache_dir() / "bin" / f"lab-{module.name}-{digest(module)}"


def missing() -> list[Module]:
    """The modules that are not built yet."""
    return [m for m in modules() if not destination(m).is_dir()]


def ensure() -> dict[str, str]:
    """Build what is missing; returns module name -> directory of its programs.

    Raises AirfleetError if the machine can't run a lab, Go is missing or too old, the disk is too full or a build
    fails; nothing half-built is left.
    """
    if missing():
        with locked(cache_dir() / "lab-build.lock"):
            _build_missing()
    return {m.name: str(destination(m)) for m in modules()}


def _build_missing() -> None:
    todo = missing()  # again, now that nobody else builds
    if not todo:
        return
    preflight.check_machine()  # before minutes are spent for a machine that can't run the result
    for m in todo:
        check_go(m)
    ensure_commands(_NEEDS)
    preflight.check_space(cache_dir(), _BUILD_SPACE, "building the lab's programs")
    build(*todo)


def build(*todo: Module) -> None:
    """Build those of these modules that are not built yet; the caller holds the build lock.

    Raises AirfleetError if Go is missing or too old, or a build fails; nothing half-built is left.
    """
    todo = tuple(m for m in todo if not destination(m).is_dir())
    if not todo:
        return
    for m in todo:
        check_go(m)
    with _compile_cache() as compiled:
        for m in todo:
            with step(f"build {m.title}"):
                _build(m, compiled)


def check_go(module: Module) -> None:
    """Raise AirfleetError unless a `go` is there that can build the module."""
    wanted = re.search(r"^go (\S+)", (module.source / "go.mod").read_text(), re.MULTILINE)
    version = wanted[1] if wanted else ""
    fix = f"install Go {version} or newer (https://go.dev/doc/install) and put its bin directory on PATH"
    if shutil.which("go") is None:
        raise AirfleetError(f"Go {version} is needed to build the lab, and there is no `go` on PATH", fix=fix)
    # inside the module: a newer toolchain may be fetched by Go itself, if its settings allow that
    asked = run(["go", "env", "GOVERSION"], cwd=module.source, check=False)
    found = asked.stdout.strip().removeprefix("go")
    if asked.code != 0 or _numbers(found) < _numbers(version):
        raise AirfleetError(
            f"Go {version} is needed to build the lab",
            where=shutil.which("go") or "",
            why=asked.stderr or f"it is Go {found}",
            fix=fix,
        )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(n) for n in re.findall(r"\d+", version)[:3])


@contextmanager
def _compile_cache() -> Iterator[Path]:
    """Go's cache of compiled packages: the user's own if GOCACHE is set (kept), else one that is deleted afterwards."""
    if own := os.environ.get("GOCACHE"):
        yield Path(own)
        return
    directory = cache_dir() / "lab-gocache"  # a fixed name: what a killed build left is used, then deleted
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _build(module: Module, compiled: Path) -> None:
    target = destination(module)
    target.parent.mkdir(parents=True, exist_ok=True)
    for stale in target.parent.glob(f".lab-{module.name}-*"):
        shutil.rmtree(stale)
    with tempfile.TemporaryDirectory(prefix=f".lab-{module.name}-", dir=target.parent) as temporary:
        out = Path(temporary) / "out"
        out.mkdir()
        try:
            for build in module.builds:
                _go_build(module, build, out, compiled)
            for link, program in module.links.items():
                (out / link).symlink_to(program)
            out.rename(target)
        except OSError as e:
            if e.errno == errno.ENOSPC:
                raise _disk_full(target, str(e)) from e
            raise


def _go_build(module: Module, build: Build, out: Path, compiled: Path) -> None:
    linker = "-s -w" + "".join(f" -X {k}={v}" for k, v in build.variables.items())
    # without the checkout's revision: the same sources give the same bytes everywhere
    flags = ["-trimpath", "-buildvcs=false", f"-ldflags={linker}", f"-tags={build.tags}"]
    argv = ["nice", "-n", "10", "go", "build", *flags, "-o", f"{out}/"]
    env = {
        "GOCACHE": str(compiled),
        "GOTMPDIR": str(out.parent),
        "GOFLAGS": "-mod=readonly",
        "CGO_ENABLED": "1" if build.cgo else "0",
    }
    done = run([*argv, *build.packages], cwd=module.source, env=env, check=False)
    if done.code == 0:
        return
    if "no space left on device" in done.stderr:
        raise _disk_full(out, done.stderr[-300:])
    raise AirfleetError(f"go build failed for {module.title}", where=str(module.source), why=done.stderr[-3000:])


def _disk_full(where: Path, why: str) -> AirfleetError:
    return AirfleetError(
        "the disk filled up while building the lab's programs; what was half-built is removed",
        where=str(where),
        why=why,
        fix=f"free {_BUILD_SPACE >> 30} GiB, or point AIRFLEET_CACHE to another disk",
    )
