"""What two well-known scanners, checkov and kube-score, say of a release. Both are pinned and run without a network."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from airfleet.image.venv import locked_venv
from airfleet.lab import companions
from airfleet.process import run
from chart_harness.objects import Rendered, load

LOCK = Path(__file__).resolve().parents[1] / "tools" / "checkov.lock"
# "The default namespace should not be used": a chart leaves the namespace to whoever installs it.
SKIPPED = "CKV_K8S_21"
_KINDS = {"Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob", "Pod"}


@dataclass(frozen=True, order=True)
class Finding:
    """What a scanner does not like: its own id of the check, its words, and the object (`Kind/name`)."""

    check: str
    words: str
    owner: str


def scannable(rendered: Rendered) -> list[dict[str, Any]]:
    """All objects of a release, with every pod template of the executor as the Pod that it will be."""
    return [*rendered.objects, *_pod_templates(rendered)]


def checkov(releases: Mapping[str, Rendered], scratch: Path) -> dict[str, list[Finding]]:
    """Name of a release -> what checkov finds in it; one run for all of them."""
    for name, rendered in releases.items():
        (scratch / f"{_file(name)}.yaml").write_text(yaml.safe_dump_all(scannable(rendered)))
    python = locked_venv([LOCK], "checkov, a scanner for the chart's tests")
    argv = [python.parent / "checkov", "--directory", scratch, "--framework", "kubernetes", "--skip-check", SKIPPED]
    # Its descriptions come from a server of its maker's; --skip-download does without.
    argv += ["--compact", "--quiet", "--skip-download", "--output", "json"]
    report = json.loads(run([str(word) for word in argv], check=False, timeout=300).stdout)
    found: dict[str, list[Finding]] = {name: [] for name in releases}
    names = {_file(name): name for name in releases}
    for failed in report["results"]["failed_checks"]:
        kind, _, rest = failed["resource"].partition(".")
        finding = Finding(failed["check_id"], failed["check_name"], f"{kind}/{rest.rpartition('.')[2]}")
        found[names[Path(failed["file_path"]).stem]].append(finding)
    return {name: sorted(findings) for name, findings in found.items()}


def kube_score(rendered: Rendered) -> list[Finding]:
    """What kube-score calls critical in a release."""
    argv = [str(companions.program("kube-score")), "score", "--output-format", "json", "-"]
    report = json.loads(run(argv, stdin=yaml.safe_dump_all(scannable(rendered)), check=False).stdout)
    return sorted(
        Finding(check["check"]["id"], comment["summary"], f"{obj['type_meta']['kind']}/{obj['object_meta']['name']}")
        for obj in report
        for check in obj["checks"]
        if check["grade"] == 1 and not check["skipped"]
        for comment in check["comments"] or [{"summary": check["check"]["name"]}]
    )


def workloads(rendered: Rendered) -> list[str]:
    """`Kind/name` of everything that runs pods, the executor's pod templates among them."""
    return [f"{o['kind']}/{o['metadata']['name']}" for o in scannable(rendered) if o["kind"] in _KINDS]


def by_check(findings: Iterable[Finding]) -> dict[str, set[str]]:
    """Check -> the objects that it does not like."""
    owners: dict[str, set[str]] = defaultdict(set)
    for finding in findings:
        owners[finding.check].add(finding.owner)
    return dict(sorted(owners.items()))


def _pod_templates(rendered: Rendered) -> list[dict[str, Any]]:
    pods: list[dict[str, Any]] = []
    for config_map in rendered.of("ConfigMap"):
        if config_map["metadata"]["name"].endswith("-pod-templates"):
            for file, text in sorted((config_map.get("data") or {}).items()):
                (pod,) = load(text)
                pod["metadata"] |= {"name": f"worker-{Path(file).stem}", "namespace": rendered.release.namespace}
                pods.append(pod)
    return pods


def _file(name: str) -> str:
    return name.replace(" ", "-").replace(",", "")
