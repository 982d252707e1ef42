"""The PostgreSQL for tests is a real one, alone on its port, and leaves nothing behind."""

from __future__ import annotations

import errno
import socket
from pathlib import Path

import pytest

from airfleet.errors import AirfleetError
from airfleet.image import PostgresServer, postgres_programs, postgres_server
from airfleet.process import run


def psql(url: str, sql: str) -> str:
    programs = postgres_programs()
    return run([programs.bin / "psql", "-XAt", url, "-c", sql], env=programs.env or None).stdout.strip()


def refuses(server: PostgresServer) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((server.host, server.port)) == errno.ECONNREFUSED


def test_servers_are_real_separate_and_gone_afterwards() -> None:
    with postgres_server() as one, postgres_server() as two:
        psql(one.url(), "create database only_here")
        assert psql(one.url("only_here"), "select current_database()") == "only_here"
        with pytest.raises(AirfleetError, match="psql exited"):
            psql(two.url("only_here"), "select 1")
        data = Path(psql(two.url(driver="postgres"), "show data_directory"))
        assert data.is_dir()
    assert not data.parent.exists()
    assert refuses(one)
    assert refuses(two)


def test_a_failing_test_does_not_leave_a_server() -> None:
    with pytest.raises(ZeroDivisionError), postgres_server() as server:
        1 / 0  # noqa: B018
    assert refuses(server)
