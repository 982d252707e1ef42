"""How long the commands of a fleet take, on generated fleets with the real chart.

python tests/bench/fleet.py [--clusters 50 500] [--rounds 5]

Prints seconds, median (lowest to highest), and the largest process's memory. A loop of `helm template`, and helmfile
with as many at once as there are processors, render the same values in the same run. Nothing asserts the figures.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from airfleet.helm import helm
from airfleet.lab.companions import program
from airfleet.paths import project_root

ENVS, REGIONS = ("dev", "staging", "prod"), ("eu", "us", "ap")
AIRFLEET = Path(sys.executable).with_name("airfleet")
BASE = """
image: {repository: registry.example.com/data/airflow}
apiServer: {baseUrl: "https://${{ cluster.name }}.airflow.example.com"}
logs: {remote: {type: s3, folder: "s3://logs-${{ axes.region }}/${{ cluster.name }}"}}
dags: {bundles: {dags-folder: null, company: {git: {repo: "https://git.example.com/dags.git", secretName: git}}}}
metrics: {enabled: true}
podTemplates:
  small: {resources: {requests: {cpu: 100m, memory: 256Mi}, limits: {memory: 512Mi}}}
  highmem: {resources: {requests: {memory: 8Gi}, limits: {memory: 16Gi}}}
"""
FLEET = """
chart: CHART
axes: [env, region]
pins: {base: {airflow: 3.3.2}}
waves: [{name: dev, select: env=dev}, {name: rest}]
"""


@dataclass
class Times:
    """Seconds of several runs of one command, and the most memory that one of its processes took."""

    seconds: list[float] = field(default_factory=list)
    megabytes: float = 0

    def add(self, seconds: float, kilobytes: int) -> None:
        """Add one run."""
        self.seconds.append(seconds)
        self.megabytes = max(self.megabytes, kilobytes / 1024)

    def __str__(self) -> str:
        spread = f" ({min(self.seconds):.2f} to {max(self.seconds):.2f})" if len(self.seconds) > 1 else ""
        return f"{statistics.median(self.seconds):7.2f} s{spread:<18} {self.megabytes:6.0f} MB"


def generate(root: Path, clusters: int) -> Path:
    """A fleet of so many clusters, each with values of its own; the folder of its files."""
    folder = root / "values"
    files = {"fleet.yaml": FLEET.replace("CHART", str(project_root() / "chart")), "base.yaml": BASE}
    for number, env in enumerate(ENVS):
        files[f"env/{env}.yaml"] = (
            f"scheduler: {{replicas: {1 + number % 2}}}\npgbouncer: {{enabled: {str(number > 0).lower()}}}\n"
        )
    for region in REGIONS:
        files[f"region/{region}.yaml"] = f'proxy: {{https: "http://proxy.{region}.example.com:3128"}}\n'
    for number in range(clusters):
        env, region = ENVS[number % 3], REGIONS[number // 3 % 3]
        files[f"clusters/c{number:03}.yaml"] = (
            f'axes: {{env: {env}, region: {region}}}\nkubernetes: "1.36"\ncontext: c{number:03}\n'
            f"values:\n  config: {{core: {{parallelism: {32 + number}}}}}\n"
        )
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def timed(
    times: Times, argv: Sequence[str | Path], environment: Mapping[str, str], codes: Sequence[int] = (0,)
) -> None:
    """Run a command once, without its output. Exits if it fails."""
    start = time.monotonic()
    process = subprocess.Popen(
        [str(part) for part in argv], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    assert process.stderr
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status) not in codes:
        sys.exit(f"{' '.join(map(str, argv))}: {errors.decode()}")
    times.add(time.monotonic() - start, usage.ru_maxrss)


def measure(clusters: int, rounds: int) -> None:
    """All commands on one fleet."""
    with tempfile.TemporaryDirectory(prefix="airfleet-bench-") as scratch:
        root = Path(scratch)
        folder, rendered = generate(root, clusters), root / "rendered"
        environment = {**os.environ, "AIRFLEET_CACHE": str(root / "cache"), "AIRFLEET_HELM": str(helm())}
        names = (
            "render, cold",
            "render, warm",
            "explain",
            "validate, warm",
            "diff of one layer",
            "helm template, a loop",
            "helmfile template",
        )
        told = {name: Times() for name in names}
        run = [AIRFLEET, "render", "--fleet", folder, "--output", rendered]
        timed(told["render, cold"], run, environment)
        for _ in range(rounds):
            timed(told["render, warm"], run, environment)
            timed(told["explain"], [AIRFLEET, "explain", "c001", "scheduler.replicas", "--fleet", folder], environment)
            timed(told["validate, warm"], [AIRFLEET, "validate", "--fleet", folder], environment)
        commit(root)
        layer = folder / "env" / "dev.yaml"
        for number in range(rounds):
            layer.write_text(f"scheduler: {{replicas: {3 + number}}}\npgbouncer: {{enabled: false}}\n")
            timed(told["diff of one layer"], [AIRFLEET, "diff", "--fleet", folder], environment, codes=(2,))
        loop = Times()
        for file in sorted(rendered.glob("*/values.yaml")):
            timed(loop, [helm(), "template", "airflow", project_root() / "chart", "--values", file], environment)
        told["helm template, a loop"].add(sum(loop.seconds), int(loop.megabytes * 1024))
        state = root / "helmfile.yaml"
        state.write_text(helmfile(rendered))
        argv = [program("helmfile"), "--file", state, "--helm-binary", helm(), "--quiet", "template"]
        for _ in range(rounds if clusters <= 100 else 1):
            timed(told["helmfile template"], [*argv, "--concurrency", str(os.cpu_count())], environment)
        print(f"\n{clusters} clusters")
        for name, times in told.items():
            print(f"  {name:<22} {times}")


def helmfile(rendered: Path) -> str:
    """A helmfile with a release for each cluster, of the values that the fleet came to."""
    chart = str(project_root() / "chart")
    releases = [
        {"name": f"airflow-{file.parent.name}", "namespace": "airflow", "chart": chart, "values": [str(file)]}
        for file in sorted(rendered.glob("*/values.yaml"))
    ]
    return str(yaml.safe_dump({"releases": releases}))


def commit(root: Path) -> None:
    """Put everything but the renderings into a repository."""
    (root / ".gitignore").write_text("cache\nrendered\n")
    identity = ("-c", "user.name=bench", "-c", "user.email=bench@example.com")
    for argv in (("init", "--quiet"), ("add", "."), (*identity, "commit", "--quiet", "--message", "fleet")):
        subprocess.run(["git", *argv], cwd=root, check=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clusters", type=int, nargs="+", default=[50, 500])
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    for clusters in arguments.clusters:
        measure(clusters, arguments.rounds)


if __name__ == "__main__":
    main()
