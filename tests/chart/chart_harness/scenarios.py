"""The releases that every rule is checked on: the defaults, each feature turned, and every preset."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, reduce
from typing import Any

import yaml

from chart_harness.objects import Rendered
from chart_harness.render import CHART, render

PRESETS = {path.stem: path for path in sorted((CHART.parent / "values" / "presets").glob("*.yaml"))}
EXAMPLES = sorted((CHART.parent / "values" / "pod-templates").glob("*.yaml"))
DIGEST = "sha256:" + "0123456789abcdef" * 4
SIDECAR = {
    "image": "envoy:1.35",
    "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "64Mi"}},
}

# Every option of a pod, as a component, `workers` or a pod template takes it.
ALL_POD_OPTIONS: dict[str, Any] = {
    "labels": {"team": "data"},
    "annotations": {"sidecar.istio.io/inject": "false"},
    "env": {
        "TZ": "UTC",
        "WORKERS": 4,
        "RATIO": 0.5,
        "DEBUG": True,
        "REGION": {"configMapKeyRef": {"name": "region", "key": "name"}},
        "POD_IP": {"fieldRef": {"fieldPath": "status.podIP"}},
    },
    "envFrom": {"tokens": {"secretRef": {"name": "tokens"}}, "region": {"configMapRef": {"name": "region"}}},
    "volumes": {"scratch": {"emptyDir": {"sizeLimit": "1Gi"}}, "certs": {"configMap": {"name": "certs"}}},
    "volumeMounts": {"/scratch": {"name": "scratch"}, "/certs": {"name": "certs", "readOnly": True}},
    "initContainers": {"fetch": {**SIDECAR, "command": ["true"]}},
    "sidecars": {"proxy": SIDECAR},
    "lifecycle": {"preStop": {"sleep": {"seconds": 2}}},
    "nodeSelector": {"disk": "ssd"},
    "affinity": {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [{"matchExpressions": [{"key": "gpu", "operator": "DoesNotExist"}]}]
            }
        }
    },
    "tolerations": [{"key": "dedicated", "operator": "Equal", "value": "airflow", "effect": "NoSchedule"}],
    "topologySpreadConstraints": [
        {"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "ScheduleAnyway"}
    ],
    "priorityClassName": "high",
    "runtimeClassName": "gvisor",
    "schedulerName": "packer",
    "dnsPolicy": "ClusterFirst",
    "dnsConfig": {"options": [{"name": "ndots", "value": "2"}]},
    "hostAliases": [{"ip": "10.0.0.1", "hostnames": ["db.internal"]}],
    "terminationGracePeriodSeconds": 90,
    "tmpSizeLimit": "2Gi",
    "podSecurityContext": {"supplementalGroups": [1000]},
    "securityContext": {"runAsUser": 50001},
}

# What whoever uses a preset for production adds, at least.
OWN_IMAGE = {"image": {"repository": "registry.example.com/airflow"}}
OIDC: dict[str, Any] = {
    "enabled": True,
    "issuer": "https://login.example.com/realms/data",
    "clientId": "airflow",
    "secretName": "sso-client",
    "roleMapping": {"data-platform": ["Admin"], "*": ["Viewer"]},
}
HTTPS = {"apiServer": {"baseUrl": "https://airflow.example.com"}}
KEYCLOAK = {
    "url": "https://login.example.com",
    "realm": "data",
    "clientId": "airflow",
    "secretName": "keycloak-client",
}
COMPONENTS = ("apiServer", "scheduler", "dagProcessor", "triggerer", "bootstrap", "workers")
MAINTENANCE = {"podCleanup": {"enabled": True}, "dbCleanup": {"enabled": True}}
SCENARIOS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "embedded database": {"postgres": {"embedded": True}},
    "every pod option, once for all": {"pod": ALL_POD_OPTIONS, "postgres": {"embedded": True}},
    "every pod option, in each component": {
        **dict.fromkeys(COMPONENTS, ALL_POD_OPTIONS),
        "podTemplates": {"gpu": ALL_POD_OPTIONS, "small": {"queues": ["small", "tiny"]}},
    },
    "a digest, pulled with a secret": {"image": {"digest": DIGEST, "tag": "3.3.1", "pullSecrets": ["registry"]}},
    "boot files in the image": {
        **OWN_IMAGE,
        "boot": {"source": "image"},
        "postgres": {"embedded": True},
        "pgbouncer": {"enabled": True},
        "podTemplates": {"gpu": {"namespace": "team-gpu"}},
    },
    "names as long as they may be": {
        "fullnameOverride": "a" * 40,
        "postgres": {"embedded": True},
        "maintenance": MAINTENANCE,
    },
    "secrets that the user brings": {
        "keys": {"secretName": "own-keys"},
        "database": {"secretName": "own-database", "secretKey": "url"},
        "admin": {"secretName": "own-admin"},
    },
    "a database by its parts": {
        "database": {
            "secretName": "own-database",
            "host": "db.example.com",
            "port": 6543,
            "secretKeys": {"user": "username", "password": "pw"},
            "tls": {"mode": "verify-full", "ca": {"configMap": "db-ca"}, "client": {"secretName": "db-client"}},
        },
        "networkPolicies": {"database": {"cidrs": ["10.20.0.5/32"]}},
    },
    "a password that a sidecar fetches": {
        "database": {"host": "db.example.com", "passwordFile": "/run/token/db", "tls": {"mode": "require"}},
        "pod": {
            "sidecars": {"token": SIDECAR},
            "volumes": {"token": {"emptyDir": {"sizeLimit": "1Mi"}}},
            "volumeMounts": {"/run/token": {"name": "token", "readOnly": True}},
        },
    },
    "a pooler": {"pgbouncer": {"enabled": True, "replicas": 2, "settings": {"default_pool_size": 5}}},
    "a pooler before the embedded database": {"pgbouncer": {"enabled": True}, "postgres": {"embedded": True}},
    "a pooler that speaks TLS": {
        "database": {
            "secretName": "own-database",
            "secretKeys": {"host": "host", "port": "port", "name": "dbname", "user": "user"},
            "tls": {"mode": "verify-ca", "ca": {"secretName": "db-ca"}, "client": {"secretName": "db-client"}},
        },
        "pgbouncer": {"enabled": True},
        "metrics": {"enabled": True},
        "networkPolicies": {"database": {"cidrs": ["10.20.0.5/32"]}},
    },
    "no administrator": {"admin": {"create": False}},
    "single sign-on": {"auth": {"oidc": OIDC}, **HTTPS},
    "single sign-on and an administrator": {"auth": {"oidc": OIDC}, **HTTPS, "admin": {"create": True}},
    "a webserver_config of one's own": {"auth": {"webserverConfig": "ldap"}},
    "the simple auth manager": {
        "auth": {"manager": "simple", "simple": {"users": {"ada": "admin", "bob": "viewer"}, "secretName": "passwords"}}
    },
    "the Keycloak auth manager": {"auth": {"manager": "keycloak", "keycloak": KEYCLOAK}},
    "persisted logs": {"logs": {"persistence": {"enabled": True, "storageClassName": "nfs", "size": "50Gi"}}},
    "logs on an existing claim": {"logs": {"persistence": {"enabled": True, "existingClaim": "shared-logs"}}},
    "logs in S3": {
        "logs": {
            "remote": {
                "type": "s3",
                "folder": "s3://logs/airflow",
                "secretName": "log-keys",
                "s3": {"endpointUrl": "https://s3.example.com", "region": "eu-central-1", "encrypt": True},
            }
        }
    },
    "logs in GCS": {"logs": {"remote": {"type": "gcs", "folder": "gs://logs/airflow", "secretName": "log-keys"}}},
    "logs in Azure, by workload identity": {
        "logs": {
            "persistence": {"enabled": True},
            "remote": {
                "type": "azure",
                "folder": "wasb://airflow",
                "azure": {"accountUrl": "https://logs.blob.core.windows.net", "container": "logs"},
            },
        }
    },
    "logs in Elasticsearch": {
        "logs": {
            "remote": {
                "type": "elasticsearch",
                "secretName": "log-keys",
                "elasticsearch": {
                    "url": "https://es.example.com:9200",
                    "index": "airflow-*",
                    "shipper": True,
                    "frontend": "https://kibana.example.com/?q={log_id}",
                    "compatibleWith": "8",
                },
            }
        },
        "caBundle": {"configMap": "authorities"},
    },
    "logs by an Airflow connection": {
        "logs": {"remote": {"type": "s3", "folder": "s3://logs/airflow", "connectionId": "log_store"}}
    },
    "maintenance": {"maintenance": MAINTENANCE},
    "maintenance of an embedded database, to try": {
        "postgres": {"embedded": True},
        "maintenance": {
            "podCleanup": {"enabled": True, "dryRun": True, "minutes": 5},
            "dbCleanup": {"enabled": True, "dryRun": True, "archive": True, "tables": ["log", "dag_run"]},
        },
    },
    "an autoscaler owns replicas": {"apiServer": {"replicas": None}, "triggerer": {"replicas": None}},
    "everything at the edges": {
        "apiServer": {
            "replicas": 3,
            "strategy": {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "podDisruptionBudget": {"maxUnavailable": None, "minAvailable": "50%"},
            "serviceAccount": {"annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/api"}},
            "service": {"type": "LoadBalancer", "annotations": {"lb.example.com/internal": "true"}},
            "ingress": {
                "enabled": True,
                "className": "nginx",
                "hosts": ["airflow.example.com", "airflow.internal"],
                "path": "/team-a",
                "tls": {"secretName": "airflow-tls"},
                "annotations": {"cert-manager.io/cluster-issuer": "internal"},
            },
        },
        "scheduler": {"replicas": 2},
        "triggerer": {"autoscaling": {"enabled": True, "targets": {"cpu": 60, "memory": 80}}},
    },
    "accounts of the user's own": {
        "workers": {"serviceAccount": {"name": "tasks"}},
        "scheduler": {"serviceAccount": {"name": "airflow-control"}},
    },
    "the Execution API apart": {
        "executionApi": {
            "enabled": True,
            "autoscaling": {"enabled": True, "behavior": {"scaleDown": {"stabilizationWindowSeconds": 60}}},
            "serviceAccount": {"annotations": {"iam.gke.io/gcp-service-account": "a@b.iam.gserviceaccount.com"}},
            "httpRoute": {"enabled": True, "parentRefs": [{"name": "private"}], "hostnames": ["tasks.example.com"]},
        },
        "apiServer": {"httpRoute": {"enabled": True, "parentRefs": [{"name": "public"}], "path": "/a"}},
    },
    "the Execution API apart, for its own workers": {"executionApi": {"enabled": True, "ingress": None}},
    "everything unset": {
        "image": {"pullPolicy": None},
        "pod": {"podSecurityContext": {"runAsUser": None, "fsGroup": None, "runAsGroup": None}, "tolerations": None},
        "workers": {"annotations": None, "serviceAccount": None},
        "apiServer": {"service": None, "ingress": None, "autoscaling": None, "podDisruptionBudget": None},
        "podTemplates": {"highmem": None, "default": {"queues": None, "env": None}},
        "config": {"triggerer": None, "core": {"load_examples": None}},
    },
    "bundles of each kind": {
        "dags": {
            "bundles": {
                "dags-folder": None,
                "demo": {"configMap": "demo-dags"},
                "local": {"path": "/opt/dags", "refreshInterval": 60},
                "classy": {
                    "classpath": "airflow.providers.git.bundles.git.GitDagBundle",
                    "kwargs": {"git_conn_id": "dags", "tracking_ref": "main"},
                },
                "public": {"git": {"repo": "https://git.example.com/dags.git"}},
                "https": {
                    "git": {"repo": "https://git.example.com/a.git", "ref": "v1", "subdir": "x", "secretName": "token"},
                    "refreshInterval": 60,
                },
                "ssh": {
                    "git": {"repo": "git@git.example.com:a.git", "sparseDirs": ["x", "lib"], "secretName": "deploy-key"}
                },
                "packed": {"image": "registry.example.com/dags:2026-11-23"},
            }
        }
    },
    "no network policies": {"networkPolicies": {"enabled": False}},
    "metrics": {
        "metrics": {
            "enabled": True,
            "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
            "alerts": {
                "enabled": True,
                "labels": {"release": "prometheus"},
                "rules": {
                    "AirflowSchedulerNotRunning": {"for": "10m"},
                    "AirflowDagImportErrors": None,
                    "TooManyRuns": {"expr": "airflow_scheduler_dagruns_running{$airflow} > 100", "severity": "info"},
                },
            },
            "dashboards": {"enabled": True},
        },
        "networkPolicies": {"scrapers": [{"namespaceSelector": {"matchLabels": {"team": "monitoring"}}}]},
    },
    "metrics for anybody, of a small pod": {"metrics": {"enabled": True, **ALL_POD_OPTIONS}},
    "addresses told": {
        "networkPolicies": {
            "clients": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress"}}}],
            "kubernetesApi": {"cidrs": ["10.0.0.1/32"], "ports": [6443]},
            "database": {"cidrs": ["10.20.0.5/32", "fd00::5/128"], "port": 6432},
        }
    },
    "a way out to some addresses only": {
        "networkPolicies": {"outbound": {"cidrs": ["10.0.0.0/8"]}, "database": {"cidrs": ["10.20.0.5/32"]}}
    },
    "no way out": {"networkPolicies": {"outbound": {"cidrs": []}, "dns": {"ports": [53]}}},
    "a task that uses the Kubernetes API": {
        "podTemplates": {"operators": {"automountServiceAccountToken": True, "serviceAccount": {"name": "pod-runner"}}}
    },
    "templates that extend each other": {
        "workers": {"nodeSelector": {"pool": "tasks"}, "onClusterLost": "wait"},
        "podTemplates": {
            "base": {"abstract": True, "labels": {"team": "data"}, "tolerations": ALL_POD_OPTIONS["tolerations"]},
            "spot": {"extends": ["base"], "onClusterLost": "move", "infrastructureRetries": 3},
            "gpu": {"extends": ["base"], "nodeSelector": {"pool": "gpu"}},
            "gpu-spot": {
                "extends": ["gpu", "spot"],
                "outOfMemory": {"memoryFactor": 1.5, "maxMemory": "32Gi"},
                "queues": ["cheap-gpu"],
            },
        },
    },
    "templates with a way out of their own": {
        "networkPolicies": {"database": {"cidrs": ["10.20.0.5/32"]}},
        "podTemplates": {
            "closed": {"egress": {}},
            "warehouse": {
                "egress": {
                    "warehouse": {"cidrs": ["10.0.0.0/8"], "ports": [5439, 443]},
                    "cache": {
                        "podSelector": {"matchLabels": {"app": "redis"}},
                        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "cache"}},
                        "ports": [6379],
                    },
                    "syslog": {"podSelector": {"matchLabels": {"app": "syslog"}}, "ports": [514], "protocol": "UDP"},
                }
            },
        },
    },
    "tasks in namespaces of their own": {
        "logs": {"persistence": {"enabled": True, "existingClaim": "shared-logs"}},
        "dags": {"bundles": {"demo": {"configMap": "demo-dags"}}},
        "podTemplates": {
            "gpu": {"namespace": "team-gpu", "egress": {"web": {"cidrs": ["0.0.0.0/0"], "ports": [443]}}},
            "small": {"namespace": "team-small", "queues": ["small", "tiny"]},
        },
    },
    "no task in the release's namespace": {"workers": {"namespace": "tasks"}},
    "OpenShift": {
        "openshift": True,
        "postgres": {"embedded": True},
        "pod": {"podSecurityContext": {"supplementalGroups": [5]}, "sidecars": {"proxy": SIDECAR}},
    },
    "certificates and a proxy of the company": {
        "caBundle": {"configMap": "trust", "key": "all.pem"},
        "proxy": {"http": "http://proxy:3128", "https": "http://proxy:3128", "noProxy": [".corp", "10.0.0.0/8"]},
    },
    "certificates from a Secret": {"caBundle": {"secret": "trust"}, "proxy": {"https": "http://proxy:3128"}},
    "objects of the user's own": {
        "podTemplates": {"kpo": {"serviceAccount": {"create": True, "annotations": {"role": "kpo"}}}},
        "extraObjects": {
            "quota": {
                "apiVersion": "v1",
                "kind": "ResourceQuota",
                "metadata": {"labels": {"team": "data"}},
                "spec": {"hard": {"pods": "100"}},
            },
            "text": {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "own"}, "data": {"a": "{{ b }}"}},
            "gone": None,
        },
    },
    **{f"pod templates {path.stem}": yaml.safe_load(path.read_text()) for path in EXAMPLES},
    **{f"preset {name}": {**(yaml.safe_load(path.read_text()) or {}), **OWN_IMAGE} for name, path in PRESETS.items()},
}

# What is on in the release that is called "everything on" in the scorecard.
_ON = (
    "everything at the edges",
    "the Execution API apart, for its own workers",
    "a pooler that speaks TLS",
    "logs in S3",
    "maintenance",
    "metrics",
    "bundles of each kind",
    "addresses told",
    "templates that extend each other",
    "templates with a way out of their own",
)


def merged(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Values laid over others as Helm does it."""
    result = dict(base)
    for key, value in own.items():
        below = result.get(key)
        result[key] = merged(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return result


EVERYTHING: dict[str, Any] = reduce(merged, (SCENARIOS[name] for name in _ON))


@cache
def rendered(name: str) -> Rendered:
    """The release of a scenario; every test gets the same one, so none may change it."""
    return render(SCENARIOS[name])
