{{- /* Every refusal of the chart: what is wrong, why, and the fix, all of them in one message. The schema has
already refused unknown keys and wrong types. */ -}}
{{- define "airfleet.guards" -}}
{{- $errors := include "airfleet.guards.needed" . | fromYamlArray -}}
{{- if not $errors -}}{{- $errors = include "airfleet.guards.extends" . | fromYamlArray -}}{{- end -}}
{{- if not $errors -}}
{{- range list "names" "version" "database" "config" "queues" "podTemplates" "pods" "bundles" "edges" "logs" "metrics" "auth" -}}
{{- $errors = concat $errors (include (printf "airfleet.guards.%s" .) $ | fromYamlArray) -}}
{{- end -}}
{{- end -}}
{{- if $errors -}}
{{- fail (printf "\n\n%s\n" (join "\n" $errors)) -}}
{{- end -}}
{{- end -}}

{{- /* (list condition text) -> the refusal, if the condition holds. */ -}}
{{- define "airfleet.refuse" -}}
{{- if first . }}
- {{ last . | quote }}
{{- end -}}
{{- end -}}

{{- /* What the templates can't do without; Helm removes a key that is set to null. */ -}}
{{- define "airfleet.guards.needed" -}}
{{- range $block, $keys := dict
  "" (list "auth boot image config keys database pgbouncer admin dags logs maintenance caBundle proxy pod apiServer executionApi"
    "scheduler dagProcessor triggerer bootstrap workers podTemplates postgres networkPolicies metrics" | join " ")
  "auth" "manager oidc simple keycloak" "boot" "source" "image" "repository" "database" "secretKey port secretKeys tls"
  "database.tls" "ca client" "database.tls.ca" "key" "pgbouncer" "image" "pgbouncer.image" "repository tag"
  "logs" "sizeLimit persistence remote" "logs.persistence" "size" "logs.remote" "s3 azure elasticsearch"
  "logs.remote.s3" "encrypt" "logs.remote.azure" "container" "maintenance" "podCleanup dbCleanup"
  "maintenance.podCleanup" "minutes dryRun schedule"
  "maintenance.dbCleanup" "tables retentionDays batchSize archive dryRun schedule" "caBundle" "key"
  "pod" "tmpSizeLimit" "apiServer" "workers" "executionApi" "workers"
  "bootstrap" "backoffLimit waitForMigrations" "postgres" "embedded image storage"
  "postgres.image" "repository tag" "postgres.storage" "size"
  "networkPolicies" "dns kubernetesApi database outbound" "metrics" "image serviceMonitor alerts dashboards"
  "metrics.image" "repository tag" "metrics.serviceMonitor" "interval"
  "metrics.alerts" "rules runbookBaseUrl" -}}
{{- $path := splitList "." $block | compact -}}
{{- $values := $.Values -}}
{{- range $path -}}{{- $values = get ($values | default dict) . -}}{{- end -}}
{{- range splitList " " $keys -}}
{{- include "airfleet.refuse" (list (and (kindIs "map" $values) (kindIs "invalid" (index $values .)))
  (printf "%s is null, and templates need it. Fix: leave it out, which gives its default, or set it." (append $path . | join "."))) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "airfleet.guards.names" -}}
{{- $name := include "airfleet.fullname" . -}}
{{- include "airfleet.refuse" (list (gt (len $name) 40)
  (printf "The release name %q has %d characters: object names are made from it and may have 63, so it may have 40. Fix: set fullnameOverride." $name (len $name))) -}}
{{- end -}}

{{- define "airfleet.guards.version" -}}
{{- $tag := include "airfleet.imageTag" . -}}
{{- $version := regexFind "^[0-9]+\\.[0-9]+\\.[0-9]+" $tag -}}
{{- include "airfleet.refuse" (list (and $version (not (semverCompare ">=3.3.0 <3.4.0" $version)))
  (printf "image.tag %q is Airflow %s: this chart runs Airflow 3.3 (queues choose pod templates from 3.3.0 on). Fix: use an image of Airflow 3.3, such as tag %q." $tag $version .Chart.AppVersion)) -}}
{{- include "airfleet.refuse" (list (and (eq .Values.boot.source "image") (regexMatch "^(docker.io/)?apache/airflow$" .Values.image.repository))
  (printf "boot.source is image, and image.repository is the official %s, which holds no boot files. Fix: build an image that does (docs/guide/images.md) and name it, or set boot.source to configMap." .Values.image.repository)) -}}
{{- end -}}

{{- /* Options that the chart owns, by what sets them instead. */ -}}
{{- define "airfleet.guards.config" -}}
{{- range $instead, $options := dict
  "apiServer.baseUrl" "api.base_url"
  "dags.bundles" "dag_processor.dag_bundle_config_list"
  "database.secretName" "database.sql_alchemy_conn database.sql_alchemy_conn_cmd database.sql_alchemy_conn_async database.sql_alchemy_conn_async_cmd"
  "image.repository" "kubernetes_executor.worker_container_repository"
  "image.tag" "kubernetes_executor.worker_container_tag"
  "keys.secretName" "core.fernet_key core.fernet_key_cmd api.secret_key api.secret_key_cmd api_auth.jwt_secret api_auth.jwt_secret_cmd"
  "nothing (this chart runs the KubernetesExecutor)" "core.executor"
  "podTemplates.<name>.namespace" (list "kubernetes_executor.namespace kubernetes_executor.multi_namespace_mode"
    "kubernetes_executor.multi_namespace_mode_namespace_list" | join " ")
  "podTemplates.<name>.queues" "sdk.coordinators sdk.queue_to_coordinator"
  "podTemplates.default" "kubernetes_executor.pod_template_file" -}}
{{- range splitList " " $options -}}
{{- $section := get $.Values.config (splitList "." . | first) -}}
{{- include "airfleet.refuse" (list (and (kindIs "map" $section) (hasKey $section (splitList "." . | last)))
  (printf "config.%s may not be set: airflow.cfg is a ConfigMap, and the chart owns this option. Fix: use %s." . $instead)) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "airfleet.guards.queues" -}}
{{- include "airfleet.refuse" (list (not (has "default" (include "airfleet.podTemplates" . | fromJsonArray)))
  "podTemplates.default is missing or abstract: tasks that name no queue of another template use it. Fix: define it, if only as {}.") -}}
{{- $owners := dict -}}
{{- range $name := include "airfleet.podTemplates" . | fromJsonArray -}}
{{- range $queue := (get $.Values.podTemplates $name).queues | default (list $name) -}}
{{- include "airfleet.refuse" (list (hasKey $owners $queue)
  (printf "The queue %q is claimed by podTemplates.%s and by podTemplates.%s: a queue has one pod template. Fix: leave it in one of them." $queue (get $owners $queue) $name)) -}}
{{- $_ := set $owners $queue $name -}}
{{- end -}}
{{- end -}}
{{- $defaultQueue := get (.Values.config.operators | default dict) "default_queue" | default "default" -}}
{{- include "airfleet.refuse" (list (not (hasKey $owners $defaultQueue))
  (printf "No pod template takes the queue %q, which tasks use that name none. Fix: add it to podTemplates.default.queues, or set config.operators.default_queue." $defaultQueue)) -}}
{{- end -}}
