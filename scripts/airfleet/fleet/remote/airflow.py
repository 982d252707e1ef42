"""Runs in a pod of `airfleet doctor --inside`: asks one question, and leaves the answer where the kubelet takes it up.

The arguments are the question and, of an identity provider, its issuer. The answer is JSON and holds no secret: the
connection's password and URL are taken out of it, and errors are told by their messages, never by a traceback.
"""

import contextlib
import importlib.metadata
import json
import logging
import os
import re
import secrets
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

ANSWER = Path(os.environ.get("AIRFLEET_ANSWER", "/dev/termination-log"))
# A new pod's addresses are known to a network plugin, and to whoever keeps others out, a moment later.
PATIENCE = float(os.environ.get("AIRFLEET_PATIENCE", "15"))  # seconds
FOLDER = "airfleet-doctor"
_LONGEST = 1500  # the kubelet keeps 4,096 bytes
_hidden: set[str] = set()


class ProblemError(Exception):
    """What is wrong, and the fix."""

    def __init__(self, seen: str, fix: str) -> None:
        super().__init__(seen)
        self.fix = fix


def patiently(ask: Callable[[], Any], passing: type[Exception], final: str = "$^") -> Any:
    """Ask until there is an answer; after a while, or for an error that says what is final, the error counts."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return ask()
        except passing as error:
            if re.search(final, str(error)) or time.monotonic() > end:
                raise
        time.sleep(1)


def database() -> str:
    """Connect as Airflow does; the server's version, and what is to be migrated."""
    import airfleet_common as common
    import airfleet_database

    try:
        found = airfleet_database.read()
    except (OSError, ValueError) as error:
        raise ProblemError(str(error), "correct the Secret, or `database` in the values") from None
    url = airfleet_database.url(found)
    _hidden.update({url, found["password"], quote(found["password"], safe="")})
    refused = "authentication failed|does not exist"
    fix = "is it the right host, port and name; may pods go there (networkPolicies.database); is the password right?"
    try:
        connection = patiently(lambda: common.connect(url, 10), common.LaterError, refused)
        with contextlib.closing(connection):
            return _served(connection, common)
    except common.BootError as error:
        raise ProblemError(" ".join(error.text.removeprefix("error: ").split()), fix) from None


def _served(connection: Any, common: Any) -> str:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('server_version_num')::int / 10000, split_part(current_setting('server_version'),"
            " ' ', 1), current_user, current_schema(), has_schema_privilege(current_schema(), 'CREATE')"
        )
        major, version, user, schema, may_create = cursor.fetchone()
    oldest = oldest_server()
    if major < oldest:
        what = f"PostgreSQL {version} is older than {oldest}, the oldest that this Airflow is tested with"
        raise ProblemError(what, "upgrade the server, or take an image whose Airflow knows it")
    pending = common.unfinished(connection)
    if pending and not may_create:
        what = f"{user} may not create tables in {f'the schema {schema}' if schema else 'any schema'}; {pending}"
        raise ProblemError(what, f"GRANT CREATE ON SCHEMA {schema or 'public'} TO {user}, or give it the database")
    return f"PostgreSQL {version}, {f'to be migrated: {pending}' if pending else 'migrated'}"


def oldest_server() -> int:
    """The oldest PostgreSQL that the image's Airflow is tested with, as it says itself; 0 if it does not."""
    try:
        text = str(importlib.metadata.metadata("apache-airflow")["Description"])  # the backport has no payload
    except importlib.metadata.PackageNotFoundError:
        return 0
    row = re.search(r"^\| PostgreSQL +\|[^|]*\| *(\d+)", text, re.MULTILINE)
    return int(row[1]) if row else 0


def logs(context: str) -> str:
    """Write, read and delete an object where tasks' logs go, as whoever writes them does.

    context is where Airflow looks for the connection: `client` in its environment, `server` in its database, too.
    """
    os.environ["_AIRFLOW_PROCESS_CONTEXT"] = context
    told = _listened()
    from airflow.sdk.configuration import conf
    from airflow.sdk.log import load_remote_log_handler

    place = conf.get("logging", "remote_base_log_folder", fallback="")
    fix = "see `logs.remote` of the values: the folder, who may write there, and the way there (networkPolicies)"
    io = load_remote_log_handler()
    if io is None:
        why = f": {told[-1]}" if told else ""
        raise ProblemError(f"Airflow knows nothing to store logs at {place} with{why}", "add its provider to the image")
    # The name stands in errors, which Airflow's stores give back as if they were the log.
    name, word = f"{FOLDER}/{secrets.token_hex(8)}.log", secrets.token_hex(8)
    if type(io).__name__.startswith("Elasticsearch"):
        return _elasticsearch(io, name, fix)
    file = Path(io.base_log_folder) / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{word}\n")
    told.clear()
    io.upload(name, None)
    if told:  # it does not raise
        raise ProblemError(f"{place}/{name} can't be written: {told[-1]}", fix)
    try:
        _, found = io.read(name, None)
    except Exception as error:
        raise ProblemError(f"{place}/{name} was written and can't be read: {error}", fix) from None
    if not found or word not in str(found[0]):
        why = told[-1] if told else "there is something else, or nothing"
        raise ProblemError(f"{place}/{name} was written and can't be read: {why}", fix)
    try:
        deleted = _delete(io, f"{io.remote_base.rstrip('/')}/{name}")
    except Exception as error:  # logs are deleted by the store's own rules, so this is nobody's right by need
        return f"{place}: written and read; {name} stays there: {error}"
    return f"{place}: written, read{' and deleted' if deleted else f'; {name} stays there'}"


