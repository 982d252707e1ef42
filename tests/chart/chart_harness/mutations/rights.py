"""Secrets, rights and network policies that are wrong."""

from __future__ import annotations

from chart_harness.mutations.edit import (
    ROLE,
    Mutation,
    base,
    drop,
    env,
    made,
    open_all,
    policy,
    scheduler,
    secret_volume,
    spec,
    worker,
)

MUTATIONS = [
    Mutation(
        "secrets_go_by_the_table",
        "one too many",
        lambda r: spec(r, "Deployment/airflow-dag-processor")["volumes"].append(
            secret_volume("x", secretName="airflow-keys", items=[{"key": "jwt-secret", "path": "x"}])
        ),
    ),
    Mutation(
        "secrets_go_by_the_table",
        "the whole Secret",
        lambda r: scheduler(r)["volumes"].append(secret_volume("x", secretName="airflow-keys")),
    ),
    Mutation(
        "secrets_go_by_the_table",
        "one missing",
        lambda r: [
            s["secret"]["items"].clear()
            for v in scheduler(r)["volumes"]
            if "projected" in v
            for s in v["projected"]["sources"]
            if "secret" in s
        ],
    ),
    Mutation(
        "workers_have_no_control_plane_secret",
        "a volume",
        worker(lambda pod: pod["spec"]["volumes"].append(secret_volume("x", secretName="airflow-database"))),
    ),
    Mutation(
        "workers_have_no_control_plane_secret",
        "a projected volume",
        worker(
            lambda pod: pod["spec"]["volumes"].append(
                {"name": "x", "projected": {"sources": [{"secret": {"name": "airflow-keys"}}]}}
            )
        ),
    ),
    Mutation(
        "workers_have_no_control_plane_secret",
        "envFrom",
        worker(lambda pod: pod["spec"]["containers"][0].update(envFrom=[{"secretRef": {"name": "airflow-admin"}}])),
    ),
    Mutation(
        "workers_have_no_control_plane_secret",
        "an option",
        worker(lambda pod: env(pod["spec"]["containers"][0], "AIRFLOW__CORE__FERNET_KEY_CMD", "cat /key")),
    ),
    Mutation(
        "secrets_are_files",
        "the environment",
        lambda r: env(base(r), "KEY", {"valueFrom": {"secretKeyRef": {"name": "airflow-keys", "key": "fernet-key"}}}),
    ),
    Mutation("secrets_are_files", "a value", lambda r: env(base(r), "AIRFLOW__CORE__FERNET_KEY", "x")),
    Mutation(
        "secret_files_reach_airflow", "no option", lambda r: env(base(r), "AIRFLOW__CORE__FERNET_KEY_CMD", "cat /x")
    ),
    Mutation(
        "the_jwt_secret_can_be_rotated",
        "a Secret that is there for minutes is needed always",
        lambda r: [
            s.get("secret", {}).pop("optional", None)
            for v in spec(r, "Deployment/airflow-api-server")["volumes"]
            for s in v.get("projected", {}).get("sources", [])
        ],
    ),
    Mutation(
        "the_jwt_secret_can_be_rotated",
        "the scheduler signs under another name than the accepted key's",
        lambda r: env(base(r), "AIRFLOW__API_AUTH__JWT_KID", "x"),
    ),
    Mutation(
        "secret_files_reach_airflow",
        "writable",
        lambda r: [m.pop("readOnly") for m in base(r)["volumeMounts"] if m["name"] == "secrets"],
    ),
    Mutation(
        "config_maps_hold_no_secret",
        "a command",
        lambda r: r.get("ConfigMap/airflow-config")["data"].update(
            {"airflow.cfg": "[core]\nfernet_key_cmd = cat /x\n"}
        ),
    ),
    Mutation(
        "log_credentials_go_where_logs_do",
        "the whole Secret",
        worker(
            lambda pod: [v["secret"].pop("items") for v in pod["spec"]["volumes"] if v["name"] == "log-credentials"]
        ),
    ),
    Mutation(
        "log_credentials_go_where_logs_do",
        "the scheduler has them",
        lambda r: scheduler(r)["volumes"].append(secret_volume("x", secretName="log-keys")),
    ),
    Mutation(
        "log_credentials_go_where_logs_do",
        "writable",
        worker(
            lambda pod: [
                mount.pop("readOnly")
                for mount in pod["spec"]["containers"][0]["volumeMounts"]
                if mount["name"] == "log-credentials"
            ]
        ),
    ),
    Mutation("the_chart_holds_no_secret", "one", made("Secret", "airflow-x", data={})),
    Mutation("rights_go_by_the_table", "too many", lambda r: r.get(ROLE)["rules"][0]["resources"].append("pods/exec")),
    Mutation("rights_go_by_the_table", "too few", lambda r: r.get(ROLE)["rules"][0]["verbs"].remove("patch")),
    Mutation(
        "rights_go_by_the_table",
        "all Secrets",
        lambda r: [e.pop("resourceNames", 0) for e in r.get("Role/airflow-bootstrap")["rules"]],
    ),
    Mutation(
        "rights_go_by_the_table",
        "a worker's",
        lambda r: r.get("RoleBinding/airflow-api-server")["subjects"].append(
            {"kind": "ServiceAccount", "name": "airflow-worker", "namespace": "data"}
        ),
    ),
    Mutation("no_wildcards", "verbs", lambda r: r.get(ROLE)["rules"][0].update(verbs=["*"])),
    Mutation(
        "no_wildcards", "list Secrets", lambda r: r.get("Role/airflow-bootstrap")["rules"][0]["verbs"].append("list")
    ),
    Mutation("no_wildcards", "escalate", lambda r: r.get(ROLE)["rules"][0]["verbs"].append("escalate")),
    Mutation("every_pod_is_isolated", "no policy", lambda r: drop(r, "NetworkPolicy/airflow-worker")),
    Mutation("every_pod_is_isolated", "one way only", lambda r: policy(r, "worker").update(policyTypes=["Ingress"])),
    Mutation(
        "address_blocks_are_valid",
        "an exception outside",
        lambda r: policy(r, "worker")["egress"].append(
            {"to": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["192.168.0.1/32"]}}]}
        ),
    ),
    Mutation("pods_reach_each_other_by_the_table", "all open", open_all),
    Mutation("pods_reach_each_other_by_the_table", "closed", lambda r: policy(r, "api-server")["ingress"].clear()),
    Mutation("pods_reach_each_other_by_the_table", "no way to it", lambda r: policy(r, "worker")["egress"].clear()),
    Mutation("metrics_go_by_the_table", "open to all", open_all),
    Mutation("metrics_go_by_the_table", "closed", lambda r: policy(r, "metrics").update(ingress=[])),
    Mutation(
        "metrics_go_by_the_table", "TCP", lambda r: policy(r, "worker")["egress"][-1]["ports"][0].update(protocol="TCP")
    ),
    Mutation(
        "open_addresses_open_no_pod",
        "an open address",
        lambda r: policy(r, "postgres")["ingress"].append({"from": [{"ipBlock": {"cidr": "10.244.0.0/16"}}]}),
    ),
    Mutation(
        "strangers_reach_only_the_api",
        "anybody in the namespace",
        lambda r: policy(r, "triggerer")["ingress"].append({"from": [{"podSelector": {}}]}),
    ),
    Mutation("the_outside_is_reached_by_the_table", "no names", lambda r: policy(r, "worker")["egress"].clear()),
    Mutation(
        "the_outside_is_reached_by_the_table",
        "node metadata",
        lambda r: policy(r, "worker")["egress"].append({"to": [{"ipBlock": {"cidr": "169.254.0.0/16"}}]}),
    ),
    Mutation(
        "workers_do_not_reach_the_database",
        "open",
        lambda r: policy(r, "worker")["egress"].append({"to": [{"ipBlock": {"cidr": "10.20.0.0/16"}}]}),
    ),
    Mutation(
        "a_templates_own_way_out_is_all_it_has",
        "opened by the workers' policy as well",
        lambda r: policy(r, "worker")["podSelector"].pop("matchExpressions"),
    ),
    Mutation(
        "a_templates_own_way_out_is_all_it_has",
        "node metadata",
        lambda r: policy(r, "worker-web")["egress"].append({"to": [{"ipBlock": {"cidr": "169.254.0.0/16"}}]}),
    ),
    Mutation("a_templates_own_way_out_is_all_it_has", "closed", lambda r: policy(r, "worker-web")["egress"].pop()),
]
