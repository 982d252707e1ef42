"""`airfleet values`: what is generated from chart/values.yaml, and whether the templates agree with it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from airfleet.console import say
from airfleet.errors import InvalidError
from airfleet.paths import project_root

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="The chart's values: their schema and reference, made from values.yaml.",
)

_VALUES = Path("chart/values.yaml")
_SCHEMA = Path("chart/values.schema.json")
_REFERENCE = Path("docs/reference/values.md")
_TITLE = "Values of the airfleet chart"


@app.command()
def docs(
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit 3 if a file is not up to date.")] = False,
) -> None:
    """Write chart/values.schema.json and docs/reference/values.md from the comments of chart/values.yaml.

    A key is documented by the comment above it:

    \b
      # -- A sentence, continued on further lines; indented lines are
      # an example.
      # @schema type: integer; minimum: 0; maximum: 9; pattern: ^x
      # @schema map: string, or map: ref:NAME, or map: any
      # @schema items: integer
      # @schema open: KubernetesType
      # @schema define: NAME    (others may use the keys of this block)
      # @schema extends: NAME   (the block has the keys of NAME as well)
      # @schema ref: NAME       (the value is what NAME defines)
      # @section Title          (above a key at the top)
      # @define NAME            (the form of a map's entries)
      #   key: default
    """
    from airfleet.values.reference import reference_text
    from airfleet.values.schema import schema_text
    from airfleet.values.source import read_values

    root = project_root()
    values = read_values(root / _VALUES, shown=str(_VALUES))
    wanted = {_SCHEMA: schema_text(values, _TITLE), _REFERENCE: reference_text(values)}
    stale = {name: text for name, text in wanted.items() if _text(root / name) != text}
    if check and stale:
        raise InvalidError(
            f"{' and '.join(map(str, stale))} {'do' if len(stale) > 1 else 'does'} not match {_VALUES}",
            fix="run `airfleet values docs` and commit what it writes",
        )
    for name, text in stale.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
        say(f"wrote {name} ({len(text) / 1000:.0f} KB)")
    if not stale:
        say(f"{' and '.join(map(str, wanted))} are up to date")


@app.command()
def lint() -> None:
    """Check that every key of values.yaml is used by a template, and every use in a template is documented."""
    from airfleet.values.lint import lint as disagreements
    from airfleet.values.lint import read_templates
    from airfleet.values.source import read_values

    root = project_root()
    values = read_values(root / _VALUES, shown=str(_VALUES))
    found = disagreements(values, read_templates(root / "chart/templates", root), str(_VALUES))
    if found:
        raise InvalidError(
            f"{_VALUES} and the templates disagree in {len(found)} place{'s' * (len(found) > 1)}",
            why="\n".join(found),
            fix="use or delete a key that no template reads; document one that a template reads",
        )
    say(f"{_VALUES} and the templates agree: {sum(1 for _ in values.documented())} keys")


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""
