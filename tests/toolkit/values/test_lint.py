"""Values and templates agree in both directions, or the place where they do not is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from airfleet.values.lint import lint
from airfleet.values.source import read_values

SAMPLE = read_values(Path(__file__).with_name("sample.yaml"))
POD = """\
{{ .cfg.env }}{{ .cfg.affinity }}{{ $cfg.resources }}{{ cfg.replicas }}
{{- range list "queues" }}{{ get $cfg . }}{{ end }}
"""
MAIN = """\
{{ .Values.fullnameOverride }}
{{ .Values.scheduler.mode }} {{ with .Values.scheduler }}{{ .interval }}{{ end }}
{{- with $.Values.scheduler.options }}{{ .enabled }}{{ range .hosts }}{{ end }}{{ end }}
{{ range $name, $b := .Values.bundles }}{{ $b.path }} {{ $b.refresh }}{{ end }}
{{ .Values.podTemplates }} {{ .Values.pod }} {{ .Values.config }} {{ .Values.size }}
"""


def disagreements(**change: str) -> list[str]:
    return lint(SAMPLE, {"_pod.tpl": POD, "main.yaml": MAIN, **change}, "values.yaml")


def test_no_disagreement() -> None:
    assert disagreements() == []


@pytest.mark.parametrize(
    ("was", "dead"),
    [
        ("{{ .Values.fullnameOverride }}", "fullnameOverride"),
        ("{{ .Values.scheduler.mode }}", "scheduler.mode"),
        ("{{ .interval }}", "scheduler.interval"),
        ("{{ .enabled }}", "scheduler.options.enabled"),
        ("{{ $b.refresh }}", "<bundle>.refresh"),
    ],
)
def test_a_key_that_no_template_uses_is_named(was: str, dead: str) -> None:
    found = disagreements(**{"main.yaml": MAIN.replace(was, "")})
    assert len(found) == 1
    assert f"{dead} is not used by any template" in found[0]


def test_a_shared_key_that_no_template_uses_is_named() -> None:
    assert [m.split(": ")[1] for m in disagreements(**{"_pod.tpl": POD.replace("resources", "x")})[1:]] == [
        "pod.resources is not used by any template"
    ]


def test_a_comment_is_no_use() -> None:
    commented = MAIN.replace("{{ .Values.scheduler.mode }}", "{{/* .Values.scheduler.mode */}}")
    assert len(disagreements(**{"main.yaml": commented})) == 1


@pytest.mark.parametrize(
    ("use", "message"),
    [
        ("{{ .Values.schedulr.mode }}", "more.yaml:1: .Values.schedulr.mode: values.yaml has no key schedulr"),
        (
            "\n{{ $.Values.scheduler.mood }}",
            "more.yaml:2: .Values.scheduler.mood: values.yaml has no key scheduler.mood",
        ),
        ("{{ .cfg.resorces }}", "more.yaml:1: cfg.resorces is not a key of any block that shares pod options"),
    ],
)
def test_a_use_that_is_not_documented_is_named(use: str, message: str) -> None:
    assert message in disagreements(**{"more.yaml": use})


@pytest.mark.parametrize(
    "use", ["{{ .Values.scheduler.env.FOO }}", "{{ .Values.global.x }}", "{{ .Values.podTemplates.gpu }}"]
)
def test_what_is_below_an_open_or_shared_key_may_be_used(use: str) -> None:
    assert disagreements(**{"more.yaml": use}) == []
