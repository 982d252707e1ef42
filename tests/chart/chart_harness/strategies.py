"""Random values that the schema allows: any keys of it at once, each with a value that a user could mean.

The keys come from values.schema.json itself, so a key that is added to the chart is drawn from then on. Values come
from the schema where it says enough (numbers, enums, quantities, booleans) and from the lists below where Kubernetes
knows more than the schema: addresses, names, whole affinities.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from chart_harness.render import CHART
from chart_harness.scenarios import ALL_POD_OPTIONS, DIGEST, SIDECAR

SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text())

_NAME = st.from_regex(r"[a-z][a-z0-9]{0,6}(-[a-z0-9]{1,6})?", fullmatch=True)
_CIDRS = st.lists(
    st.sampled_from(["10.0.0.0/8", "192.0.2.7/32", "0.0.0.0/0", "::/0", "fd00::/8"]), unique=True, max_size=3
)
_PORTS = st.lists(st.integers(1, 65535), unique=True, max_size=3)
_PEERS = [
    {"podSelector": {"matchLabels": {"app": "ingress"}}, "namespaceSelector": {}},
    {"ipBlock": {"cidr": "192.0.2.0/24"}},
]
_RESOURCES = st.builds(
    lambda cpu, memory, more: {
        "requests": {"cpu": f"{cpu}m", "memory": f"{memory}Mi"},
        "limits": {"memory": f"{memory + more}Mi"},
    },
    st.integers(1, 4000),
    st.integers(16, 8000),
    st.integers(0, 8000),
)
_HOSTS = st.lists(st.sampled_from(["airflow.example.com", "a.example.org"]), unique=True, max_size=2)
_PATHS = st.sampled_from(["/", "/team-a", "/team/a/"])
_BUDGET = st.sampled_from([0, 1, 2, "50%"])
_LABELS = st.dictionaries(_NAME, _NAME, max_size=2)
_MOUNTED = {key: ALL_POD_OPTIONS[key] for key in ("volumes", "volumeMounts")}
_ENTRIES = {
    "podTemplates": ["default", "highmem", "gpu"],
    "bundles": ["dags-folder", "team-a"],
    "egress": ["web"],
    "rules": ["AirflowSchedulerNotRunning"],
}

# The last part of a key's path -> what a user could mean by it; where null is among them, null is drawn as well.
_TEXT = st.text("ab {}:#\"'\n%$", max_size=12)
# Helm's YAML writes control characters as they are and can't read them back.
_PRINTABLE = st.text(st.characters(exclude_categories=["C"]), max_size=12)
_SCALAR = st.one_of(st.none(), st.booleans(), st.integers(-9, 10**9), _TEXT)
_POD_IP = st.just(ALL_POD_OPTIONS["env"]["POD_IP"])
MEANT: dict[str, st.SearchStrategy[Any]] = {
    "annotations": st.dictionaries(_NAME, _TEXT, max_size=2),
    "baseUrl": st.sampled_from(["", "https://airflow.example.com", "http://localhost:9000/team/a/", "/team-a"]),
    "behavior": st.just({"scaleDown": {"stabilizationWindowSeconds": 600}}),
    "cidrs": _CIDRS,
    "clients": st.lists(st.sampled_from(_PEERS), unique_by=str, max_size=2),
    "config": st.dictionaries(
        st.sampled_from(["core", "api", "scheduler", "metrics", "new"]),
        st.dictionaries(_NAME, _SCALAR, max_size=2),
        max_size=2,
    ),
    "database.cidrs": st.sampled_from([[], ["10.20.0.5/32"], ["10.20.0.5/32", "fd00::5/128"]]),
    "digest": st.sampled_from(["", DIGEST]),
    "email": st.just("data@example.com"),
    "env": st.dictionaries(
        st.from_regex(r"[A-Z][A-Z_]{0,8}X", fullmatch=True),
        st.one_of(_SCALAR, st.floats(-1e6, 1e6), _PRINTABLE, _POD_IP),
        max_size=3,
    ),
    "envFrom": st.just(ALL_POD_OPTIONS["envFrom"]),
    "except": st.sampled_from([[], ["169.254.169.254/32"], ["10.1.0.0/16", "fd00:ec2::254/128"]]),
    "extraObjects": st.just({"own": {"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "{{ b }}"}}}),
    "folder": st.sampled_from(["s3://logs/airflow", "gs://logs/airflow", "wasb://airflow"]),
    "fullnameOverride": st.one_of(_NAME, st.just("a" * 40)),
    "hostnames": _HOSTS,
    "hosts": _HOSTS,
    "httpRoute.path": _PATHS,
    "http": st.just("http://proxy:3128"),
    "https": st.just("http://proxy:3128"),
    "image.tag": st.sampled_from(["3.3.0", "3.3.2", "3.3.2-python3.12", "main-1a2b3c"]),
    "ingress.path": _PATHS,
    "initContainers": st.dictionaries(
        _NAME.map("init-{}".format), st.just({**SIDECAR, "command": ["true"]}), max_size=2
    ),
    "kwargs": st.just({"depth": 1}),
    "labels": _LABELS,
    "maxUnavailable": _BUDGET,
    "minAvailable": _BUDGET,
    "memoryFactor": st.sampled_from([1, 1.5, 2]),
    "namespaceSelector": st.just({"matchLabels": {"team": "data"}}),
    "noProxy": st.lists(st.sampled_from([".corp", "10.0.0.0/8"]), max_size=2, unique=True),
    "nodeSelector": _LABELS,
    "parentRefs": st.sampled_from([[{"name": "public"}], [{"name": "public", "namespace": "gateways"}]]),
    "path": st.just("/opt/dags"),
    "podSelector": st.just({"matchLabels": {"app": "web"}}),
    "ports": _PORTS,
    "for": st.sampled_from(["", "90s", "5m"]),
    "interval": st.sampled_from(["15s", "1m"]),
    "runbookBaseUrl": st.just("https://wiki.example/alerts"),
    "scrapers": st.lists(st.sampled_from(_PEERS), unique_by=str, max_size=2),
    "queues": st.one_of(st.none(), st.lists(_NAME, min_size=1, max_size=2, unique=True)),
    "roleMapping": st.dictionaries(_NAME, st.lists(st.sampled_from(["Admin", "Viewer"]), min_size=1), max_size=2),
    "resources": _RESOURCES,
    "sidecars": st.dictionaries(_NAME.map("side-{}".format), st.just(SIDECAR), max_size=2),
    "podSecurityContext": st.sampled_from([{}, {"runAsUser": 1001, "fsGroup": 2000}, {"runAsUser": None}]),
    "strategy": st.sampled_from([{"type": "Recreate"}, {"rollingUpdate": {"maxSurge": 1}}]),
    "targets": st.dictionaries(st.sampled_from(["cpu", "memory"]), st.integers(1, 200)),
    "securityContext": st.sampled_from([{}, {"runAsUser": 1001}]),
    "secretKeys": st.sampled_from([{"password": "pw"}, {"password": "pw", "host": "host"}, {"user": "login"}]),
    "settings": st.sampled_from([{"pool_mode": "session", "default_pool_size": 3}, {"verbose": 1}]),
    "issuer": st.just("https://login.example.com"),
    "url": st.just("https://login.example.com"),
    "users": st.dictionaries(_NAME, st.sampled_from(["viewer", "admin"]), max_size=2),
    "volumes": st.just(_MOUNTED["volumes"]),
}
# Null would take away what a rule asks for, and is the user's own doing; a bundle's one source is drawn by `path`.
NEVER_NULL = {"resources", "podSecurityContext", "securityContext", "tmpSizeLimit", "sizeLimit", "volumes", "path"}
NOT_DRAWN = {"volumeMounts", "global", "classpath", "configMap"}


@dataclass(frozen=True)
class Leaf:
    """A key that a value is drawn for; `*` in its path stands for any entry of a map."""

    path: tuple[str, ...]
    schema: Mapping[str, Any]


def resolve(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """A schema with its `$ref` followed."""
    while "$ref" in schema:
        found: Any = SCHEMA
        for part in schema["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        schema = found
    return schema


def leaves(schema: Mapping[str, Any] = SCHEMA, path: tuple[str, ...] = ()) -> Iterator[Leaf]:
    """Every key that holds a value of its own, not a block of keys."""
    for name, child in schema["properties"].items():
        own = resolve(child)
        entry = resolve(own.get("additionalProperties") or {}) if own.get("additionalProperties") else {}
        if "properties" in own and name not in MEANT:
            yield from leaves(own, (*path, name))
        elif "properties" in entry:
            yield from leaves(entry, (*path, name, "*"))
        elif name not in NOT_DRAWN:
            yield Leaf((*path, name), own)


LEAVES = sorted(leaves(), key=lambda leaf: leaf.path)


def blocks(schema: Mapping[str, Any] = SCHEMA, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The path of every block of documented keys that may not be null."""
    for name, child in schema["properties"].items():
        own = resolve(child)
        if "properties" in own and name not in MEANT and "null" not in own["type"]:
            yield (*path, name)
            yield from blocks(own, (*path, name))


