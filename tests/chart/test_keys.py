"""No dead options: every key of the values, changed from its default, changes what is rendered."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, Phase, find, settings

from chart_harness import strict
from chart_harness.keys import OWN, SHARED
from chart_harness.objects import Rendered
from chart_harness.render import CHART, KUBERNETES, RefusedError, render
from chart_harness.scenarios import HTTPS, KEYCLOAK, MAINTENANCE, OIDC, OWN_IMAGE
from chart_harness.strategies import LEAVES, Leaf, blocks, value_of

DEFAULTS = yaml.safe_load((CHART / "values.yaml").read_text())
# block of the values -> component of its pods
BLOCKS = {
    "apiServer": "api-server",
    "scheduler": "scheduler",
    "dagProcessor": "dag-processor",
    "triggerer": "triggerer",
    "bootstrap": "bootstrap",
    "maintenance": "db-cleanup",
    "postgres": "postgres",
    "pgbouncer": "pgbouncer",
    "workers": "worker",
    "executionApi": "execution-api",
    "metrics": "metrics",
}
# Where a key counts only together with others: those others.
EXECUTION_API: dict[str, Any] = {"enabled": True}
ON: dict[str, dict[str, Any]] = {
    "ingress": {"enabled": True},
    "httpRoute": {"enabled": True, "parentRefs": [{"name": "public"}]},
    "autoscaling": {"enabled": True},
}
WEB = {"egress": {"x": {"cidrs": ["10.0.0.0/8"], "ports": [443], "protocol": "UDP"}}}
TOGETHER: dict[str, dict[str, Any]] = {
    "boot.source": OWN_IMAGE,
    "apiServer.httpRoute.parentRefs": {"apiServer": {"httpRoute": {"enabled": True}}},
    "executionApi.httpRoute.parentRefs": {"executionApi": {**EXECUTION_API, "httpRoute": {"enabled": True}}},
    **{f"apiServer.{key}": {"apiServer": {key: on}} for key, on in ON.items()},
    **{f"executionApi.{key}": {"executionApi": {**EXECUTION_API, key: on}} for key, on in ON.items()},
    "executionApi": {"executionApi": EXECUTION_API},
    "triggerer.autoscaling": {"triggerer": {"autoscaling": {"enabled": True}}},
    "caBundle.key": {"caBundle": {"configMap": "trust"}},
    "proxy.noProxy": {"proxy": {"https": "http://proxy:3128"}},
    "podTemplates.*.serviceAccount.annotations": {"podTemplates": {"x": {"serviceAccount": {"create": True}}}},
    "workers.egress.*.p": {"workers": WEB},
    "podTemplates.*.egress.*.p": {"podTemplates": {"x": WEB}},
    "postgres": {"postgres": {"embedded": True}},
    "pgbouncer": {"pgbouncer": {"enabled": True}},
    **{
        f"database.{key}": {"database": {"host": "db"}}
        for key in ("port", "name", "user", "secretKeys", "passwordFile")
    },
    "database.tls.ca.key": {"database": {"tls": {"ca": {"configMap": "ca"}}}},
    "metrics.serviceMonitor": {"metrics": {"enabled": True, "serviceMonitor": {"enabled": True}}},
    "metrics.alerts": {"metrics": {"enabled": True, "alerts": {"enabled": True, "rules": {"x": {"expr": "up"}}}}},
    "metrics.dashboards": {"metrics": {"enabled": True, "dashboards": {"enabled": True}}},
    "metrics": {"metrics": {"enabled": True}},
    "networkPolicies.scrapers": {"metrics": {"enabled": True}},
    "logs.persistence": {"logs": {"persistence": {"enabled": True}}},
    "maintenance": {"maintenance": MAINTENANCE},
    "logs.remote.folder": {"logs": {"remote": {"type": "gcs"}}},
    "logs.remote.azure.container": {"logs": {"remote": {"type": "azure", "folder": "wasb://x", "connectionId": "x"}}},
    "logs.remote.azure.accountUrl": {"logs": {"remote": {"type": "azure", "folder": "wasb://x"}}},
    "logs.remote.elasticsearch.url": {"logs": {"remote": {"type": "elasticsearch"}}},
    "logs.remote.elasticsearch": {
        "logs": {"remote": {"type": "elasticsearch", "elasticsearch": {"url": "https://x:9200"}}}
    },
    "logs.remote": {"logs": {"remote": {"type": "s3", "folder": "s3://x"}}},
    "dags.bundles.*.kwargs": {"dags": {"bundles": {"x": {"classpath": "a.Bundle"}}}},
    "dags.bundles.*.refreshInterval": {"dags": {"bundles": {"x": {"path": "/x"}}}},
}
SIGN_IN = {
    "oidc": ("fab", OIDC),
    "simple": ("simple", {"users": {"ada": "admin"}, "secretName": "passwords"}),
    "keycloak": ("keycloak", KEYCLOAK),
}
for way, (manager, options) in SIGN_IN.items():
    for key in options:
        others = {name: value for name, value in options.items() if name != key}
        TOGETHER[f"auth.{way}.{key}"] = {"auth": {"manager": manager, way: others}, **HTTPS}
    TOGETHER[f"auth.{way}"] = {"auth": {"manager": manager, way: options}, **HTTPS}


def example(leaf: Leaf, default: Any) -> Any:
    """A value that says something other than the default, the same in every run."""
    only_draw = settings(
        database=None, derandomize=True, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
    )
    return find(value_of(leaf), lambda value: says_something(value) and value != default, settings=only_draw)


def says_something(value: Any) -> bool:
    """Whether it is more than null and empty maps and lists."""
    if isinstance(value, dict):
        return any(says_something(entry) for entry in value.values())
    return value is not None and value not in ([], "")


def merged(base: dict[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    """Values like base, with the value at the path; `*` stands for the entry x."""
    head = "x" if path[0] == "*" else path[0]
    inner = value if len(path) == 1 else merged(base.get(head) or {}, path[1:], value)
    return {**base, head: inner}


def at(values: dict[str, Any], path: tuple[str, ...]) -> Any:
    """What the values say at the path; None if nothing."""
    found: Any = values
    for part in path:
        found = found.get(part) if isinstance(found, dict) else None
    return found


def dotted(leaf: Leaf) -> str:
    """A key as one writes it for `helm --set`."""
    return ".".join(leaf.path)


def together(leaf: Leaf) -> dict[str, Any]:
    """The other values without which a key does not count."""
    found = (base for prefix, base in TOGETHER.items() if dotted(leaf).startswith(prefix))
    return next((base for base in found if at(base, leaf.path) is None), {})


@pytest.mark.parametrize("leaf", OWN, ids=dotted)
def test_a_key_changes_something(leaf: Leaf) -> None:
    base = together(leaf)
    value = example(leaf, at(DEFAULTS, leaf.path))
    try:
        assert render(merged(base, leaf.path, value)).text != render(base).text
    except RefusedError as refused:
        assert re.search("Fix: ", str(refused)), refused


@pytest.mark.parametrize("leaf", [leaf for leaf in LEAVES if leaf.path[0] == "pod" or leaf in OWN], ids=dotted)
def test_null_unsets_a_key_or_is_refused_with_the_fix(leaf: Leaf) -> None:
    """Null never ends in an error of a template, nor in an object that Kubernetes refuses."""
    try:
        release = render(merged(together(leaf), leaf.path, None))
    except RefusedError as refused:
        assert re.search("Fix: ", str(refused)), refused
    else:
        assert list(strict.violations(release, KUBERNETES[-1])) == []


@pytest.mark.parametrize("block", list(blocks()), ids=".".join)
def test_null_for_a_block_is_refused_with_the_fix(block: tuple[str, ...]) -> None:
    with pytest.raises(RefusedError, match=rf"{'.'.join(block)} is null.*Fix: "):
        render(merged({}, block, None))


@pytest.mark.parametrize("option", SHARED)
def test_a_shared_option_changes_the_pods_of_every_block(option: str) -> None:
    """All blocks take it, as docs/reference/values.md says; `pod` alone gives it to all of them."""
    leaf = next(leaf for leaf in LEAVES if leaf.path == ("pod", option))
    value = example(leaf, at(DEFAULTS, leaf.path))
    more = {"volumes": {"volumeMounts": {"/x": {"name": next(iter(value))}}} if option == "volumes" else {}}
    own = {option: value, **more.get(option, {})}
    on = {"enabled": True}
    base: dict[str, Any] = {**dict.fromkeys(("executionApi", "pgbouncer", "metrics"), on)}
    base["postgres"] = {"embedded": True}
    base["maintenance"] = MAINTENANCE
    before = pods(render(base))
    each = pods(render({block: {**base.get(block, {}), **own} for block in BLOCKS}))
    assert [block for block, component in BLOCKS.items() if each[component] == before[component]] == []


def pods(release: Rendered) -> dict[str, list[Any]]:
    """Component -> metadata and spec of each of its pods."""
    return {c: [(p.metadata, p.spec) for p in release.pods if p.component == c] for c in BLOCKS.values()}
