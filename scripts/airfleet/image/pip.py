"""How uv is called: found beside this Python, and told of the index that the machine's pip is configured with."""

from __future__ import annotations

import ast
import os
import sys
import tempfile
from pathlib import Path

from airfleet.errors import AirfleetError
from airfleet.process import run

# pip's setting -> uv's variable; uv does not read pip's configuration, and most machines configure only pip.
_UV_FOR_PIP = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "cert": "SSL_CERT_FILE",
}
_SAME_IN_UV = {"UV_DEFAULT_INDEX": "UV_INDEX_URL", "UV_INDEX": "UV_EXTRA_INDEX_URL"}


def uv() -> Path:
    """The uv that `make install` put beside this Python."""
    path = Path(sys.executable).with_name("uv")
    if not path.is_file():
        raise AirfleetError("uv is missing", where=str(path), fix="run `make install` again")
    return path


def uv_environment() -> dict[str, str]:
    """Variables that make uv use the index, extra wheels and CA bundle of pip's configuration.

    What is set for uv itself wins. The values may hold credentials, so they go by environment and never to an argument,
    a log or a file.
    """
    listed = run([sys.executable, "-m", "pip", "config", "list"], check=False).stdout
    return uv_settings(listed, os.environ)


def uv_settings(pip_config_list: str, environ: os._Environ[str] | dict[str, str]) -> dict[str, str]:
    """The same as a pure function of the output of `pip config list` and the environment."""
    found = {"UV_HTTP_TIMEOUT": "180", "UV_NO_PROGRESS": "1"}
    # pip lists files before the environment: the last of a name wins, as it does for pip.
    for line in pip_config_list.splitlines():
        name, _, quoted = line.partition("=")
        variable = _UV_FOR_PIP.get(name.rpartition(".")[2])
        if variable and quoted:
            found[variable] = " ".join(str(ast.literal_eval(quoted)).split())
    return {
        name: value
        for name, value in found.items()
        if value and name not in environ and _SAME_IN_UV.get(name, name) not in environ
    }


def download_wheels(lock: Path, place: Path, python: str) -> None:
    """Download exactly the wheels of a hash-locked list into the directory place, for a version of Python.

    Raises AirfleetError in the words of pip, for one if the machine's index has not got a wheel.
    """
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=".pip-") as scratch:
        interpreter = sys.executable
        if sys.version_info[:2] != tuple(int(part) for part in python.split(".")):
            run([uv(), "venv", "--quiet", "--seed", "--python", python, scratch], env=uv_environment())
            interpreter = f"{scratch}/bin/python"
        wanted = ["--no-deps", "--only-binary", ":all:", "--require-hashes", "--requirement", str(lock)]
        run([interpreter, "-m", "pip", "download", "--quiet", *wanted, "--dest", scratch])
        place.mkdir()
        for wheel in sorted(Path(scratch).glob("*.whl")):
            wheel.rename(place / wheel.name)
