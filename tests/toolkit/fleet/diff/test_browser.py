"""The diff's page in a real browser: it asks nobody for anything, and what it offers works."""

from __future__ import annotations

import base64
import itertools
import json
import re
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import websocket

from airfleet.fleet.changes import Change, Field, Kind, Ref
from airfleet.fleet.consequences import Effect, What
from airfleet.fleet.diff import Delta, Edit, Move, fleet_diff
from airfleet.fleet.model import Place
from airfleet.fleet.report_diff_html import page
from airfleet.machine import ensure_commands


class Browser:
    """One tab, by the DevTools protocol."""

    def __init__(self, port: int) -> None:
        (target,) = [
            t for t in json.load(urllib.request.urlopen(f"http://127.0.0.1:{port}/json")) if t["type"] == "page"
        ]
        self.socket = websocket.create_connection(target["webSocketDebuggerUrl"], suppress_origin=True, timeout=60)
        self.numbers = itertools.count(1)
        self.events: list[dict[str, Any]] = []
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self.numbers)
        self.socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while (message := json.loads(self.socket.recv())).get("id") != number:
            self.events.append(message)
        assert "error" not in message, message
        found: dict[str, Any] = message["result"]
        return found

    def open(self, url: str) -> None:
        self.events.clear()
        self.call("Page.navigate", url="about:blank")
        self.call("Page.navigate", url=url)
        while self.ask("document.readyState + location.protocol") != "completefile:":
            pass

    def ask(self, expression: str) -> Any:
        done = self.call("Runtime.evaluate", expression=expression, returnByValue=True, userGesture=True)
        assert "exceptionDetails" not in done, done
        return done["result"].get("value")

    def said(self) -> list[dict[str, Any]]:
        """What went wrong on the page."""
        wrong = ("Runtime.exceptionThrown", "Log.entryAdded", "Runtime.consoleAPICalled")
        return [event for event in self.events if event["method"] in wrong]

    def asked_for(self) -> list[str]:
        sent = [event for event in self.events if event["method"] == "Network.requestWillBeSent"]
        return [event["params"]["request"]["url"] for event in sent]

    def screenshot(self, file: Path) -> None:
        file.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", captureBeyondViewport=True)["data"]))


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    ensure_commands({"chromium": "chromium"})
    profile = tmp_path_factory.mktemp("chromium")
    argv = ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
    argv += [
        "--disable-background-networking",
        f"--user-data-dir={profile}",
        "--remote-debugging-port=0",
        "about:blank",
    ]
    with subprocess.Popen([*argv, "--window-size=1200,1000"], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        for line in process.stderr:
            if match := re.search(r"DevTools listening on ws://127.0.0.1:(\d+)/", line):
                break
        tab = Browser(int(match[1]))  # type: ignore[index]
        yield tab
        tab.socket.close()
        process.terminate()
        process.stderr.close()


def sample() -> str:
    def changed(name: str, *fields: tuple[str, Any, Any], kind: str = "Deployment") -> Change:
        lines = tuple(Field(tuple(path.split("/")), Kind.CHANGED, old, new) for path, old, new in fields)
        return Change(Ref(kind, "airflow", name, "apps/v1"), Kind.CHANGED, lines)

    names = [f"prod-{region}-{n}" for region in ("eu", "us", "asia") for n in range(1, 5)]
    image = (
        "spec/template/spec/containers/[base]/image",
        "registry.example.com/airflow:3.3.2",
        "registry.example.com/airflow:3.3.3",
    )
    script = ("data/run.sh", "set -e\nairflow version\nexit 0\n", "set -eu\nairflow version\nexit 0\n")
    deltas = []
    for number, name in enumerate(names):
        changes = [changed("airflow-scheduler", image, ("spec/replicas", 2, 3)), changed("airflow-api-server", image)]
        changes += [changed("airflow-boot", script, kind="ConfigMap")]
        changes += [
            changed(
                "airflow-config", ("data/airflow.cfg/core/parallelism", 128 + number, 256 + number), kind="ConfigMap"
            )
        ]
        if name == "prod-eu-4":
            changes.append(
                changed("airflow-keys", ("data/fernet", "(secret 1a2b3c)", "(secret 4d5e6f)"), kind="Secret")
            )
            changes.append(Change(Ref("Service", "airflow", "airflow-statsd", "v1"), Kind.REMOVED))
        effects = [
            Effect(
                What.RESTART,
                changes[0].ref,
                "Deployment/airflow-scheduler restarts its 3 pods",
                "containers[base].image",
            )
        ]
        if name == "prod-us-2":
            ref = Ref("StatefulSet", "airflow", "airflow-postgres", "apps/v1")
            text = (
                "StatefulSet/airflow-postgres can't be changed like this: Kubernetes refuses spec.volumeClaimTemplates"
            )
            effects.append(Effect(What.REFUSED, ref, text, "", "give it another name, or delete it before the upgrade"))
        edits = [Edit("pins.airflow", Kind.CHANGED, "3.3.2", "3.3.3", Place("values/fleet.yaml", 11))]
        move = Move(name, "renamed", "prod-asia") if name == "prod-asia-1" else None
        deltas.append(Delta(name, tuple(changes), tuple(effects), tuple(edits), move))
    deltas += [Delta("dev-eu"), Delta("dev-us")]
    return page(fleet_diff("main (1a2b3c4d5)", "the working tree", deltas))


@pytest.fixture
def url(tmp_path: Path) -> str:
    (tmp_path / "diff.html").write_text(sample(), encoding="utf-8")
    return (tmp_path / "diff.html").as_uri()


SHOWN = "[...document.querySelectorAll('[data-row]')].filter((n) => n.offsetParent !== null).length"
ALL = "document.querySelectorAll('[data-row]').length"
TYPE = "(search.value = {!r}, search.dispatchEvent(new Event('input')), {})"


def test_it_asks_for_nothing_and_nothing_goes_wrong(browser: Browser, url: str) -> None:
    browser.open(url)
    assert browser.asked_for() == [url]
    assert browser.said() == []
    assert browser.ask("document.title") == "airfleet: 12 of 14 clusters change"
    browser.ask("fetch('https://127.0.0.1:1/').catch(() => 0)")
    browser.ask("1")
    assert any("Content Security Policy" in json.dumps(event) for event in browser.said())


def test_a_search_leaves_what_matches_and_is_kept_in_the_address(browser: Browser, url: str) -> None:
    browser.open(url)
    everything = browser.ask(ALL)
    assert browser.ask(SHOWN) == everything
    assert browser.ask(TYPE.format("parallelism", SHOWN)) == 1
    assert browser.ask("document.getElementById('shown').textContent") == f"1 of {everything} entries"
    assert browser.ask("[...document.querySelectorAll('details.group')].filter((n) => !n.hidden).length") == 1
    assert browser.ask(TYPE.format("scheduler image", SHOWN)) == 2  # a field and the restart because of it
    assert browser.ask(TYPE.format("no such thing", SHOWN)) == 0
    browser.ask(TYPE.format("fernet", "0"))
    browser.open(browser.ask("location.href"))
    assert browser.ask("search.value") == "fernet"
    assert browser.ask(SHOWN) == 1


def test_a_cluster_s_own_changes_can_be_looked_at(browser: Browser, url: str) -> None:
    browser.open(url)
    choose = "(cluster.value = {!r}, cluster.dispatchEvent(new Event('change')), document.body.innerText)"
    others = browser.ask(choose.format("prod-us-2"))
    assert "airflow-postgres" in others
    assert "fernet" not in others
    own = browser.ask(choose.format("prod-eu-4"))
    assert "airflow-postgres" not in own
    assert "(secret 4d5e6f)" in own


def test_groups_open_and_close(browser: Browser, url: str) -> None:
    browser.open(url)
    opened = "document.querySelectorAll('details.group[open]').length"
    number = browser.ask(opened)
    assert number == browser.ask("document.querySelectorAll('details.group').length") == 2
    assert browser.ask(f"(document.getElementById('close').click(), {opened})") == 0
    assert browser.ask(f"(document.getElementById('open').click(), {opened})") == number


def test_it_is_light_or_dark_as_the_reader_likes(browser: Browser, url: str, tmp_path: Path) -> None:
    colour = "getComputedStyle(document.body).backgroundColor"
    for scheme, first, second in (
        ("light", "rgb(255, 255, 255)", "rgb(13, 17, 23)"),
        ("dark", "rgb(13, 17, 23)", "rgb(255, 255, 255)"),
    ):
        browser.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        browser.open(url)
        assert browser.ask(colour) == first
        browser.screenshot(tmp_path / f"{scheme}.png")
        assert browser.ask(f"(document.getElementById('theme').click(), {colour})") == second
    browser.call("Emulation.setEmulatedMedia", features=[])


def test_it_prints_everything_and_no_controls(browser: Browser, url: str) -> None:
    browser.open(url)
    browser.ask("document.getElementById('close').click()")
    pdf = base64.b64decode(browser.call("Page.printToPDF")["data"])
    assert pdf.startswith(b"%PDF")
    assert browser.ask("document.querySelectorAll('details:not([open])').length") == 0  # beforeprint opened them
    browser.call("Emulation.setEmulatedMedia", media="print")
    assert browser.ask("document.querySelector('.tools').offsetParent") is None
    browser.call("Emulation.setEmulatedMedia", media="")


def test_without_javascript_everything_is_there(browser: Browser, url: str) -> None:
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(url)
        text = browser.ask("document.body.innerText")
    finally:
        browser.call("Emulation.setScriptExecutionDisabled", value=False)
    for part in (
        "airflow-statsd",
        "spec.replicas",
        "(secret 1a2b3c)",
        "values/fleet.yaml:11",
        "prod-asia-1 was prod-asia",
    ):
        assert part in text
