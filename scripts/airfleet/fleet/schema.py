"""What fleet.yaml and `clusters/<name>.yaml` may say. Parsed once, here; everything behind it works on these types."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from airfleet.fleet.documents import Document, Node, Table
from airfleet.fleet.model import FieldOfOthers, Finding, KeyPath, Place, Severity, parse_path

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def _seconds(value: Any) -> Any:
    if isinstance(value, str) and (match := re.fullmatch(r"(\d+)([smhd])", value)):
        return int(match[1]) * _UNITS[match[2]]
    if value == 0:
        return 0
    raise ValueError("is not a time such as 30s, 10m or 2h")


def _text(value: Any) -> Any:
    """A number is refused: what it was written as is lost, and 1.30 would be 1.3."""
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, bool | int | float):
        kind = "nothing" if value is None else str(value).lower() if isinstance(value, bool) else "a number"
        raise ValueError(f"is read as {kind}: write it in quotes")
    raise ValueError("is not a text")


def _path(value: Any) -> Any:
    return parse_path(value) if isinstance(value, str) else value


def _field_of_others(value: Any) -> Any:
    return FieldOfOthers.parse(value) if isinstance(value, str) else value


Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$")]
Axis = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
Seconds = Annotated[int, BeforeValidator(_seconds)]
Text = Annotated[str, BeforeValidator(_text)]
Version = Annotated[str | None, BeforeValidator(lambda value: value if value is None else _text(value))]
DottedPath = Annotated[tuple[str, ...], BeforeValidator(_path)]
IgnoredDrift = Annotated[FieldOfOthers, BeforeValidator(_field_of_others)]
Owner = Literal["helm", "argocd", "flux"]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Pins(_Model):
    """Versions: of the chart, of Airflow (the image's tag) and of the Kubernetes provider in the image."""

    chart: Version = None
    airflow: Version = None
    provider: Version = None


class Gates(_Model):
    """What has to hold on a cluster after it was changed, before the next ones are touched."""

    rollout: Seconds = 600
    """Seconds that the release's pods have to become ready; files say it as 10m or 2h."""
    heartbeat: bool = True
    """Whether the adapter's own health must be good (Airflow: the scheduler's and the DAG processor's heartbeats)."""
    canary: str | None = None
    """A DAG that is run to its end, by its id."""
    account: str = ""
    """Secret in the release's namespace with `username` and `password` of who runs the canary; FAB's User will do."""
    timeout: Seconds = 600
    """Seconds that the canary has."""

    @model_validator(mode="after")
    def _canary_has_an_account(self) -> Gates:
        if self.canary and not self.account:
            raise ValueError("a canary needs `account`, the Secret of who runs it")
        return self


class Wave(_Model):
    """Clusters that are changed together, after the wave before has passed its gates and soaked."""

    name: Name
    select: str = ""
    batch: Annotated[str, StringConstraints(pattern=r"^([1-9]\d*|([1-9]\d?|100)%)$")] = "100%"
    """How many clusters of the wave at a time: a number, or a share of it."""
    soak: Seconds = 0
    """Seconds that the wave runs before the next one begins."""
    max_failures: int = Field(default=0, ge=0, alias="maxFailures")
    """How many of its clusters may fail before everything stops."""
    gates: Gates | None = None


class Lint(_Model):
    """What lint finds worth saying."""

    hoist: int = Field(default=3, ge=2)
    """From so many clusters with the same value on, it belongs into a wider layer."""


class Policy(_Model):
    """What has to hold beyond what Kubernetes and the chart ask for; docs/guide/fleet.md has examples."""

    name: Name
    about: str
    """`values`, `pod`, `container`, or a kind of object; in an expression, `it` is one of them."""
    select: str = ""
    where: str = ""
    """Whether it is about this one, as an expression; about each of them if there is none."""
    expect: str
    message: str
    fix: str = ""
    severity: Severity = Severity.ERROR


class GitOps(_Model):
    """The repository from which Argo CD or Flux applies the manifests of the clusters that they own."""

    repository: Annotated[str, StringConstraints(min_length=1)]
    revision: str = "main"
    """The branch that is read."""
    path: str = ""
    """The folder in it."""
    source: Name = "fleet"
    """The name of Flux's GitRepository."""
    context: str = ""
    """Where the controller's own objects are, by a kubeconfig's context; by default on each cluster itself."""
    kubeconfig: str = ""
    identity: str = ""
    namespace: str = ""
    """Of the controller's own objects; by default `argocd`, or `flux-system`."""
    review: bool = False
    """Whether a wave is pushed as a branch of its own that people merge."""
    timeout: Seconds = 900
    """Time that a change has, from its push until it is applied and healthy."""

    @model_validator(mode="after")
    def _no_password(self) -> GitOps:
        if re.match(r"https?://[^/]*@", self.repository):
            raise ValueError("the repository's address holds a name or password: leave them to Git's credential helper")
        return self


class FleetSpec(_Model):
    """fleet.yaml."""

    chart: str
    axes: tuple[Axis, ...] = ("env", "region")
    adapter: Literal["airflow", "none"] = "airflow"
    release: Name = "airflow"
    namespace: Name = "airflow"
    owner: Owner = "helm"
    pins: Mapping[str, Pins] = Field(default_factory=dict)
    list_keys: Mapping[DottedPath, str] = Field(default_factory=dict, alias="listKeys")
    waves: tuple[Wave, ...] = ()
    gates: Gates = Gates()
    gitops: GitOps | None = None
    lint: Lint = Lint()
    policies: tuple[Policy, ...] = ()
    pod_security: Literal["restricted", "baseline", "privileged"] = Field(default="restricted", alias="podSecurity")
    """The Pod Security Standard that every pod has to meet."""


class ClusterSpec(_Model):
    """`clusters/<name>.yaml`, but for its values."""

    axes: Mapping[str, Name]
    kubernetes: Annotated[Text, StringConstraints(pattern=r"^1\.\d+(\.\d+)?$")]
    context: str = ""
    kubeconfig: str = ""
    identity: str = ""
    """The UID of the namespace kube-system: calls are refused where it is another one."""
    release: Name | None = None
    namespace: Name | None = None
    owner: Owner | None = None
    labels: Mapping[str, Text] = Field(default_factory=dict)
    capabilities: tuple[str, ...] = ()
    pins: Pins = Pins()
    ignore_drift: tuple[IgnoredDrift, ...] = Field(default=(), alias="ignoreDrift")
    """Fields that somebody else owns, as `Deployment/airflow-api-server spec.replicas`."""


def read_spec(model: type[FleetSpec] | type[ClusterSpec], document: Document, values: Any) -> tuple[Any, list[Finding]]:
    """The typed form of a document's plain values, or None and all that is wrong with them."""
    try:
        return model.model_validate(values), []
    except ValidationError as e:
        return None, [_finding(error, document, model) for error in e.errors()]


def _finding(error: Any, document: Document, model: type[BaseModel]) -> Finding:
    loc = tuple(str(part) for part in error["loc"])
    place, _ = place_of(document.root, loc)
    shown = ".".join(loc)
    if error["type"] == "extra_forbidden":
        known = ", ".join(
            sorted(_known(model, loc[:-1]) | ({"values"} if model is ClusterSpec and len(loc) == 1 else set()))
        )
        return Finding(place, "key", f"there is no key {shown}", fix=f"it may be one of {known}" if known else "")
    if error["type"] == "missing":
        return Finding(place, "key", f"{shown} is missing", fix=f"add `{loc[-1]}:`")
    message = error["msg"].removeprefix("Value error, ")
    value = error.get("input")
    what = f"{shown}: {value!r} {message}" if message.startswith("is ") else f"{shown}: {value!r} is not valid"
    return Finding(place, "value", what, "" if message.startswith("is ") else message)


def _known(model: type[BaseModel], loc: KeyPath) -> set[str]:
    """The keys that a model takes at a place, by the names that files use."""
    current: Any = model
    for part in loc:
        fields = {(f.alias or name): f.annotation for name, f in getattr(current, "model_fields", {}).items()}
        current = _inner(fields.get(part, current))
    return {f.alias or name for name, f in getattr(current, "model_fields", {}).items()}


def _inner(annotation: Any) -> Any:
    """The model inside `X | None`, `Mapping[str, X]` or `tuple[X, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in reversed(getattr(annotation, "__args__", ())):
        if isinstance(found := _inner(argument), type) and issubclass(found, BaseModel):
            return found
    return annotation


def place_of(root: Table, path: KeyPath) -> tuple[Place, KeyPath]:
    """The place of the deepest node that exists on a path, and its path. List items are numbered."""
    node: Node = root
    place, reached = root.place, 0
    for part in path:
        if isinstance(node, Table) and part in node.entries:
            node = node.entries[part]
        elif not isinstance(node, Table) and part.isdecimal() and int(part) < len(getattr(node, "items", ())):
            node = node.items[int(part)]  # type: ignore[union-attr]
        else:
            break
        place, reached = node.place, reached + 1
    return place, path[:reached]
