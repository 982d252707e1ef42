"""How long `helm template` takes with the default values, as a multiple of an empty chart's: target 2.5 at most.

The two alternate in one run, so that a busy machine slows both alike.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "chart"))

from airfleet.helm import run_helm
from chart_harness.render import CHART

ROUNDS = 15


def seconds(chart: Path) -> float:
    """How long one `helm template` of a chart takes."""
    start = time.perf_counter()
    run_helm(["template", "airflow", str(chart), "--namespace", "data"])
    return time.perf_counter() - start


def empty_chart(folder: Path) -> Path:
    """A chart of one ConfigMap: what Helm itself costs."""
    (folder / "templates").mkdir()
    (folder / "Chart.yaml").write_text("apiVersion: v2\nname: empty\nversion: 0.1.0\n")
    (folder / "templates/configmap.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {}\n")
    return folder


def spread(values: list[float], scale: float = 1.0) -> str:
    """`median (lowest to highest)`."""
    low, middle, high = (scale * v for v in (min(values), statistics.median(values), max(values)))
    return f"{middle:.2f} ({low:.2f} to {high:.2f})" if scale == 1 else f"{middle:.0f} ({low:.0f} to {high:.0f})"


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as scratch:
        empty = empty_chart(Path(scratch))
        seconds(empty), seconds(CHART)
        pairs = [(seconds(empty), seconds(CHART)) for _ in range(ROUNDS)]
    print(f"helm template, {ROUNDS} rounds, median (lowest to highest)")
    print(f"  an empty chart           {spread([a for a, _ in pairs], 1000)} ms")
    print(f"  this chart, defaults     {spread([b for _, b in pairs], 1000)} ms")
    print(f"  ratio, round by round    {spread([b / a for a, b in pairs])}   target: at most 2.5")


if __name__ == "__main__":
    main()
