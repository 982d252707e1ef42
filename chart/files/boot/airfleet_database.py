"""The connection to the metadata database, composed where it is used: for Airflow's *_CMD options and for PgBouncer.
The base is the URL in the file `connection`, or parts: each a file `database/PART`, else an entry of AIRFLEET_DATABASE.
Arguments and the other entries: docs/reference/boot-files.md."""

import json
import os
import re
import sys
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlencode

SECRETS = Path(os.environ.get("AIRFLEET_SECRETS", "/opt/airfleet/secrets"))
PARTS = ("host", "port", "name", "user", "password")
# What asyncpg understands of libpq's options; it takes any other one for a setting of the server.
_ASYNC = re.compile(r"ssl|application_name$|options$|passfile$|target_session_attrs$|krbsrvname$|gsslib$")
_LOGIN, _HOST = r"(?:([^:@/?]*)(?::([^@/?]*))?@)?", r"(\[[^]]*\]|[^:@/?%]*)(?::(\d+))?"
_URL = re.compile(rf"postgres(?:ql)?(?:\+\w+)?://{_LOGIN}{_HOST}(?:/([^?/@]*))?(?:\?([^@]*))?")


def read(told: dict | None = None) -> dict:
    """The parts, and `options` of libpq; told is what the Secret holds, for a program that has read it by itself."""
    more = json.loads(os.environ.get("AIRFLEET_DATABASE") or "{}")
    if told is None:
        paths = {"connection": SECRETS / "connection"} | {part: SECRETS / "database" / part for part in PARTS}
        told = {part: path.read_text().strip("\r\n") for part, path in paths.items() if path.is_file()}
    if "connection" in told:
        found = split(told["connection"])
    else:
        found = {part: str(told.get(part) or more.get(part) or "") for part in PARTS} | {"options": {}}
    if file := more.get("passwordFile"):
        found["password"] = Path(file).read_text().strip("\r\n")
    found["options"] |= more.get("tls") or {}
    if pooler := more.get("pooler"):  # TLS and the server's settings are the pooler's business
        found |= {"host": pooler[0], "port": str(pooler[1]), "options": {}}
    if not (found["host"] or found["options"].get("host")):
        raise ValueError("the database connection names no host")
    return found


def split(url: str) -> dict:
    """The parts of a URL of PostgreSQL. The error quotes nothing, as there may be a password anywhere."""
    if not (match := _URL.fullmatch(url.strip())):
        raise ValueError("the database connection is not a URL of PostgreSQL, or is not percent-encoded")
    user, password, host, port, name = (unquote(part or "") for part in match.groups()[:5])
    found = {"host": host.strip("[]"), "port": port, "name": name, "user": user, "password": password}
    return found | {"options": dict(parse_qsl(match[6] or ""))}


def url(found: dict, driver: str = "psycopg2") -> str:
    """The URL for SQLAlchemy; every special character is encoded, the $ that Airflow would expand among them."""
    options = found["options"]
    if driver == "asyncpg":
        options = {key: value for key, value in options.items() if _ASYNC.match(key)}
        options = {"dsn": f"postgresql://?{urlencode(options)}"} if options else {}
    user, password = (quote(found[part], safe="") for part in ("user", "password"))
    place = f"[{found['host']}]" if ":" in found["host"] else found["host"]
    place += f":{found['port']}" if found["port"] else ""
    login = f"{user}{f':{password}' * bool(password)}@" if user else ""
    query = f"?{urlencode(options, quote_via=quote)}" if options else ""
    return f"postgresql+{driver}://{login}{place}/{found['name']}{query}"


def write_pgbouncer(found: dict, folder: Path) -> None:
    """PgBouncer's files. It asks clients for the password in userlist.txt, and tells it the server, by SCRAM."""
    settings = json.loads(os.environ["AIRFLEET_DATABASE"])["pgbouncer"] | {"auth_file": folder / "userlist.txt"}
    names = {"sslmode": "sslmode", "sslrootcert": "ca_file", "sslcert": "cert_file", "sslkey": "key_file"}
    tls = {f"server_tls_{names[key]}": value for key, value in found["options"].items() if key in names}
    lines = [f"{key} = {value}" for key, value in (settings | tls).items()]
    ini = ["[databases]", f"* = host={found['host']} port={found['port'] or 5432}", "[pgbouncer]", *lines, ""]
    login = ['"' + found[part].replace('"', '""') + '"' for part in ("user", "password")]
    for name, text in (("pgbouncer.ini", "\n".join(ini)), ("userlist.txt", " ".join(login) + "\n")):
        (folder / name).touch(0o600)
        (folder / name).write_text(text)


def refresh(dialect, record, arguments: list, parameters: dict) -> None:
    """SQLAlchemy's event do_connect: each new connection of a running process reads the password anew."""
    found = read()
    if [parameters.get(key) for key in ("host", "user")] == [found["host"], found["user"]]:
        parameters["password"] = found["password"]


def __getattr__(name: str) -> dict:
    """`connect_args`, for [database] sql_alchemy_connect_args: asked for by every process before it has an engine."""
    if name != "connect_args":
        raise AttributeError(name)
    from sqlalchemy import Engine, event

    event.listen(Engine, "do_connect", refresh)
    return {}


if __name__ == "__main__":
    try:
        if sys.argv[1] == "pgbouncer":
            sys.exit(write_pgbouncer(read(), Path(sys.argv[2])))
        print(url(read(), sys.argv[1]), end="")
    except (OSError, ValueError) as error:
        sys.exit(f"error: {error}")
