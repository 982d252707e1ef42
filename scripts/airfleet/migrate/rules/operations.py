"""Logs, metrics, PgBouncer and cleaning up."""

from __future__ import annotations

from airfleet.migrate.migration import Migration, Rule, ask, drop, move, when
from airfleet.migrate.model import Entry

_LOGS = "logs.persistence.enabled"
_SETTINGS = ("pgbouncer", "settings")


def _ini(option: str) -> Rule:
    """An option of pgbouncer.ini."""
    return when("pgbouncer.enabled", lambda m, entry: m.put(entry, (*_SETTINGS, option), entry.value))


def _extra_ini(m: Migration, entry: Entry) -> None:
    """`key = value` lines of the section [pgbouncer]."""
    lines = [line.strip() for line in str(entry.value).splitlines() if line.strip() and line.strip()[0] not in ";#"]
    pairs = [line.partition("=") for line in lines]
    if any(not sign for _, sign, _ in pairs):
        m.ask(entry, "is not lines of `key = value`; write them into pgbouncer.settings")
        return
    m.put_all(entry, {(*_SETTINGS, key.strip()): value.strip() for key, _, value in pairs})


def _archive(m: Migration, entry: Entry) -> None:
    m.put(entry, "maintenance.dbCleanup.archive", not entry.value)


def _db_cleanup(m: Migration, entry: Entry) -> None:
    """The switch, with what the official chart does if the input leaves it out."""
    root = ("maintenance", "dbCleanup")
    values = {"enabled": True, "schedule": m.said("databaseCleanup.schedule")}
    values |= {
        "retentionDays": m.said("databaseCleanup.retentionDays"),
        "archive": not m.said("databaseCleanup.skipArchive"),
    }
    m.put_all(entry, {(*root, key): value for key, value in values.items()})


_SCRAPE = "the exporter of PgBouncer's figures: run one of yours beside it"
_JOB = drop("the CronJob's program and history are the chart's own")

RULES: dict[str, Rule] = {
    "logs.persistence.enabled": move("logs.persistence.enabled"),
    "logs.persistence.existingClaim": when(_LOGS, move("logs.persistence.existingClaim")),
    "logs.persistence.size": when(_LOGS, move("logs.persistence.size")),
    "logs.persistence.storageClassName": when(_LOGS, move("logs.persistence.storageClassName")),
    "logs.persistence.annotations": when(_LOGS, ask("make the claim and name it in logs.persistence.existingClaim")),
    "logs.persistence.subPath": when(_LOGS, ask("the whole volume is mounted; move the files, or name another claim")),
    "logs.emptyDirConfig": ask("logs.sizeLimit is the size of the emptyDir; the medium is the node's disk"),
    "logs.emptyDirConfig.sizeLimit": move("logs.sizeLimit"),
    "elasticsearch": when("elasticsearch.enabled", ask("logs in Elasticsearch: see docs/guide/logs.md")),
    "opensearch": when("opensearch.enabled", ask("logs in OpenSearch: see docs/guide/logs.md")),
    "statsd": when("statsd.enabled", drop("the exporter's program, ports and accounts are the chart's own")),
    "statsd.extraMappings": when(
        "statsd.enabled", ask("the exporter maps by the chart's table; which metric is missing?")
    ),
    "statsd.overrideMappings": when(
        "statsd.enabled", ask("the exporter maps by the chart's table; which metric is missing?")
    ),
    "statsd.extraNetworkPolicies": when("statsd.enabled", move("networkPolicies.scrapers")),
    "images.statsd": when("statsd.enabled", drop("the exporter's image is the chart's own")),
    "otelCollector": when("otelCollector.tracesEnabled", ask("point config.traces at a collector of yours")),
    "pgbouncer": when("pgbouncer.enabled", drop("how it authenticates, listens and ends is the chart's own")),
    "pgbouncer.enabled": when("pgbouncer.enabled", move("pgbouncer.enabled")),
    "pgbouncer.maxClientConn": _ini("max_client_conn"),
    "pgbouncer.metadataPoolSize": _ini("default_pool_size"),
    "pgbouncer.verbose": _ini("verbose"),
    "pgbouncer.logConnections": _ini("log_connections"),
    "pgbouncer.logDisconnections": _ini("log_disconnections"),
    "pgbouncer.extraIni": when("pgbouncer.enabled", _extra_ini),
    "pgbouncer.extraIniMetadata": when(
        "pgbouncer.enabled", ask("options of the database's line: name them in pgbouncer.settings")
    ),
    "pgbouncer.configSecretName": when(
        "pgbouncer.enabled", ask("the chart makes the ini file: name what is special in pgbouncer.settings")
    ),
    "pgbouncer.sslmode": when("pgbouncer.enabled", ask("TLS to the database: database.tls")),
    "pgbouncer.ssl": when("pgbouncer.enabled", ask("TLS to the database: database.tls")),
    "pgbouncer.metricsExporterSidecar": when("pgbouncer.enabled", drop(_SCRAPE)),
    "images.pgbouncer": when(
        "pgbouncer.enabled", drop("the image is the chart's own: theirs needs another way to start")
    ),
    "images.pgbouncerExporter": when("pgbouncer.enabled", drop(_SCRAPE)),
    "cleanup": when("cleanup.enabled", _JOB),
    "cleanup.enabled": when("cleanup.enabled", move("maintenance.podCleanup.enabled")),
    "cleanup.schedule": when("cleanup.enabled", move("maintenance.podCleanup.schedule")),
    "databaseCleanup": when("databaseCleanup.enabled", _JOB),
    "databaseCleanup.enabled": when("databaseCleanup.enabled", _db_cleanup),
    "databaseCleanup.schedule": when("databaseCleanup.enabled", move("maintenance.dbCleanup.schedule")),
    "databaseCleanup.retentionDays": when("databaseCleanup.enabled", move("maintenance.dbCleanup.retentionDays")),
    "databaseCleanup.tables": when("databaseCleanup.enabled", move("maintenance.dbCleanup.tables")),
    "databaseCleanup.batchSize": when("databaseCleanup.enabled", move("maintenance.dbCleanup.batchSize")),
    "databaseCleanup.skipArchive": when("databaseCleanup.enabled", _archive),
    "flower": drop("there is no Flower without Celery"),
    "redis": drop("there is no Redis without Celery"),
    "ports": drop("the ports inside the pods are the chart's own"),
}
