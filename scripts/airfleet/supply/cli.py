"""`airfleet chart`: what a release of the chart is made of, and the chart as an archive."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from airfleet.console import say

Values = Annotated[list[Path] | None, typer.Option("--values", "-f", help="Values files, as for helm -f.")]

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="The chart as an archive, its images, and its bill of materials."
)


@app.command()
def package(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the archive.")],
) -> None:
    """Pack the chart; the same files give the same bytes. Prints the archive's path and digest.

    `helm push` puts it into a registry: helm push airfleet-VERSION.tgz oci://REGISTRY/charts
    """
    from airfleet.paths import project_root
    from airfleet.supply.package import digest
    from airfleet.supply.package import package as pack

    archive = pack(project_root() / "chart", output)
    print(f"{archive} {digest(archive)}")


@app.command()
def images(
    values: Values = None,
    mirror: Annotated[str, typer.Option(help="Print `source target` pairs for this registry and path.")] = "",
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List every image that the chart runs with these values, in pods, jobs and the pod templates of tasks."""
    import json

    from airfleet.supply.images import mirror as pairs
    from airfleet.supply.images import release_images

    found = release_images(values or ())
    targets = dict(pairs(found, mirror)) if mirror else {}
    if json_:
        listed = [
            {
                "image": image.full,
                "repository": image.repository,
                "tag": image.tag,
                "digest": image.digest,
                "usedBy": list(image.used_by),
                **({"mirror": targets[image.full]} if mirror else {}),
            }
            for image in found
        ]
        print(json.dumps(listed, indent=2))
    elif mirror:
        for source, target in targets.items():
            print(f"{source} {target}")
    else:
        for image in found:
            print(image.full)
            for user in image.used_by:
                print(f"  {user}")


@app.command()
def sbom(
    values: Values = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write it here.")] = None,
) -> None:
    """Print a bill of materials (CycloneDX 1.6 JSON).

    It lists the chart, the images that it runs with these values, and the Debian and Python packages of those that
    `airfleet image build` has made on this machine.
    """
    import json

    from airfleet.paths import project_root
    from airfleet.supply.images import release_images
    from airfleet.supply.sbom import sbom as document

    text = json.dumps(document(project_root() / "chart", release_images(values or ())), indent=2)
    if output:
        output.write_text(text + "\n", encoding="utf-8")
        say(f"wrote {output}")
    else:
        print(text)
