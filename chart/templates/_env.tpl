{{- /*
The environment of Airflow's containers. Secrets reach Airflow as files that a component mounts and a *_CMD option
reads, so no process carries one in its environment, and the shared airflow.cfg holds none.
*/ -}}

{{- /* {part} -> map of environment variables that every Airflow container has. */ -}}
{{- define "airfleet.baseEnv" -}}
AIRFLOW_CONFIG: /opt/airfleet/config/airflow.cfg
PYTHONPATH: /opt/airfleet/boot
# A uid without an entry in /etc/passwd has neither; Airflow's clients refuse to start then.
HOME: /home/airflow
USER: airflow
# The image's entrypoint would import Airflow once more to ask whether the database answers; wait-for-migrations did.
CONNECTION_CHECK_MAX_COUNT: "0"
{{- $options := dict
  "fernet-key" "AIRFLOW__CORE__FERNET_KEY_CMD"
  "api-secret-key" "AIRFLOW__API__SECRET_KEY_CMD"
  "jwt-secret" "AIRFLOW__API_AUTH__JWT_SECRET_CMD" }}
{{- range $file := .part.secrets }}
{{- if eq $file "connection" }}
{{- include "airfleet.database.env" (list $.root false true) }}
{{- else }}
{{ get $options $file }}: cat /opt/airfleet/secrets/{{ $file }}
{{- end }}
{{- end }}
{{- include "airfleet.remoteLogs.env" . | nindent 0 }}
{{- if .part.bundles }}{{ include "airfleet.bundle.env" . | nindent 0 }}{{ end }}
{{- include "airfleet.jwtEnv" . | nindent 0 }}
{{- if and (eq .name "api-server") (eq .root.Values.auth.manager "keycloak") }}
AIRFLOW__KEYCLOAK_AUTH_MANAGER__CLIENT_SECRET_CMD: cat /opt/airfleet/secrets/keycloak-client-secret
{{- end }}
{{- include "airfleet.outsideEnv" . | nindent 0 }}
{{- end -}}

{{- /* Made by `airfleet secrets rotate jwt`: the id of the key that signs and, during a rotation, the file of accepted keys. */ -}}
{{- define "airfleet.jwtEnv" -}}
{{- $jwt := dict "name" (include "airfleet.name" (list .root "jwt")) "optional" true -}}
{{- if has "jwt-secret" (.part.secrets | default list) }}
AIRFLOW__API_AUTH__JWT_KID: {configMapKeyRef: {{ merge (dict "key" "kid") $jwt | toJson }}}
{{- end }}
{{- if .part.validatesTokens }}
AIRFLOW__API_AUTH__TRUSTED_JWKS_URL: {configMapKeyRef: {{ merge (dict "key" "trusted-jwks-url") $jwt | toJson }}}
{{- end }}
{{- end -}}

{{- /* A map of environment variables -> the list that Kubernetes wants. A scalar is a value, a mapping is a
valueFrom, null removes the variable. */ -}}
{{- define "airfleet.envList" -}}
{{- range $name, $value := . }}
{{- if kindIs "map" $value }}
- name: {{ $name }}
  valueFrom: {{ toYaml $value | nindent 4 }}
{{- else if not (kindIs "invalid" $value) }}
- name: {{ $name }}
  value: {{ include "airfleet.scalar" $value | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{- /* A scalar as text; whole numbers stay whole (Helm reads every number as a float). */ -}}
{{- define "airfleet.scalar" -}}
{{- if and (kindIs "float64" .) (eq (float64 (int64 .)) .) -}}{{ int64 . }}{{- else -}}{{ . }}{{- end -}}
{{- end -}}

{{- /* A map of sections -> airflow.cfg. Maps and lists become JSON, null leaves an option out. */ -}}
{{- define "airfleet.airflowCfg" -}}
{{- range $section, $options := . }}
[{{ $section }}]
{{- range $option, $value := $options }}
{{- if or (kindIs "map" $value) (kindIs "slice" $value) }}
{{ $option }} = {{ toRawJson $value }}
{{- else if kindIs "bool" $value }}
{{ $option }} = {{ ternary "True" "False" $value }}
{{- else if not (kindIs "invalid" $value) }}
{{ $option }} = {{ include "airfleet.scalar" $value | replace "\n" "\n    " }}
{{- end }}
{{- end }}
{{ end }}
{{- end -}}

{{- /* The options that follow from other values; the user's `config` is laid over them. */ -}}
{{- define "airfleet.derivedConfig" -}}
core:
  executor: KubernetesExecutor
  execution_api_server_url: {{ include "airfleet.executionApiUrl" . }}
{{- with include "airfleet.baseUrl" . }}
api:
  base_url: {{ . | quote }}
fab:
  enable_proxy_fix: true
{{- end }}
kubernetes_executor:
  namespace: {{ include "airfleet.podTemplate.namespace" (list . "default") }}
  {{- with include "airfleet.namespaces" (list . "worker") | fromJsonArray }}
  {{- if gt (len .) 1 }}
  multi_namespace_mode: true
  multi_namespace_mode_namespace_list: {{ join "," . }}
  {{- end }}
  {{- end }}
  pod_template_file: /opt/airfleet/pod-templates/default.yaml
scheduler:
  orphaned_tasks_check_interval: 60
dag_processor:
  dag_bundle_config_list: {{ include "airfleet.bundleList" . }}
{{- if .Values.metrics.enabled }}
metrics:
  statsd_on: true
  statsd_host: {{ include "airfleet.name" (list . "metrics") }}.{{ .Release.Namespace }}.svc
  statsd_port: 9125
  # Tags instead of names made of tags; a tag that is left out here is no label of any metric.
  statsd_influxdb_enabled: true
  legacy_names_on: false
  statsd_disabled_tags: job_id,run_id,task_id
{{- end }}
{{- end -}}

{{- /* All of the configuration, as a map of sections. */ -}}
{{- define "airfleet.config" -}}
{{- $derived := merge (include "airfleet.derivedConfig" . | fromYaml) (include "airfleet.remoteLogs.config" . | fromYaml) -}}
{{- toJson (mergeOverwrite $derived (include "airfleet.auth.config" . | fromYaml) (deepCopy .Values.config)) -}}
{{- end -}}