def _delete(io: Any, place: str) -> bool:
    """Delete an object by the client of Airflow's hook; False if nobody knows how."""
    kind = type(io).__name__
    if kind.startswith("S3"):
        bucket, key = io.hook.parse_s3_url(place)
        io.hook.get_conn().delete_object(Bucket=bucket, Key=key)
    elif kind.startswith("GCS"):
        parts = urlsplit(place)
        io.client.bucket(parts.netloc).blob(parts.path.lstrip("/")).delete()
    elif kind.startswith("Wasb"):
        io.hook.delete_file(io.wasb_container, place)
    else:
        return False
    return True


def _elasticsearch(io: Any, name: str, fix: str) -> str:
    """A document in the index of the logs; nothing is written where a shipper does that."""
    try:
        if not io.write_to_es:
            io.client.count(index=io.index_patterns, ignore_unavailable=True)
            return f"{io.host}: {io.index_patterns} can be read; a shipper writes it"
        key = name.replace("/", "-")
        io.client.index(index=io.target_index, id=key, document={"log_id": key, io.offset_field: 1, "event": key})
        io.client.get(index=io.target_index, id=key)
        io.client.delete(index=io.target_index, id=key)
    except Exception as error:
        raise ProblemError(f"{io.host}: {error}", fix) from None
    return f"{io.host}: written to {io.target_index}, read and deleted"


def _listened() -> list[str]:
    """What is logged as an error from now on, by its exception if it has one: Airflow's stores log, and never raise."""
    import structlog

    told: list[str] = []

    def keep(_: Any, method: str, event: dict) -> dict:
        if method in ("error", "exception", "critical") or "due to an error" in str(event.get("event")):
            values = event.get("positional_args") or ()
            with contextlib.suppress(TypeError, ValueError):
                event["event"] = str(event["event"]) % tuple(values)
            told.append(str(sys.exc_info()[1] or event["event"]))
        raise structlog.DropEvent

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            told.append(str(record.exc_info[1] if record.exc_info else record.getMessage()))

    import airflow.sdk.log  # noqa: F401 - it sets up what is replaced here

    logging.getLogger().handlers[:] = [Keep(logging.ERROR)]
    processors = structlog.get_config()["processors"]
    processors[:] = [keep]
    return told


def identity(issuer: str) -> str:
    """Ask a provider of OpenID Connect who it is, with the library, certificates and proxy of Airflow's logins."""
    import requests

    fix = "see `auth` of the values, `caBundle`, `proxy`, and the way there (networkPolicies.outbound)"

    def get(url: str) -> dict:
        answer = requests.get(url, timeout=10)
        answer.raise_for_status()
        found = answer.json()
        if not isinstance(found, dict):
            raise ValueError("what it answers is no JSON object")
        return found

    url = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
    try:
        told = patiently(lambda: get(url), requests.ConnectionError, "CERTIFICATE_VERIFY_FAILED")
        if told.get("issuer") != issuer:
            what = f"{url} is of the issuer {told.get('issuer')}, and the values say {issuer}: every login would fail"
            raise ProblemError(what, "write the issuer as the provider does, to the last slash")
        url = str(told.get("jwks_uri"))
        keys = len(get(url).get("keys") or ())
    except (requests.RequestException, ValueError) as error:
        raise ProblemError(f"{url}: {_innermost(error)}", fix) from None
    if not keys:
        raise ProblemError(f"{url} holds no key: no login could be checked", fix)
    verified = "its certificate is trusted" if url.startswith("https:") else "without TLS"
    return f"{issuer} answers, {verified}, {keys} signing key{'s' * (keys != 1)}"


def _innermost(error: BaseException) -> str:
    """The reason behind the wrappings of an HTTP client."""
    while inner := next(_wrapped(error), None):
        error = inner
    return str(error)


def _wrapped(error: BaseException) -> Iterator[BaseException]:
    yield from (each for each in (getattr(error, "reason", None), *error.args) if isinstance(each, Exception))


def main(arguments: list[str]) -> dict:
    """The answer: whether it is fine, what was seen, and the fix."""
    question, *more = arguments
    try:
        answer = {"fine": True, "seen": {"database": database, "logs": logs, "identity": identity}[question](*more)}
    except ProblemError as problem:
        answer = {"fine": False, "seen": str(problem), "fix": problem.fix}
    except ImportError as error:
        answer = {"fine": False, "seen": f"the image lacks something: {error}", "fix": "see docs/guide/images.md"}
    except Exception as error:
        answer = {"fine": False, "seen": f"{type(error).__name__}: {error}", "fix": "see what is wrong there"}
    for key in ("seen", "fix"):
        text = str(answer.get(key, ""))
        for secret in sorted(_hidden - {""}, key=len, reverse=True):
            text = text.replace(secret, "***")
        answer[key] = text[:_LONGEST]
    return answer


if __name__ == "__main__":
    ANSWER.write_text(json.dumps(main(sys.argv[1:])))
