"""The `airfleet` command. Sub-commands live beside the code that they call: airfleet.lab.cli, airfleet.image.cli ..."""

from __future__ import annotations

import sys

import typer

from airfleet import __version__
from airfleet.demo.cli import demo
from airfleet.errors import AirfleetError, ExitCode
from airfleet.image.cli import app as image_app
from airfleet.lab.cli import app as lab_app
from airfleet.migrate.cli import migrate_fleet, migrate_values
from airfleet.pod_templates.cli import app as pod_templates_app
from airfleet.secrets.cli import app as secrets_app
from airfleet.supply.cli import chart_app, images, sbom
from airfleet.values.cli import app as values_app

app = typer.Typer(
    name="airfleet",
    help="Run Apache Airflow on Kubernetes: the chart, a lab to try it in, and the toolkit around it.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(lab_app, name="lab")
app.add_typer(image_app, name="image")
app.add_typer(values_app, name="values")
app.add_typer(chart_app, name="chart")
app.add_typer(secrets_app, name="secrets")
app.add_typer(pod_templates_app, name="pod-template")


app.command()(demo)
app.command()(migrate_values)
app.command()(migrate_fleet)
app.command()(images)
app.command()(sbom)


@app.command()
def version() -> None:
    """Print the version of airfleet."""
    print(__version__)


def main() -> None:
    """Entry point: runs the command and turns every expected failure into one message and an exit code."""
    try:
        result = app(standalone_mode=False)
    except AirfleetError as e:
        print(e, file=sys.stderr)
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
