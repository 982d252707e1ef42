"""What must hold for every release, whatever its values. Importing this package registers every rule."""

from chart_harness.rules import edges, images, names, network, pods, rbac, references, secrets, workers
from chart_harness.rules.registry import RULES, violations

__all__ = [
    "RULES",
    "edges",
    "images",
    "names",
    "network",
    "pods",
    "rbac",
    "references",
    "secrets",
    "violations",
    "workers",
]
