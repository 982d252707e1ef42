{{- /* How many pods a component has, and how many of them may go. */ -}}

{{- /* Every component that is on -> the kind of its workload. */ -}}
{{- define "airfleet.components" -}}
{{- $found := dict "bootstrap" "Job" -}}
{{- range include "airfleet.deployments" . | fromJsonArray -}}{{- $_ := set $found . "Deployment" -}}{{- end -}}
{{- if .Values.postgres.embedded -}}{{- $_ := set $found "postgres" "StatefulSet" -}}{{- end -}}
{{- if .Values.pgbouncer.enabled -}}{{- $_ := set $found "pgbouncer" "Deployment" -}}{{- end -}}
{{- if .Values.metrics.enabled -}}{{- $_ := set $found "metrics" "Deployment" -}}{{- end -}}
{{- if .Values.maintenance.podCleanup.enabled -}}{{- $_ := set $found "pod-cleanup" "CronJob" -}}{{- end -}}
{{- if .Values.maintenance.dbCleanup.enabled -}}{{- $_ := set $found "db-cleanup" "CronJob" -}}{{- end -}}
{{- toJson $found -}}
{{- end -}}

{{- /* -> the components of Airflow that run on. */ -}}
{{- define "airfleet.deployments" -}}
["api-server", {{ if .Values.executionApi.enabled }}"execution-api", {{ end }}"scheduler", "dag-processor", "triggerer"]
{{- end -}}

{{- /* (list $root "scheduler" options) -> its PodDisruptionBudget; nothing where it would forbid nothing. */ -}}
{{- define "airfleet.podDisruptionBudget" -}}
{{- $o := index . 2 -}}
{{- $budget := $o.podDisruptionBudget | default dict -}}
{{- $single := and (eq ($o.replicas | toString) "1") (not ($o.autoscaling | default dict).enabled) -}}
{{- range $limit := list "maxUnavailable" "minAvailable" -}}
{{- $value := index $budget $limit -}}
{{- if not (or (kindIs "invalid" $value) (and $single (eq (printf "%s %v" $limit $value) "maxUnavailable 1"))) -}}
{{ include "airfleet.head" (list "policy/v1" "PodDisruptionBudget" (index $ 0) (index $ 1)) }}
spec:
  {{ $limit }}: {{ include "airfleet.scalar" $value }}
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels: {{- include "airfleet.selectorLabels" $ | nindent 6 }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* (list $root "scheduler" options) -> its HorizontalPodAutoscaler. */ -}}
{{- define "airfleet.autoscaler" -}}
{{- with (index . 2).autoscaling -}}
{{- if .enabled -}}
{{ include "airfleet.head" (list "autoscaling/v2" "HorizontalPodAutoscaler" (index $ 0) (index $ 1)) }}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: {{ include "airfleet.name" $ }}}
  minReplicas: {{ int (.minReplicas | default 2) }}
  maxReplicas: {{ int (.maxReplicas | default 5) }}
  {{- with .targets }}
  metrics:
    {{- range $resource, $percent := . }}
    {{- if not (kindIs "invalid" $percent) }}
    - {type: Resource, resource: {name: {{ $resource }}, target: {type: Utilization, averageUtilization: {{ int $percent }}}}}
    {{- end }}
    {{- end }}
  {{- end }}
  {{- with .behavior }}
  behavior: {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}
{{- end -}}
{{- end -}}