@st.composite
def values(draw: st.DrawFn) -> dict[str, Any]:
    """Values for up to a dozen keys, chosen freely."""
    drawn: dict[str, Any] = {}
    for leaf in draw(st.lists(st.sampled_from(LEAVES), max_size=12, unique_by=lambda leaf: leaf.path)):
        at = drawn
        for i, part in enumerate(leaf.path[:-1]):
            name = draw(st.sampled_from(_ENTRIES[leaf.path[i - 1]])) if part == "*" else part
            at = at.setdefault(name, {})
        at[leaf.path[-1]] = draw(value_of(leaf))
        if leaf.path[-1] == "volumes":
            at["volumeMounts"] = _MOUNTED["volumeMounts"]
    return drawn


def value_of(leaf: Leaf) -> st.SearchStrategy[Any]:
    """What may be drawn for a key."""
    name = leaf.path[-1]
    by_name = MEANT.get(".".join(leaf.path[-2:]), MEANT.get(name))
    strategy = by_name if by_name is not None else _by_schema(name, leaf.schema)
    return strategy if name in NEVER_NULL else st.one_of(strategy, strategy, strategy, st.none())


def _by_schema(name: str, schema: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if "boolean" in types:
        return st.booleans()
    if "integer" in types:
        return st.integers(schema.get("minimum", 0), schema.get("maximum", 500))
    if "number" in types and "pattern" in schema:
        return st.builds(
            lambda number, unit: f"{number}{unit}", st.integers(1, 500), st.sampled_from(["Mi", "Gi", "M", ""])
        )
    if name in ALL_POD_OPTIONS and ("array" in types or "object" in types):
        return st.just(ALL_POD_OPTIONS[name])
    if "array" in types:
        return st.lists(_NAME, max_size=2, unique=True)
    assert "string" in types, f"strategies.py does not know what to draw for {name}: {schema}"
    return _NAME
