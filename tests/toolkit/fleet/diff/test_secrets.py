"""Encrypted layers, with real SOPS and age: what writes gets the secrets, what is shown never does."""

from __future__ import annotations

import base64
import json
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml

from airfleet import console
from airfleet.errors import AirfleetError, ExitCode
from airfleet.fleet.consequences import What
from airfleet.fleet.inventory import read_fleet
from airfleet.fleet.model import FleetError
from airfleet.fleet.render import Rendering, keys, render
from airfleet.fleet.report_diff_text import text
from airfleet.fleet.resolve import resolve
from airfleet.fleet.secrets import decrypted
from airfleet.fleet.taint import Redactor, hidden_like, masked

PASSWORD = "canary-Passw0rd'\"ü"
TOKEN = "canary-tøken: ${{ cluster.name }}"
CANARIES = [PASSWORD, TOKEN, "canary-", *(base64.b64encode(each.encode()).decode() for each in (PASSWORD, TOKEN))]
PIN = 918273


@pytest.fixture
def sealed(fleet, age):  # type: ignore[no-untyped-def]
    """The fleet with secrets: in prod's layer, and in the one cluster of dev."""
    prod, dev = fleet.root / "values/env/prod.sops.yaml", fleet.root / "values/clusters/dev-eu.sops.yaml"
    fleet.write("values/env/prod.sops.yaml", {"password": PASSWORD, "token": TOKEN, "debug": True})
    thing = {"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "thing"}}
    users = [{"name": "a", "value": TOKEN}]
    fleet.write("values/clusters/dev-eu.sops.yaml", {"password": PIN, "extra": {"thing": {**thing, "users": users}}})
    age.encrypt(prod)
    age.encrypt(dev, "--encrypted-regex", "^(password|value)$")
    fleet.commit("secrets")
    return fleet


def rendered(fleet: Any, *names: str, real: bool = False) -> list[Rendering]:
    read = read_fleet(fleet.root / "values/fleet.yaml")
    chosen = read.select(names=names)
    read = decrypted(read, chosen) if real else read
    return render(read, resolve(read, chosen))


def secret_of(text: str) -> str:
    found = next(obj for obj in yaml.safe_load_all(text) if obj and obj["kind"] == "Secret")
    return base64.b64decode(found["data"]["password"]).decode()


def test_without_the_key_there_are_placeholders_of_the_right_type(sealed) -> None:
    read = read_fleet(sealed.root / "values/fleet.yaml")
    prod, dev = (each.values for each in resolve(read, read.select(names=["prod-eu", "dev-eu"]))[::-1])
    assert prod["password"].startswith("(secret ")
    assert prod["password"] != prod["token"]
    assert prod["debug"] is True
    assert isinstance(dev["password"], int)
    assert dev["extra"]["thing"]["users"][0]["value"].startswith("(secret ")


def test_placeholders_are_the_same_in_every_run(sealed) -> None:
    (one,), (other,) = rendered(sealed, "prod-eu"), rendered(sealed, "prod-eu")
    assert one.text == other.text
    assert secret_of(one.text).startswith("(secret ")


def test_with_the_key_the_rendering_has_the_values_and_what_is_shown_of_it_has_not(
    sealed, age, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOPS_AGE_KEY_FILE", str(age.key))
    (prod,) = rendered(sealed, "prod-eu", real=True)
    assert secret_of(prod.text) == PASSWORD
    assert f"token:{TOKEN}" in str([*yaml.safe_load_all(prod.text)])  # a secret that looks like an expression is none
    assert prod.resolved.values["token"] == TOKEN
    (without,) = rendered(sealed, "prod-eu")
    assert prod.public.text == without.text
    assert prod.digest == without.digest
    assert prod.resolved.public.values == without.resolved.values
    assert not any(canary in prod.public.text for canary in CANARIES)
    (dev,) = rendered(sealed, "dev-eu", real=True)
    assert secret_of(dev.text) == str(PIN)


def test_a_rendering_with_secrets_is_in_no_file_and_its_key_has_none(
    sealed, age, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOPS_AGE_KEY_FILE", str(age.key))
    with_secrets, without = (rendered(sealed, "prod-eu", real=real)[0] for real in (True, False))
    read = read_fleet(sealed.root / "values/fleet.yaml")
    assert keys(read, [with_secrets.resolved]) == keys(read, [without.resolved])
    everything = b"\n".join(file.read_bytes() for file in cache.rglob("*") if file.is_file())
    assert b"(secret " in everything
    assert not any(canary.encode() in everything for canary in CANARIES)


def test_no_command_shows_a_secret(sealed, age) -> None:
    """With the key at hand, which none of them needs: in no output, argument or file that others can read."""
    sealed.git("tag", "before")
    age.set(sealed.root / "values/env/prod.sops.yaml", "password", PASSWORD + "-2")
    age.set(sealed.root / "values/clusters/dev-eu.sops.yaml", "extra.thing.users.0.value", TOKEN + "-2")
    sealed.write("values/env/prod.yaml", "replicas: 3\ntoken: plain\n")
    commands = [
        ["render"],
        ["render", "--output", "out", "--json"],
        ["render", "--decrypt", "--output", "secret", "--json"],
        ["explain", "prod-eu", "password"],
        ["explain", "prod-eu", "token", "--json"],
        ["explain", "dev-eu", "extra", "--json"],
        ["who-sets", "password"],
        ["who-sets", "extra", "--json"],
        ["diff"],
        ["diff", "--git", "before", "--json"],
        ["diff", "--git", "HEAD~1", "--markdown", "--html", "diff.html"],
    ]
    known = sealed.run("--help").out
    commands += [[name] for name in ("validate", "lint") if f" {name} " in known]
    for command in commands:
        done = sealed.run(*command, **age.env)
        expected = (3,) if command == ["validate"] else (0, 2)  # the pods of this chart are not restricted
        assert done.code in expected, (command, done.err)
        shown = done.out + done.err
        assert not [canary for canary in [*CANARIES, str(PIN)] if canary in shown], command
    page = (sealed.root / "diff.html").read_text()
    assert "(secret " in page
    assert "canary-" not in page
    for file in sealed.root.glob("secret/*/*.yaml"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert PASSWORD in yaml.safe_load((sealed.root / "secret/prod-eu/values.yaml").read_text())["password"]
    assert "canary-" not in "".join(file.read_text() for file in sealed.root.glob("out/*/*.yaml"))


def test_files_with_secrets_replace_readable_ones_and_it_is_said(sealed, age) -> None:
    assert sealed.run("render", "--output", "out").code == 0
    done = sealed.run("render", "--decrypt", "--output", "out", "-l", "env=prod", **age.env)
    assert "hold secrets, and only their owner can read them" in done.err
    modes = {f.parent.name: stat.S_IMODE(f.stat().st_mode) for f in sealed.root.glob("out/*/manifests.yaml")}
    assert modes == {name: 0o600 if name.startswith("prod") else 0o644 for name in modes}
    assert "placeholders; --decrypt puts the secrets in" in sealed.run("render", "--output", "out").err
    assert sealed.run("render", "--decrypt").code == 64


def test_another_secret_is_a_change_that_is_seen_without_any_key(sealed, age) -> None:
    age.set(sealed.root / "values/env/prod.sops.yaml", "token", TOKEN + "-2")
    found = sealed.diff()
    assert found.changed == ("prod-asia", "prod-eu", "prod-us")
    (edit, _), *others = found.edits
    assert others == []
    assert edit.path == "token"
    assert edit.before.startswith("(secret ")
    assert edit.before != edit.after
    assert [effect.what for effect, _ in found.effects] == [What.RESTART]
    assert "spec.template.spec.containers[shop].env[TOKEN].value: token:(secret " in text(found)


def test_a_rotated_password_shows_in_the_secret_and_that_no_pod_sees_it(sealed, age) -> None:
    age.set(sealed.root / "values/env/prod.sops.yaml", "password", PASSWORD + "-2")
    found = sealed.diff()
    shown = text(found)
    assert "~ data.password: (secret " in shown
    assert "the pods of Deployment/shop go on with the old Secret/shop" in shown


def test_a_boolean_s_placeholder_hides_its_change_so_the_change_is_told(sealed, age) -> None:
    age.set(sealed.root / "values/env/prod.sops.yaml", "debug", False)
    found = sealed.diff()
    assert found.groups == ()
    assert found.unseen == found.changed == ("prod-asia", "prod-eu", "prod-us")
    assert "debug: another secret; what it changes is seen only with its key" in text(found)


def test_the_data_of_a_secret_is_hidden_even_if_it_was_never_encrypted(fleet) -> None:
    fleet.write("values/env/dev.yaml", "password: plain-one\n")
    fleet.commit()
    fleet.write("values/env/dev.yaml", "password: plain-two\n")
    (group,) = fleet.diff().groups
    ((line,),) = (item.lines for item in group.items)
    assert (line.before, line.after) == ("(secret)", "(another secret)")


def test_a_key_that_is_missing_is_an_error_of_every_file_at_once_and_nothing_is_rendered(sealed, cold) -> None:
    done = sealed.run("render", "--decrypt", "--output", "out")
    assert done.code == ExitCode.ERROR
    assert "error: 2 files of the fleet can't be decrypted" in done.err
    assert "values/env/prod.sops.yaml:1: SOPS can't decrypt this file" in done.err
    assert "fix: give SOPS the key, such as by SOPS_AGE_KEY_FILE" in done.err
    assert sealed.renders() == 0
    assert not (sealed.root / "out").exists()


def test_only_the_keys_of_the_selected_clusters_are_needed(sealed, age, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOPS_AGE_KEY_FILE", str(age.key))
    sealed.edit("values/clusters/dev-eu.sops.yaml", "mac: ENC[", "mac: ENX[")
    assert secret_of(rendered(sealed, "prod-eu", real=True)[0].text) == PASSWORD
    with pytest.raises(FleetError, match="1 file of the fleet can't be decrypted"):
        rendered(sealed, "dev-eu", real=True)


def test_a_file_that_was_tampered_with_is_refused(sealed, age, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOPS_AGE_KEY_FILE", str(age.key))
    file = sealed.root / "values/env/prod.sops.yaml"
    file.write_text("".join(line for line in file.read_text().splitlines(True) if not line.startswith("debug:")))
    with pytest.raises(FleetError) as refused:
        rendered(sealed, "prod-eu", real=True)
    assert "MAC mismatch" in refused.value.findings[0].why


def test_a_sops_that_prints_nothing_is_no_empty_layer(sealed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for printed in ("", "{}", '{"password": "x"}'):
        fake = tmp_path / "sops"
        fake.write_text(f"#!/bin/sh\n[ \"$1\" = --version ] && echo 'sops 3.13.3' || echo '{printed}'\n")
        fake.chmod(0o755)
        monkeypatch.setenv("AIRFLEET_SOPS", str(fake))
        from airfleet.fleet.secrets import sops

        sops.cache_clear()
        with pytest.raises(FleetError) as refused:
            rendered(sealed, "prod-eu", real=True)
        assert "what SOPS decrypted is not this file" in refused.value.findings[0].what


def test_an_old_sops_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, age) -> None:
    from airfleet.fleet.secrets import sops

    fake = tmp_path / "sops"
    fake.write_text("#!/bin/sh\necho 'sops 3.7.3'\n")
    fake.chmod(0o755)
    monkeypatch.setenv("AIRFLEET_SOPS", str(fake))
    with pytest.raises(AirfleetError, match=r"\$AIRFLEET_SOPS is not SOPS 3.9 or newer"):
        sops()


def test_a_layer_that_says_it_is_encrypted_and_is_not_is_refused_and_so_is_the_opposite(fleet, age) -> None:
    fleet.write("values/env/dev.sops.yaml", {"password": "plain"})
    fleet.write("values/env/prod.yaml", {"password": "plain"})
    age.encrypt(fleet.root / "values/env/prod.yaml")
    done = fleet.run("render")
    assert done.code == ExitCode.INVALID
    assert "values/env/dev.sops.yaml:1: this file is not encrypted [sops]" in done.err
    assert "fix: encrypt it before it is committed: `sops encrypt --in-place values/env/dev.sops.yaml`" in done.err
    assert "values/env/prod.yaml:1: this file is encrypted, and its name does not say so [sops]" in done.err
    assert "fix: name it prod.sops.yaml" in done.err


def test_what_merging_needs_can_not_be_encrypted(fleet, age) -> None:
    fleet.edit("values/fleet.yaml", "adapter: none", "adapter: none\nlistKeys: {users: name}")
    fleet.write("values/env/dev.sops.yaml", {"users": [{"name": "a"}], "extra": {"$replace": True}})
    age.encrypt(fleet.root / "values/env/dev.sops.yaml")
    done = fleet.run("render")
    assert "why: this item's name is encrypted" in done.err
    assert "fix: write `$replace: true`; SOPS leaves it as it is" in done.err


def test_merging_works_where_sops_leaves_it_alone(fleet, age, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOPS_AGE_KEY_FILE", str(age.key))
    fleet.edit("values/fleet.yaml", "adapter: none", "adapter: none\nlistKeys: {extra.o.users: name}")
    users = [{"name": "a", "password": "plain"}, {"name": "b"}]
    head = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "o"}}
    fleet.write("values/env/dev.yaml", {"extra": {"o": {**head, "users": users}}})
    hidden = [{"name": "a", "password": PASSWORD}, {"name": "c", "password": TOKEN}]
    fleet.write("values/clusters/dev-eu.sops.yaml", {"extra": {"o": {"users": hidden}}})
    age.encrypt(fleet.root / "values/clusters/dev-eu.sops.yaml", "--encrypted-regex", "password")
    (real,) = rendered(fleet, "dev-eu", real=True)
    assert real.resolved.values["extra"]["o"]["users"] == [
        {"name": "a", "password": PASSWORD},
        {"name": "b"},
        {"name": "c", "password": TOKEN},
    ]
    public = real.public.resolved.values["extra"]["o"]["users"]
    assert [user["name"] for user in public] == ["a", "b", "c"]
    assert public[0]["password"].startswith("(secret ")


def test_what_helm_says_of_a_secret_is_told_without_it(sealed, age) -> None:
    sealed.edit("chart/templates/shop.yaml", "port: {{ .Values.port }}", "port: {{ fail (print .Values.password 1) }}")
    sealed.edit(
        "chart/templates/shop.yaml", "{{ fail", '{{ hasPrefix "(secret" (toString .Values.password) | ternary 80 (fail'
    )
    sealed.edit("chart/templates/shop.yaml", ".Values.password 1) }}", ".Values.password 1)) }}")
    done = sealed.run("render", "--decrypt", "--output", "out", "-l", "name=prod-eu", **age.env)
    assert done.code == ExitCode.INVALID
    assert "Helm refuses the values" in done.err
    assert "canary-" not in done.err


def test_a_redactor_knows_how_programs_write_a_text() -> None:
    secret = "pa\"ss\\wo'rd ü\nsecond line"
    redact = Redactor([secret, "ab", 4711, True, None, ""])
    for written in (
        secret,
        json.dumps(secret),
        json.dumps(secret, ensure_ascii=False),
        "'" + secret.replace("'", "''") + "'",
        "    second line",
        base64.b64encode(secret.encode()).decode(),
    ):
        assert "second" not in redact(f"before {written} after")
        assert redact(f"before {written} after").endswith(" after")
    assert redact("cab ab abc 4711 True") == "cab (secret) abc (secret) True"
    assert Redactor()("as it is") == "as it is"


def test_what_is_said_goes_through_the_redactor(capsys: pytest.CaptureFixture[str], age) -> None:
    console.hide(["hunter2"])
    console.say("the password is hunter2")
    assert capsys.readouterr().err == "the password is (secret)\n"


def test_the_data_of_secrets_is_masked_so_that_differences_stay() -> None:
    def secret(**data: str) -> dict[str, Any]:
        return {"apiVersion": "v1", "kind": "Secret", "data": data}

    before, after = masked(secret(a="MQ==", b="Mg==", d="NA=="), secret(a="MQ==", b="Mw==", c="NA=="))
    assert before == secret(a="(secret)", b="(secret)", d="(secret)")
    assert after == secret(a="(secret)", b="(another secret)", c="(secret)")
    assert masked(None, secret(a="x"))[0] is None
    other = {"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "1"}}
    assert masked(other, other) == (other, other)


REAL = {
    "a": "x",
    "b": "url://hunter2@host",
    "c": [{"name": "n", "d": "deadbeef"}],
    "e": {"f": "new"},
    "n": 5,
    "l": ["p"],
}
STAND_IN = {"a": "x", "b": "url://(secret 1a2b3c)@host", "c": [{"name": "n", "d": "feedface"}], "n": 5.0, "l": []}


def test_what_differs_from_the_rendering_with_placeholders_comes_from_a_secret() -> None:
    assert hidden_like(REAL, REAL, STAND_IN, REAL) == {
        "a": "x",
        "b": "url://(secret 1a2b3c)@host",
        "c": [{"name": "n", "d": "(secret)"}],
        "e": {"f": "(secret)"},
        "n": "(secret)",
        "l": ["(secret)"],
    }


def test_the_state_before_shows_that_a_secret_was_another_one_and_what_nobody_rendered() -> None:
    before = {"a": "y", "b": "url://hunter1@host", "c": [{"name": "m", "d": 1}, {"name": "n", "d": "deadbeef"}], "z": 1}
    assert hidden_like(before, REAL, STAND_IN, REAL) == {
        "a": "y",
        "b": "(another secret)",
        "c": [{"name": "m", "d": 1}, {"name": "n", "d": "(secret)"}],
        "z": 1,
    }
