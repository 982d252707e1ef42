{{- /* (list $root labels name) -> metadata of an object that another operator picks by its labels. */ -}}
{{- define "airfleet.metrics.metadata" -}}
{{- $root := index . 0 -}}
{{- $metadata := include "airfleet.metadata" (list $root "metrics" (include "airfleet.name" (list $root (index . 2)))) | fromYaml -}}
{{- toYaml (mergeOverwrite $metadata (dict "labels" (index . 1 | default dict))) -}}
{{- end -}}

{{- /* The alerts of files/alerts, with metrics.alerts.rules laid over them. $airflow stands for the labels of what Airflow
sends, $namespace and $release for the release's own. */ -}}
{{- define "airfleet.metrics.rules" -}}
{{- $name := include "airfleet.fullname" . -}}
{{- $airflow := printf "namespace=%q,service=%q" .Release.Namespace (printf "%s-metrics" $name) -}}
{{- $rules := mergeOverwrite (.Files.Get "files/alerts/rules.yaml" | fromYaml) (deepCopy .Values.metrics.alerts.rules) -}}
{{- range $alert, $rule := $rules }}
{{- with $rule }}
- alert: {{ $alert }}
  expr: {{ .expr | default "" | replace "$airflow" $airflow | replace "$namespace" $.Release.Namespace | replace "$release" $name | trim | quote }}
  {{- with .for }}
  for: {{ . }}
  {{- end }}
  labels: {severity: {{ .severity | default "warning" }}, namespace: {{ $.Release.Namespace }}, release: {{ $name }}}
  annotations:
    summary: {{ .summary | default $alert | quote }}
    description: {{ .description | default "" | quote }}
    runbook_url: {{ printf "%s#%s" $.Values.metrics.alerts.runbookBaseUrl (lower $alert) | quote }}
{{- end }}
{{- end }}
{{- end -}}
