"""docs/reference/python-api.md: what of the toolkit is for programs of others, from its docstrings and signatures."""

from __future__ import annotations

import ast
import importlib
import inspect
import textwrap
from collections.abc import Iterator, Mapping
from functools import cached_property
from types import FunctionType, ModuleType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

PAGE = "docs/reference/python-api.md"
SURFACE: Mapping[str, tuple[str, ...]] = {
    "airfleet.fleet.inventory": ("find_fleet", "read_fleet", "Fleet", "Cluster", "Layer"),
    "airfleet.fleet.schema": ("FleetSpec", "ClusterSpec", "Pins", "Wave", "Gates", "GitOps", "Lint", "Policy"),
    "airfleet.fleet.resolve": ("resolve", "Resolved"),
    "airfleet.fleet.documents": ("Table", "Leaf", "Deleted"),
    "airfleet.fleet.secrets": ("decrypted",),
    "airfleet.fleet.render": ("render", "write", "Rendering", "Progress"),
    "airfleet.fleet.explain": ("explain", "who_sets", "chart_defaults", "Explanation", "Setting", "Setter", "ABSENT"),
    "airfleet.fleet.dependents": ("dependents", "Dependents"),
    "airfleet.fleet.lint": ("lint",),
    "airfleet.fleet.moved": ("fleet_at", "moved"),
    "airfleet.fleet.validate": ("validate",),
    "airfleet.fleet.revisions": ("Repository", "Revision"),
    "airfleet.fleet.review": ("between",),
    "airfleet.fleet.live_diff": ("against_clusters",),
    "airfleet.fleet.diff": ("FleetDiff", "Group", "Item", "Line", "Edit", "Move"),
    "airfleet.fleet.consequences": ("Effect", "What"),
    "airfleet.fleet.changes": ("Change", "Field", "Kind", "Ref"),
    "airfleet.fleet.plan": ("make", "Plan", "Step", "Report"),
    "airfleet.fleet.reports": ("summary",),
    "airfleet.fleet.journal": ("Journal", "Event"),
    "airfleet.fleet.apply": ("apply", "interruptible", "Stop", "Outcome"),
    "airfleet.fleet.status": ("status", "Row"),
    "airfleet.fleet.drift": ("drift",),
    "airfleet.fleet.verify": ("verify", "Verdict"),
    "airfleet.fleet.rollback": ("roll_back",),
    "airfleet.fleet.live": ("Revision",),
    "airfleet.fleet.doctor": ("doctor", "Report", "Check"),
    "airfleet.fleet.export": ("files", "write", "Source"),
    "airfleet.fleet.eject": ("eject",),
    "airfleet.fleet.model": (
        *("Finding", "Place", "Severity", "FleetError"),
        *("KeyPath", "parse_path", "dotted", "at_path", "FieldOfOthers"),
    ),
    "airfleet.errors": ("AirfleetError", "UsageError", "InvalidError", "ExitCode"),
    "airfleet.lab": ("Lab",),
    "airfleet.lab.links": ("Link",),
    "airfleet.lab.loading": ("Loaded",),
    "airfleet.lab.status": ("LabStatus", "NodeStatus"),
    "airfleet.lab.daemons": ("DaemonState",),
    "airfleet.process": ("Completed",),
}
"""Module -> what of it is for others. Everything else may change at any time."""
OF_THESE_ONLY: Mapping[str, tuple[str, ...]] = {
    "Repository": ("root", "fleet", "around", "sides", "revision", "read"),
    "Link": ("join", "cut", "restore"),
    "Lab": (
        *("kubeconfig", "inner_kubeconfig", "context", "nodes", "is_up", "up", "down", "status", "footprint"),
        *("stop_node", "start_node", "cut", "restore", "link", "load", "kubectl", "program"),
    ),
    "Change": ("ref", "kind", "fields", "was"),
}
"""The members for others of classes that have further ones."""
EXAMPLE = """\
from airfleet.fleet.explain import chart_defaults, explain
from airfleet.fleet.inventory import find_fleet, read_fleet
from airfleet.fleet.model import parse_path
from airfleet.fleet.render import render
from airfleet.fleet.resolve import resolve
from airfleet.fleet.review import between
from airfleet.fleet.revisions import Repository

file = find_fleet()
fleet = read_fleet(file)

# what each cluster of prod gets
for rendering in render(fleet, resolve(fleet, fleet.select("env=prod"))):
    deployments = {o["metadata"]["name"]: o["spec"] for o in rendering.objects if o["kind"] == "Deployment"}
    print(rendering.name, "runs", deployments["airflow-scheduler"]["replicas"], "schedulers")

# why a value is what it is
(resolved,) = resolve(fleet, fleet.select(names=["prod-eu-2"]))
path = parse_path("scheduler.resources.limits.memory")
found = explain(fleet, resolved, path, chart_defaults(fleet, resolved))
print(found.value, "by", found.settings[found.wins].place, "instead of the chart's", found.default)

# what the last commit changes
repository = Repository.around(file)
diff = between(repository, *repository.sides("HEAD~1..HEAD"))
for edit, names in diff.edits:
    print(edit.path, edit.before, "->", edit.after, "on", *names)
for effect, names in diff.effects:
    print(effect.what, effect.ref, "on", len(names), "clusters")
"""
PRINTED = """\
prod-eu-1 runs 2 schedulers
prod-eu-2 runs 2 schedulers
prod-us-1 runs 2 schedulers
prod-us-gpu runs 2 schedulers
4Gi by values/clusters/prod-eu-2.yaml:8 instead of the chart's 1Gi
config.core.parallelism 256 -> 512 on prod-eu-1 prod-eu-2 prod-us-1 prod-us-gpu
restart Deployment/airflow-api-server on 4 clusters
restart Deployment/airflow-dag-processor on 4 clusters
restart Deployment/airflow-scheduler on 4 clusters
restart Deployment/airflow-triggerer on 4 clusters
run Job/airflow-bootstrap on 4 clusters
"""
_HEAD = """# Python API

What the commands do is a library. On this page is what of it is for others; what is not here may change at any time.
`airfleet docs` makes the page from the code.

In a checkout whose last commit changed `config.core.parallelism` in `values/env/prod.yaml` from 256 to 512, this

```python
{example}```

prints

```text
{printed}```

Shown by `tests/toolkit/test_python_api.py`, with the example in [values/](../../values).

Functions read, compute and return; those that write to files or clusters say so. Whatever a user can mend is an
`AirfleetError`: `what`, `where`, `why`, `fix`, and the exit code of a command. Files are read as a whole, or
refused with all that is wrong with them as `findings` of a `FleetError`. Times are in seconds, sizes in bytes.

"""


