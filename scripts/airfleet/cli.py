"""The `airfleet` command. Sub-commands live beside the code that they call: airfleet.lab.cli, airfleet.image.cli ..."""

from __future__ import annotations

import sys
from typing import Annotated, ClassVar

import typer

from airfleet import __version__, console
from airfleet.commands import Command, LazyGroup
from airfleet.errors import AirfleetError, ExitCode


class _Airfleet(LazyGroup):
    sections: ClassVar = {
        "A fleet of clusters": {
            "clusters": Command("airfleet.fleet.cli_list:clusters", "List the clusters, by wave and then by name."),
            "render": Command("airfleet.fleet.cli:render", "Render values and manifests of every cluster."),
            "explain": Command("airfleet.fleet.cli:explain", "Say why a value is what it is."),
            "who-sets": Command("airfleet.fleet.cli:who_sets", "Say which layers set a value, and where each wins."),
            "lint": Command("airfleet.fleet.cli_check:lint", "Find values that say nothing, and overdue overrides."),
            "validate": Command("airfleet.fleet.cli_check:validate", "Check objects against schemas and policies."),
            "doctor": Command("airfleet.fleet.cli_check:doctor", "Ask each cluster whether it has what it takes."),
            "diff": Command(
                "airfleet.fleet.cli_diff:diff", "Compare two revisions of the fleet's files, cluster by cluster."
            ),
            "plan": Command("airfleet.fleet.cli:plan", "Compare files with live releases; save what has to be done."),
            "apply": Command("airfleet.fleet.cli:apply", "Carry out a saved plan, wave by wave."),
            "status": Command("airfleet.fleet.cli:status", "Show each cluster's release beside what the files want."),
            "drift": Command("airfleet.fleet.cli_diff:drift", "Say what is not as it was applied."),
            "verify": Command("airfleet.fleet.cli:verify", "Hold what runs against its gates, and run a canary."),
            "rollback": Command("airfleet.fleet.cli:rollback", "Go back to a revision that Helm remembers."),
            "new-cluster": Command("airfleet.fleet.cli:new_cluster", "Write the file of a new cluster."),
            "export": Command("airfleet.fleet.cli:export", "Write manifests for Argo CD or Flux."),
            "eject": Command("airfleet.fleet.cli:eject", "Write plain values files and helm commands."),
        },
        "One release": {
            "secrets": Command("airfleet.secrets.cli:app", "Look at a release's secrets, and replace them."),
            "quiesce": Command("airfleet.quiesce.cli:quiesce", "Wait until a stopped release runs no task any more."),
            "pod-template": Command("airfleet.pod_templates.cli:app", "Pod templates of a release."),
            "chart": Command("airfleet.supply.cli:app", "The chart as an archive, its images, its bill of materials."),
            "migrate-values": Command("airfleet.migrate.cli:migrate_values", "Convert values of the official chart."),
            "migrate-fleet": Command("airfleet.migrate.cli:migrate_fleet", "Factor many values files into layers."),
        },
        "This project": {
            "demo": Command("airfleet.demo.cli:demo", "Bring up a Kubernetes, install the chart, run DAGs as pods."),
            "lab": Command("airfleet.lab.cli:app", "Bring real Kubernetes clusters up and down on this machine."),
            "image": Command("airfleet.image.cli:app", "Build the chart's images without a container engine."),
            "audit": Command("airfleet.audit.cli:audit", "Report known vulnerabilities of packages and images."),
            "values": Command("airfleet.values.cli:app", "The chart's values: their schema and reference."),
            "version": Command("airfleet.cli:version", "Print the version of airfleet."),
        },
    }


app = typer.Typer(
    name="airfleet",
    cls=_Airfleet,
    help="Run Apache Airflow on Kubernetes: the chart, a lab to try it in, and the toolkit around it.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def _root() -> None:
    pass


def version() -> None:
    """Print the version of airfleet."""
    print(__version__)


@app.command(hidden=True)
def docs(
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit 3 if a page is not up to date.")] = False,
) -> None:
    """Write docs/reference/cli.md and python-api.md, the references of the commands and of the library."""
    from airfleet import api_reference, reference
    from airfleet.console import say
    from airfleet.errors import InvalidError
    from airfleet.paths import project_root

    pages = {
        reference.PAGE: reference.reference_text(typer.main.get_command(app)),
        api_reference.PAGE: api_reference.api_text(),
    }
    stale = []
    for page, text in pages.items():
        file = project_root() / page
        if file.is_file() and file.read_text(encoding="utf-8") == text:
            say(f"{page} is up to date")
        elif check:
            stale.append(page)
        else:
            file.write_text(text, encoding="utf-8")
            say(f"wrote {page}")
    if stale:
        raise InvalidError(
            f"not what the code says: {', '.join(stale)}", fix="run `airfleet docs` and commit what it writes"
        )


def main() -> None:
    """Entry point: runs the command and turns every expected failure into one message and an exit code."""
    try:
        result = app(standalone_mode=False)
    except AirfleetError as e:
        console.say(str(e))
        sys.exit(int(e.code))
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(int(ExitCode.INTERRUPTED))
    except typer.Exit as e:
        sys.exit(e.exit_code)
    except typer.Abort:
        sys.exit(int(ExitCode.INTERRUPTED))
    except Exception as e:
        # click's usage errors carry their own formatting; anything else is a defect and keeps its traceback
        show = getattr(e, "show", None)
        if show is None:
            raise
        show()
        sys.exit(int(ExitCode.USAGE))
    sys.exit(result if isinstance(result, int) else 0)
