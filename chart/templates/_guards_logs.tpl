{{- /* The refusals of logs.remote. */ -}}

{{- define "airfleet.guards.logs" -}}
{{- $r := .Values.logs.remote -}}
{{- if $r.type -}}
{{- $url := $r.elasticsearch.url | default "" -}}
{{- include "airfleet.refuse" (list (and (eq $r.type "elasticsearch") (or $r.folder $r.connectionId (contains "@" $url) (not (regexMatch "^https?://." $url))))
  "logs.remote.type elasticsearch needs elasticsearch.url without credentials (a ConfigMap holds it), and neither folder nor connectionId. Fix: set https://host:9200 and secretName, and unset the others.") -}}
{{- $scheme := get (dict "s3" "s3" "gcs" "gs" "azure" "wasb") $r.type -}}
{{- include "airfleet.refuse" (list (and $scheme (not (hasPrefix (printf "%s://" $scheme) ($r.folder | default ""))))
  (printf "logs.remote.folder is %q: Airflow knows the type %s by the scheme %s://. Fix: set it to %s://bucket/prefix." ($r.folder | default "") $r.type $scheme $scheme)) -}}
{{- include "airfleet.refuse" (list (and $r.secretName $r.connectionId)
  "Both logs.remote.secretName and logs.remote.connectionId are set, and credentials come from one place. Fix: unset one of them.") -}}
{{- include "airfleet.refuse" (list (and (eq $r.type "azure") $r.secretName)
  "logs.remote.secretName is set, and Azure's credentials can't come as a file. Fix: keep them in an Airflow connection and set logs.remote.connectionId, or use workload identity.") -}}
{{- include "airfleet.refuse" (list (and (eq $r.type "azure") (not $r.connectionId) (not $r.azure.accountUrl))
  "logs.remote.azure.accountUrl is empty, so nobody knows which storage account holds the logs. Fix: set it, or logs.remote.connectionId.") -}}
{{- end -}}
{{- end -}}
