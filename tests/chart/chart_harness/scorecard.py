"""The chart's scorecard: what docs/reference/scorecard.md says, computed from the chart itself."""

from __future__ import annotations

import base64
import gzip
import json
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airfleet.helm import run_helm
from airfleet.supply.package import package
from chart_harness import scanners, sizes
from chart_harness.keys import uncovered
from chart_harness.objects import Rendered
from chart_harness.render import CHART, render
from chart_harness.rules import RULES
from chart_harness.scenarios import DIGEST, EVERYTHING, PRESETS, SCENARIOS, merged
from chart_harness.strategies import LEAVES

PAGE = CHART.parent / "docs" / "reference" / "scorecard.md"
# What `make bench-chart` measured last, medians on a quiet machine: default values, everything on.
MEASURED = (2.4, 3.9)
TARGETS = (2.5, 4)
RENDERED = ("`helm template`, default values, against an empty chart", "the same with everything on")
SCORED = ("defaults", *(f"preset {name}" for name in PRESETS), "everything on")

# Why a check that checkov fails is left as it is.
CHECKOV_REASONS = {
    "CKV_K8S_8": "a task's pod is a batch job: a liveness probe would kill a task that is busy; Airflow's own heartbeat"
    " tells",
    "CKV_K8S_9": "a task's pod serves nobody, so nothing waits for it to be ready",
    "CKV_K8S_11": "a CPU limit throttles a container while its node is idle; requests share a busy node fairly, and"
    " memory is limited",
    "CKV_K8S_40": "the PostgreSQL image's own user is 999; it is for demos only",
}
# What checkov can't see: OpenShift gives each namespace user ids above 1,000,000,000.
NOT_COUNTED = {"preset openshift": {"CKV_K8S_40"}}
# Why a check that kube-score calls critical is left as it is.
KUBE_SCORE_REASONS = {
    "deployment-has-poddisruptionbudget": "the exporter is one pod: two would have half of the counters each",
    "container-ephemeral-storage-request-and-limit": "root file systems are read-only, every emptyDir has a size limit",
    "container-image-pull-policy": "images are pinned; to ask the registry for each task's pod costs time and quota",
    "container-resources": "no CPU limit, as above",
    "container-security-context-user-group-id": "Airflow's image runs in group 0 by contract, as OpenShift's users do",
    "networkpolicy-targets-pod": "the policy selects pods that the executor makes later",
    "pod-probes-identical": "one cheap endpoint, but liveness waits longer before it restarts the scheduler",
}


