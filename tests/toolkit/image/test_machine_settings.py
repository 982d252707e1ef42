"""The machine's own apt and pip settings are followed, and only what is Debian's is taken."""

from __future__ import annotations

from pathlib import Path

import pytest

from airfleet.image.apt import debian_sources
from airfleet.image.pip import uv_settings

DEB822 = """\
# a comment with a colon: and more
Types: deb deb-src
URIs: https://mirror.example.com/debian
Suites: trixie trixie-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: https://mirror.example.com/security
Suites: trixie-security
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: https://mirror.example.com/debian
Suites: sid
Components: main
Enabled: no

Types: deb-src
URIs: https://mirror.example.com/debian-src/debian
Suites: trixie
Components: main
"""
OTHERS = """\
deb https://packages.example.com/apt cloud-sdk-trixie main
deb [arch=amd64 signed-by=/etc/apt/keyrings/docker.gpg] https://download.example.com/linux/debian trixie stable
deb [signed-by=/usr/share/keyrings/hashicorp.gpg] https://apt.example.com trixie main
#deb http://old.example.com/debian trixie main
"""


def etc(tmp_path: Path, **files: str) -> Path:
    (tmp_path / "sources.list.d").mkdir()
    for name, text in files.items():
        (tmp_path / name.replace("__", "/").replace("_", ".")).write_text(text)
    return tmp_path


def test_debian_is_taken_for_the_image_s_release_and_other_products_are_not(tmp_path: Path) -> None:
    here = etc(tmp_path, **{"sources.list.d__debian_sources": DEB822, "sources.list.d__others_list": OTHERS})
    keyring = "[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]"
    assert debian_sources("bookworm", here).splitlines() == [
        f"deb {keyring} https://mirror.example.com/debian bookworm main",
        f"deb {keyring} https://mirror.example.com/debian bookworm-updates main",
        f"deb {keyring} https://mirror.example.com/security bookworm-security main",
    ]


def test_the_old_format_is_read(tmp_path: Path) -> None:
    text = """\
deb http://mirror.example.com/debian bookworm main contrib # ours
deb [arch=amd64] http://mirror.example.com/debian-security/ bookworm-security main
"""
    uris = [line.split()[-3:] for line in debian_sources("bookworm", etc(tmp_path, sources_list=text)).splitlines()]
    assert uris == [
        ["http://mirror.example.com/debian", "bookworm", "main"],
        ["http://mirror.example.com/debian-security/", "bookworm-security", "main"],
    ]


def test_a_machine_that_is_no_debian_leaves_the_choice_to_mmdebstrap(tmp_path: Path) -> None:
    text = (
        "deb [signed-by=/usr/share/keyrings/ubuntu-archive-keyring.gpg] http://archive.example.com/ubuntu noble main\n"
    )
    assert debian_sources("bookworm", etc(tmp_path, sources_list=text)) == ""


PIP_CONFIG = """\
global.cert='/etc/ssl/company.pem'
global.index-url='https://user:secret@index.example.com/simple'
global.extra-index-url='\\nhttps://one.example.com/simple\\nhttps://two.example.com/simple'
:env:.index-url='https://other.example.com/simple'
global.timeout='60'
"""


def test_uv_is_told_what_pip_is_configured_with() -> None:
    settings = uv_settings(PIP_CONFIG, {})
    assert settings["UV_DEFAULT_INDEX"] == "https://other.example.com/simple"
    assert settings["UV_INDEX"] == "https://one.example.com/simple https://two.example.com/simple"
    assert settings["SSL_CERT_FILE"] == "/etc/ssl/company.pem"


@pytest.mark.parametrize("name", ["UV_DEFAULT_INDEX", "UV_INDEX_URL"])
def test_what_is_set_for_uv_itself_wins(name: str) -> None:
    assert "UV_DEFAULT_INDEX" not in uv_settings(PIP_CONFIG, {name: "https://mine.example.com/simple"})


def test_a_machine_without_pip_configuration_changes_no_index() -> None:
    assert not any("INDEX" in name for name in uv_settings("", {}))
