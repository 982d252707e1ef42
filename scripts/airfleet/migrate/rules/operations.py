"""Logs, metrics, PgBouncer and cleaning up."""

from __future__ import annotations

from airfleet.migrate.migration import Rule, ask, drop, move, when

_LOGS = "logs.persistence.enabled"

RULES: dict[str, Rule] = {
    "logs.persistence.enabled": move("logs.persistence.enabled"),
    "logs.persistence.existingClaim": when(_LOGS, move("logs.persistence.existingClaim")),
    "logs.persistence.size": when(_LOGS, move("logs.persistence.size")),
    "logs.persistence.storageClassName": when(_LOGS, move("logs.persistence.storageClassName")),
    "logs.persistence.annotations": when(
        _LOGS, ask("make the claim yourself and name it in logs.persistence.existingClaim")
    ),
    "logs.persistence.subPath": when(_LOGS, ask("the whole volume is mounted; move the files, or name another claim")),
    "logs.emptyDirConfig": ask("logs.sizeLimit is the size of the emptyDir; the medium is the node's disk"),
    "logs.emptyDirConfig.sizeLimit": move("logs.sizeLimit"),
    "elasticsearch": when("elasticsearch.enabled", ask("logs in Elasticsearch: logs.remote")),
    "opensearch": when("opensearch.enabled", ask("logs in OpenSearch: logs.remote")),
    "statsd": when("statsd.enabled", ask("metrics")),
    "otelCollector": when("otelCollector.tracesEnabled", ask("point config.traces at a collector of yours")),
    "pgbouncer": when("pgbouncer.enabled", ask("PgBouncer: run one beside the database and name it in the connection")),
    "cleanup": when("cleanup.enabled", ask("cleaning up")),
    "databaseCleanup": when("databaseCleanup.enabled", ask("cleaning up")),
    "flower": drop("there is no Flower without Celery"),
    "redis": drop("there is no Redis without Celery"),
    "ports": drop("the ports inside the pods are the chart's own"),
}