def api_text() -> str:
    """The page."""
    modules = [_Module(name, names) for name, names in SURFACE.items()]
    rows = "".join(f"| [{each.name}](#{each.anchor}) | {', '.join(map(_code, each.names))} |\n" for each in modules)
    head = _HEAD.format(example=EXAMPLE, printed=PRINTED)
    return head + f"| module | |\n|---|---|\n{rows}" + "".join(each.text() for each in modules)


class _Module:
    """One module's section."""

    def __init__(self, name: str, names: tuple[str, ...]) -> None:
        self.name, self.names = name, names
        self.module: ModuleType = importlib.import_module(name)

    @property
    def anchor(self) -> str:
        return self.name.replace(".", "")

    @cached_property
    def notes(self) -> dict[str, tuple[str, str]]:
        return _assigned(ast.parse(inspect.getsource(self.module)).body)

    def text(self) -> str:
        about = _doc(self.module)
        return f"\n## {self.name}\n\n{about}\n" + "".join(self.entry(name) for name in self.names)

    def entry(self, name: str) -> str:
        found = getattr(self.module, name)
        if inspect.isclass(found):
            return _class(name, found)
        if isinstance(found, FunctionType):
            return f"\n### {name}\n\n{_fenced(_signature(name, found))}\n{_doc(found)}\n"
        value, note = self.notes[name]
        return f"\n### {name}\n\n{_fenced(f'{name} = {value}')}\n{note}\n"


def _class(name: str, cls: type) -> str:
    members = list(_members(name, cls))
    lines = "".join(f"- `{shown}`{': ' if doc else ''}{doc}\n" for shown, doc in members)
    return f"\n### {name}\n\n{_fenced(_head(name, cls))}\n{_doc(cls)}\n" + (f"\n{lines}" if lines else "")


