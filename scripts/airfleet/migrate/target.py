"""This chart's keys and defaults, as far as a conversion needs them."""

from __future__ import annotations

import functools
import json
from typing import Any

import yaml

from airfleet.migrate.model import Path
from airfleet.paths import project_root


class Chart:
    """What chart/values.yaml and its schema say."""

    def __init__(self, defaults: dict[str, Any], schema: dict[str, Any]) -> None:
        self.defaults = defaults
        self._schema = schema

    def has(self, path: Path) -> bool:
        """Whether the schema lets this key be set."""
        node: Any = self._schema
        for part in path:
            node = self._resolved(node)
            below = node.get("properties", {}).get(part, node.get("additionalProperties", True))
            if below is False:
                return False
            node = below if isinstance(below, dict) else {}
        return True

    def default(self, path: Path) -> Any:
        """The default of a key; None if there is none."""
        node: Any = self.defaults
        for part in path:
            node = node.get(part) if isinstance(node, dict) else None
        return node

    def _resolved(self, node: Any) -> dict[str, Any]:
        while isinstance(node, dict) and "$ref" in node:
            found: Any = self._schema
            for part in node["$ref"].removeprefix("#/").split("/"):
                found = found[part]
            node = found
        return node if isinstance(node, dict) else {}


@functools.cache
def chart() -> Chart:
    """The chart of this checkout."""
    folder = project_root() / "chart"
    defaults = yaml.safe_load((folder / "values.yaml").read_text(encoding="utf-8"))
    return Chart(defaults, json.loads((folder / "values.schema.json").read_text(encoding="utf-8")))
