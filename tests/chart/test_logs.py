"""Logs in Elasticsearch: what can't work is refused, and no ConfigMap holds credentials."""

from __future__ import annotations

from typing import Any

import pytest

from chart_harness.render import RefusedError, render

URL = "https://es.example.com:9200"
REFUSED: dict[str, dict[str, Any]] = {
    "no URL": {},
    "no scheme": {"elasticsearch": {"url": "es:9200"}},
    "credentials in the URL": {"elasticsearch": {"url": "https://airflow:secret@es.example.com:9200"}},
    "a folder": {"folder": "s3://x", "elasticsearch": {"url": URL}},
    "a connection": {"connectionId": "x", "elasticsearch": {"url": URL}},
}


@pytest.mark.parametrize("remote", REFUSED.values(), ids=REFUSED.keys())
def test_what_can_not_work_is_refused_with_the_fix(remote: dict[str, Any]) -> None:
    with pytest.raises(RefusedError, match=r"(?s)needs elasticsearch\.url without credentials.*Fix: ") as refused:
        render({"logs": {"remote": {"type": "elasticsearch", **remote}}})
    assert "secret@" not in str(refused.value)


def test_with_a_url_it_renders() -> None:
    render({"logs": {"remote": {"type": "elasticsearch", "elasticsearch": {"url": URL}}}})