def _head(name: str, cls: type) -> str:
    """How it is made, or what it is."""
    bases = [base.__name__ for base in cls.__bases__ if base is not object and not base.__name__.startswith("_")]
    if bases:
        return f"class {name}({', '.join(bases)})"
    made = "__init__" in vars(cls) and not hasattr(cls, "__dataclass_fields__")
    return _signature(f"class {name}", vars(cls)["__init__"], returns=False) if made else f"class {name}"


def _members(name: str, cls: type) -> Iterator[tuple[str, str]]:
    """Fields, values of an enumeration, properties and methods, with what is said of each."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]
    fields = _assigned(tree.body) if isinstance(tree, ast.ClassDef) else {}
    types = vars(cls).get("__annotations__", {})
    of_file = getattr(cls, "model_fields", {})
    for field, (value, note) in fields.items():
        if not _shown(name, field):
            continue
        kind = f": {_plain(of_file[field].annotation) if field in of_file else types[field]}" if field in types else ""
        default = f" = {value}" if value and not value.lower().startswith("field(") else ""
        alias = of_file[field].alias if field in of_file else None
        yield f"{field}{kind}{default}", " ".join(filter(None, (note, alias and f"Files call it `{alias}`.")))
    for member, found in vars(cls).items():
        if not _shown(name, member) or member in fields:
            continue
        read = found.fget if isinstance(found, property) else getattr(found, "func", None)
        if read is not None:
            yield f"{member}: {read.__annotations__.get('return', '')}", _flat(read)
            continue
        function = getattr(found, "__func__", found)
        if isinstance(function, FunctionType):
            yield (
                _signature(f"{name}.{member}" if function is not found else member, function, flat=True),
                _flat(function),
            )


def _plain(kind: Any) -> str:
    """A type as one reads it, without what checks its values."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _plain(arguments[0])
    if origin is Literal:
        return f"Literal[{', '.join(map(repr, arguments))}]"
    if origin in (Union, UnionType):
        return " | ".join(map(_plain, arguments))
    if origin is not None:
        return f"{origin.__name__}[{', '.join(map(_plain, arguments))}]"
    return {type(None): "None", Ellipsis: "..."}.get(kind) or str(kind.__name__)


def _shown(name: str, member: str) -> bool:
    return not member.startswith("_") and member in OF_THESE_ONLY.get(name, (member,))


def _assigned(body: list[ast.stmt]) -> dict[str, tuple[str, str]]:
    """Names that are assigned or annotated -> the value as it stands there, and the text that follows it."""
    found: dict[str, tuple[str, str]] = {}
    for statement, after in zip(body, [*body[1:], None], strict=True):
        target: ast.expr
        value: ast.expr | None
        if isinstance(statement, ast.AnnAssign):
            target, value = statement.target, statement.value
        elif isinstance(statement, ast.Assign):
            target, value = statement.targets[0], statement.value
        else:
            continue
        text = after.value.value if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) else ""
        if isinstance(target, ast.Name):
            found[target.id] = (ast.unparse(value) if value else "", " ".join(str(text).split()))
    return found


def _signature(name: str, function: FunctionType, *, returns: bool = True, flat: bool = False) -> str:
    signature = inspect.signature(function)
    parts, starred = [], False
    for each in signature.parameters.values():
        if each.name in ("self", "cls"):
            continue
        starred = starred or each.kind is each.VAR_POSITIONAL
        if each.kind is each.KEYWORD_ONLY and not starred:
            parts.append("*")
            starred = True
        star = "*" if each.kind is each.VAR_POSITIONAL else "**" if each.kind is each.VAR_KEYWORD else ""
        default = "" if each.default is each.empty else f" = {_default(each.default)}"
        parts.append(f"{star}{each.name}: {each.annotation}{default}")
    end = f" -> {signature.return_annotation}" if returns and signature.return_annotation is not signature.empty else ""
    line = f"{name}({', '.join(parts)}){end}"
    if flat or len(line) <= 100:
        return line
    return f"{name}(\n" + "".join(f"    {part},\n" for part in parts) + f"){end}"


def _default(value: Any) -> str:
    return "..." if callable(value) else repr(value)


def _doc(found: Any) -> str:
    return inspect.cleandoc(found.__doc__ or "")


def _flat(function: Any) -> str:
    return " ".join(_doc(function).split())


def _fenced(code: str) -> str:
    return f"```python\n{code}\n```\n"


def _code(name: str) -> str:
    return f"`{name}`"