@dataclass(frozen=True)
class Ratio:
    """Times of `helm template` as multiples of an empty chart's, taken in turns: median, lowest and highest."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.low:.2f} to {self.high:.2f})"


def pinned(values: Mapping[str, Any]) -> dict[str, Any]:
    """These values with every image given by digest, as production does it."""
    digest = {"image": {"digest": DIGEST}}
    return merged(values, {**digest, "postgres": digest, "pgbouncer": digest, "metrics": digest})


def release(name: str) -> Rendered:
    """A scored release: a scenario, or the one with every feature, its Airflow image given by digest."""
    return render(pinned(EVERYTHING if name == "everything on" else SCENARIOS[name]))


def ratio(values: Mapping[str, Any], rounds: int) -> Ratio:
    """Render these values and an empty chart in turns, and compare round by round."""
    with tempfile.TemporaryDirectory() as scratch:
        empty = _empty_chart(Path(scratch))
        _seconds(empty, {}), _seconds(CHART, values)
        pairs = [(_seconds(empty, {}), _seconds(CHART, values)) for _ in range(rounds)]
    found = [mine / nothing for nothing, mine in pairs]
    return Ratio(statistics.median(found), min(found), max(found))


def secret_bytes(chart: Path, values: Mapping[str, Any]) -> int:
    """Bytes of the Secret in which Helm stores a revision of a chart, a folder or an archive, with these values."""
    argv = ["install", "airflow", str(chart), "--dry-run=client", "--output", "json", "--values", "-"]
    stored = run_helm(argv, stdin=json.dumps(values)).stdout
    return len(base64.b64encode(gzip.compress(stored.encode())))


def page() -> str:
    """The text of docs/reference/scorecard.md, but for what a clock measures."""
    return "\n".join([*_head(), *_sizes(), *_scans(), *_reasons()]) + "\n"


def _head() -> list[str]:
    return [
        "# Scorecard",
        "",
        "Made by `make bench-chart`, which also measures the render time; a test recomputes this page and fails if a"
        " size or a scan misses its target. Targets stand in brackets.",
        "",
    ]


def _sizes() -> Iterator[str]:
    files = sizes.templates(CHART)
    lines = sum(len(text.splitlines()) for text in files.values())
    schema = (CHART / "values.schema.json").stat().st_size
    yield "## Size"
    yield ""
    yield "| what | here | target |"
    yield "|---|---|---|"
    yield f"| template lines | {lines:,} | [2,500] |"
    yield f"| lines in repeated 6-line blocks | {sizes.duplication(files):.1%} | [5 %] |"
    yield f"| keys whose effect `test_keys.py` shows | {len(LEAVES) - len(uncovered())} of {len(LEAVES)} | all |"
    yield f"| values schema | {schema / 1000:.0f} KB | [150 KB] |"
    with tempfile.TemporaryDirectory() as scratch:
        archive = package(CHART, Path(scratch))
        yield f"| release Secret, packed chart, default values | {_tens(secret_bytes(archive, {}))} | [120 KB] |"
        yield f"| the same with everything on | {_tens(secret_bytes(archive, EVERYTHING))} | - |"
    yield f"| release Secret, the chart's folder with its comments | {_tens(secret_bytes(CHART, {}))} | - |"
    for what, measured, target in zip(RENDERED, MEASURED, TARGETS, strict=True):
        missed = ", missed" if measured > target else ""
        yield f"| {what} | {measured}x{missed} | [{target}x] |"
    yield ""


def _scans() -> Iterator[str]:
    releases = {name: release(name) for name in SCORED}
    with tempfile.TemporaryDirectory() as scratch:
        found = scanners.checkov(releases, Path(scratch))
    for name, checks in NOT_COUNTED.items():
        found[name] = [finding for finding in found[name] if finding.check not in checks]
    yield "## Scans"
    yield ""
    yield "Each release is scanned with its pod templates as the pods that they become; images are given by digest."
    yield "checkov runs without CKV_K8S_21 (the namespace is whoever installs the chart's to choose); for OpenShift,"
    yield "which chooses a high user id itself, without CKV_K8S_40."
    yield ""
    yield "| release | workloads | restricted | checkov failures per workload [2] | checkov | kube-score critical |"
    yield "|---|---|---|---|---|---|"
    for name, rendered in releases.items():
        workloads = len(scanners.workloads(rendered))
        bad = len({problem.partition(":")[0] for problem in RULES["pods_are_restricted"](rendered)})
        critical = scanners.by_check(scanners.kube_score(rendered))
        yield (
            f"| {name} | {workloads} | {(workloads - bad) / workloads:.0%} | {len(found[name]) / workloads:.2f}"
            f" | {_counts(scanners.by_check(found[name]))} | {_counts(critical)} |"
        )
    yield ""


def _reasons() -> Iterator[str]:
    yield "## Why these are left"
    yield ""
    yield "| check | reason |"
    yield "|---|---|"
    for check, reason in {**CHECKOV_REASONS, **KUBE_SCORE_REASONS}.items():
        yield f"| {check} | {reason} |"


def _tens(size: int) -> str:
    """A size that a compressor's version and a time stamp do not change."""
    return f"about {round(size, -4) // 1000} KB"


def _counts(owners: Mapping[str, set[str]]) -> str:
    return ", ".join(f"{check} x{len(found)}" for check, found in owners.items()) or "-"


def _seconds(chart: Path, values: Mapping[str, Any]) -> float:
    start = time.perf_counter()
    run_helm(["template", "airflow", str(chart), "--namespace", "data", "--values", "-"], stdin=json.dumps(values))
    return time.perf_counter() - start


def _empty_chart(folder: Path) -> Path:
    """A chart of one ConfigMap: what Helm itself costs."""
    (folder / "templates").mkdir()
    (folder / "Chart.yaml").write_text("apiVersion: v2\nname: empty\nversion: 0.1.0\n")
    (folder / "templates/configmap.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {}\n")
    return folder
