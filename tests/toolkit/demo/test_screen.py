"""What the demo prints where nobody watches a terminal, and its tables."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rich.console import Console

from airfleet.demo.observe import TaskRow
from airfleet.demo.screen import task_display, task_table

ROW = TaskRow("extract", "highmem", "queued", "", "", "", "", None, None)


def test_without_a_terminal_every_change_of_state_is_one_plain_line(capsys: pytest.CaptureFixture[str]) -> None:
    running = replace(ROW, state="running", pod="hello-1", node="n1")
    with task_display("hello") as show:
        for rows in ([ROW], [ROW], [running], [running], [replace(running, state="success")]):
            show(rows)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "  hello  extract        queued",
        "  hello  extract        running in hello-1 on n1",
        "  hello  extract        success in hello-1 on n1",
    ]


def test_the_table_names_pod_template_node_and_seconds() -> None:
    row = replace(
        ROW, state="success", pod="hello-1", template="highmem", node="n1", memory_limit="2Gi", queued=1.26, ran=0.3
    )
    console = Console(width=200, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    console.print(task_table("hello", [row]))
    assert console.export_text().splitlines()[-1].split() == [
        "extract", "success", "highmem", "highmem", "2Gi", "n1", "hello-1", "1.3", "0.3",
    ]  # fmt: skip
