"""A bill of materials in CycloneDX 1.6: no time and no random number, so it changes only with what it lists."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml

from airfleet.image.build import Image as BuiltImage
from airfleet.image.build import find
from airfleet.image.contents import Contents, contents
from airfleet.image.recipe import KINDS, reference
from airfleet.supply.images import Image

Part = dict[str, Any]


def sbom(chart: Path, images: Iterable[Image]) -> Part:
    """The document for a chart, the images of a rendering, and what is in those of them that this machine has built."""
    built = project_images()
    images = list(images)
    return document(chart, images, {i.reference: built[i.reference] for i in images if i.reference in built})


def project_images() -> dict[str, BuiltImage]:
    """Reference -> image of the project's own images that the cache holds."""
    return {reference(kind): image for kind in KINDS if (image := find(kind))}


def document(chart: Path, images: Iterable[Image], built: Mapping[str, BuiltImage]) -> Part:
    """The document; the packages of an image are listed if `built` has it under its reference."""
    about = yaml.safe_load((chart / "Chart.yaml").read_text(encoding="utf-8"))
    root = _part("application", f"pkg:helm/{about['name']}@{about['version']}", about["name"], str(about["version"]))
    parts: dict[str, Part] = {}
    depends: dict[str, list[str]] = {root["bom-ref"]: []}
    opened: dict[bool, list[str]] = {True: [], False: []}
    for image in images:
        own = built.get(image.reference)
        part = _image(image, own.digest if own else image.digest)
        depends[root["bom-ref"]].append(part["bom-ref"])
        opened[own is not None].append(part["bom-ref"])
        packages = _packages(contents(own.archive)) if own else []
        depends[part["bom-ref"]] = [package["bom-ref"] for package in packages]
        parts |= {found["bom-ref"]: found for found in [part, *packages]}
    whole: Part = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": root},
        "components": [parts[ref] for ref in sorted(parts)],
        "dependencies": [{"ref": ref, "dependsOn": sorted(on)} for ref, on in sorted(depends.items())],
        # Of an image that this machine has not built nobody can say here what is in it.
        "compositions": [
            {"aggregate": aggregate, "dependencies": sorted(refs)}
            for aggregate, refs in (("complete", [root["bom-ref"], *opened[True]]), ("unknown", opened[False]))
            if refs
        ],
    }
    return {"serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(whole, sort_keys=True))}", **whole}


def _packages(found: Contents) -> list[Part]:
    distribution = f"distro=debian-{found.release}"
    debian = [
        (f"pkg:deb/debian/{_quoted(p.name)}@{_quoted(p.version)}?arch={p.architecture}&{distribution}", p)
        for p in found.debian
    ]
    python = [(f"pkg:pypi/{p.name}@{_quoted(p.version)}", p) for p in found.python]
    return [_part("library", purl, package.name, package.version) for purl, package in [*debian, *python]]


def _image(image: Image, digest: str) -> Part:
    name = image.repository.rpartition("/")[2]
    qualifiers = f"repository_url={_quoted(image.repository)}" + (f"&tag={_quoted(image.tag)}" if image.tag else "")
    purl = f"pkg:oci/{name}" + (f"@{_quoted(digest)}" if digest else "") + f"?{qualifiers}"
    part = _part("container", purl, image.repository, digest or image.tag)
    if digest:
        part["hashes"] = [{"alg": "SHA-256", "content": digest.partition(":")[2]}]
    return part


def _part(kind: str, purl: str, name: str, version: str) -> Part:
    return {"type": kind, "bom-ref": purl, "name": name, "version": version, "purl": purl}


def _quoted(text: str) -> str:
    return quote(text, safe="")
