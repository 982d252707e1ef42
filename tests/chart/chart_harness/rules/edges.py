"""How Airflow is reached, what it believes its own URL to be, and how many pods may go away."""

from __future__ import annotations

from collections.abc import Iterator
from configparser import RawConfigParser
from typing import Any
from urllib.parse import urlsplit

from chart_harness.objects import COMPONENT, Rendered, ref_of
from chart_harness.rules.registry import rule


def option(r: Rendered, config_map: str, section: str, name: str) -> str:
    """An option of the airflow.cfg in a ConfigMap; "" if it is not set."""
    parser = RawConfigParser()
    parser.read_string(r.get(f"ConfigMap/{r.release.fullname}-{config_map}")["data"]["airflow.cfg"])
    return parser.get(section, name, fallback="")


def base_path(r: Rendered) -> str:
    """The path below which Airflow serves, without a slash at its end."""
    return urlsplit(option(r, "config", "api", "base_url")).path.rstrip("/")


def served(r: Rendered, component: str) -> set[str]:
    """The apps that a component's pods serve."""
    for pod in r.pods:
        if pod.component == component:
            args = next(c for c in pod.containers if c["name"] == "base").get("args") or []
            return {args[args.index("--apps") + 1]} if "--apps" in args else {"core", "execution"}
    return set()


ALWAYS_ONE = ("metrics",)  # what counts must be one


@rule
def workers_find_the_execution_api(r: Rendered) -> Iterator[str]:
    """The workers' URL is that of a Service whose pods serve the Execution API, below the path of the base URL."""
    url = urlsplit(option(r, "worker-config", "core", "execution_api_server_url"))
    name, _, rest = (url.hostname or "").partition(".")
    service = r.find("Service", name)
    component = service["spec"]["selector"].get(COMPONENT, "") if service else ""
    if rest != f"{r.release.namespace}.svc" or url.port not in [p["port"] for p in (service or _NONE)["spec"]["ports"]]:
        yield f"workers use {url.geturl()}, which is no Service of the release"
    elif "execution" not in served(r, component):
        yield f"workers use {url.geturl()}, but {component} serves {sorted(served(r, component))}"
    if url.path != f"{base_path(r)}/execution/":
        yield f"workers use the path {url.path}, and Airflow serves below {base_path(r) or '/'}"


@rule
def workers_know_the_base_url(r: Rendered) -> Iterator[str]:
    """Links to a task's log, in mails and operators, are made in its pod."""
    own, ours = (option(r, name, "api", "base_url") for name in ("worker-config", "config"))
    if own != ours:
        yield f"workers take {own!r} for the base URL, the API server {ours!r}"


@rule
def routes_lead_to_where_airflow_serves(r: Rendered) -> Iterator[str]:
    """An Ingress or HTTPRoute of the API server lets everything below the base URL's path through."""
    for obj in r.of("Ingress", "HTTPRoute"):
        if obj["metadata"]["labels"][COMPONENT] == "api-server":
            for path in _paths(obj):
                if not f"{base_path(r)}/".startswith(f"{path.rstrip('/')}/"):
                    yield f"{ref_of(obj)} leads {path} to Airflow, which serves below {base_path(r) or '/'}"


@rule
def proxies_are_trusted_where_there_is_one(r: Rendered) -> Iterator[str]:
    """Behind a proxy Airflow believes X-Forwarded-*, or it makes links with http and cookies without Secure."""
    behind = bool(option(r, "config", "api", "base_url"))
    base = next(c for c in r.pod("api-server").containers if c["name"] == "base")
    trusted = any(e["name"] == "FORWARDED_ALLOW_IPS" for e in base.get("env") or [])
    if behind != ("--proxy-headers" in base["args"]) or (behind and not trusted):
        yield f"the API server is {'' if behind else 'not '}behind a proxy, its arguments are {base['args']}"


@rule
def several_pods_are_kept_apart(r: Rendered) -> Iterator[str]:
    """Where the user says nothing, a Deployment's pods spread over nodes and zones, and a drain takes one at a time."""
    for obj in r.of("Deployment"):
        component = obj["metadata"]["labels"][COMPONENT]
        key = "".join(p.capitalize() if i else p for i, p in enumerate(component.split("-")))
        said = [r.release.value(f"{block}.topologySpreadConstraints") for block in ("pod", key)]
        keys = {c["topologyKey"] for c in obj["spec"]["template"]["spec"].get("topologySpreadConstraints") or []}
        if said == [None, None] and keys != {"kubernetes.io/hostname", "topology.kubernetes.io/zone"}:
            yield f"{ref_of(obj)} spreads over {sorted(keys)}"
        told = "podDisruptionBudget" in (r.release.value(key) or {})
        several = obj["spec"].get("replicas") != 1 and component not in ALWAYS_ONE
        if not told and several != (r.find("PodDisruptionBudget", obj["metadata"]["name"]) is not None):
            yield f"{ref_of(obj)}: {obj['spec'].get('replicas')} pods, and {'no' if several else 'a'} budget"


_NONE: dict[str, Any] = {"spec": {"ports": []}}


def _paths(obj: dict[str, Any]) -> list[str]:
    if obj["kind"] == "Ingress":
        return [path["path"] for entry in obj["spec"]["rules"] for path in entry["http"]["paths"]]
    return [match["path"]["value"] for entry in obj["spec"]["rules"] for match in entry["matches"]]
