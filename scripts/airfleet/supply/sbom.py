"""A bill of materials in CycloneDX 1.6: no time and no random number, so it changes only with what it lists."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml

from airfleet.supply.images import Image

_REQUIREMENT = re.compile(r"^(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?==(?P<version>[^\s;\\]+)", re.MULTILINE)


def sbom(chart: Path, images: Iterable[Image], lock: Path) -> dict[str, Any]:
    """The document for a chart, the images of a rendering, and the Python packages that the project's image locks."""
    about = yaml.safe_load((chart / "Chart.yaml").read_text(encoding="utf-8"))
    root = {
        "type": "application",
        "bom-ref": f"pkg:helm/{about['name']}@{about['version']}",
        "name": about["name"],
        "version": str(about["version"]),
        "purl": f"pkg:helm/{about['name']}@{about['version']}",
    }
    image_parts = [_image(image) for image in images]
    packages = [_package(name, version) for name, version in locked(lock.read_text(encoding="utf-8"))]
    components = sorted([*image_parts, *packages], key=lambda part: part["bom-ref"])
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": root},
        "components": components,
        "dependencies": [
            {"ref": root["bom-ref"], "dependsOn": sorted(part["bom-ref"] for part in image_parts)},
        ],
    }
    return {
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(document, sort_keys=True))}",
        **document,
    }


def locked(text: str) -> list[tuple[str, str]]:
    """(name, version) of each package of a requirements.lock, names as PyPI normalises them."""
    return [(re.sub(r"[-_.]+", "-", found["name"]).lower(), found["version"]) for found in _REQUIREMENT.finditer(text)]


def _package(name: str, version: str) -> dict[str, Any]:
    purl = f"pkg:pypi/{name}@{quote(version, safe='')}"
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}


def _image(image: Image) -> dict[str, Any]:
    name = image.repository.rpartition("/")[2]
    version = image.digest or image.tag
    qualifiers = f"repository_url={quote(image.repository, safe='')}" + (
        f"&tag={quote(image.tag, safe='')}" if image.tag else ""
    )
    purl = f"pkg:oci/{name}" + (f"@{quote(image.digest, safe='')}" if image.digest else "") + f"?{qualifiers}"
    part: dict[str, Any] = {
        "type": "container",
        "bom-ref": purl,
        "name": image.repository,
        "version": version,
        "purl": purl,
    }
    if image.digest:
        part["hashes"] = [{"alg": "SHA-256", "content": image.digest.partition(":")[2]}]
    return part
