{{- /* Logs in remote storage (logs.remote). Whoever writes or reads them has `remoteLogs` in its part. The credentials come as
a mounted file or from an Airflow connection; the chart's own connection, airfleet_logs, holds none. */ -}}

{{- /* -> the options of airflow.cfg, for the control plane and for workers. */ -}}
{{- define "airfleet.remoteLogs.config" -}}
{{- $r := .Values.logs.remote -}}
{{- if $r.type -}}
{{- if eq $r.type "elasticsearch" -}}
{{- $e := $r.elasticsearch -}}
{{- $frontend := $e.frontend | default "" | replace "%" "%%" }}
elasticsearch: {{ dict "host" $e.url "target_index" $e.index "index_patterns" $e.index "es_compat_with" $e.compatibleWith "frontend" $frontend "json_format" true "write_stdout" $e.shipper "write_to_es" (not $e.shipper) | toJson }}
{{- if include "airfleet.caSource" . }}
elasticsearch_configs: {ca_certs: /opt/airfleet/ca/ca.crt}
{{- end }}
{{- end }}
logging:
  remote_logging: true
  remote_base_log_folder: {{ $r.folder | replace "%" "%%" | quote }}
  {{- if and $r.secretName (eq $r.type "elasticsearch") }}
  logging_config_class: airfleet_logs.DEFAULT_LOGGING_CONFIG
  {{- end }}
  {{- if or $r.connectionId (has $r.type (list "s3" "azure")) }}
  remote_log_conn_id: {{ $r.connectionId | default "airfleet_logs" }}
  {{- end }}
  {{- if eq $r.type "s3" }}
  encrypt_s3_logs: {{ $r.s3.encrypt }}
  {{- end }}
  {{- if and (eq $r.type "gcs") $r.secretName }}
  google_key_path: /opt/airfleet/log-credentials/key.json
  {{- end }}
{{- if eq $r.type "azure" }}
azure_remote_logging: {remote_wasb_log_container: {{ $r.azure.container | quote }}}
{{- end }}
{{- else -}}
{}
{{- end -}}
{{- end -}}

{{- /* {root, part} -> environment. The profile has a name of its own, so tasks' code does not take it by default. */ -}}
{{- define "airfleet.remoteLogs.env" -}}
{{- $r := .root.Values.logs.remote -}}
{{- if and .part.remoteLogs (not $r.connectionId) -}}
{{- $extra := dict -}}
{{- if eq $r.type "s3" -}}
{{- with $r.s3.endpointUrl -}}{{- $_ := set $extra "endpoint_url" . -}}{{- end -}}
{{- with $r.s3.region -}}{{- $_ := set $extra "region_name" . -}}{{- end -}}
{{- if $r.secretName }}
{{- $_ := set $extra "profile_name" "airflow-logs" }}
AWS_SHARED_CREDENTIALS_FILE: /opt/airfleet/log-credentials/credentials
{{- end }}
AIRFLOW_CONN_AIRFLEET_LOGS: {{ dict "conn_type" "aws" "extra" $extra | toRawJson | quote }}
{{- else if and $r.secretName (eq $r.type "elasticsearch") }}
AIRFLEET_LOG_CREDENTIALS: /opt/airfleet/log-credentials/credentials
{{- else if eq $r.type "azure" }}
AIRFLOW_CONN_AIRFLEET_LOGS: {{ dict "conn_type" "wasb" "host" $r.azure.accountUrl | toRawJson | quote }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* {root, part} -> the file of the Secret that the pod mounts; nothing if it mounts none. */ -}}
{{- define "airfleet.remoteLogs.file" -}}
{{- $r := .root.Values.logs.remote -}}
{{- if and .part.remoteLogs $r.type $r.secretName -}}{{- get (dict "s3" "credentials" "gcs" "key.json" "elasticsearch" "credentials") $r.type -}}{{- end -}}
{{- end -}}
