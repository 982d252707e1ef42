{{- /* What the components' few objects have in common. */ -}}

{{- /* (list $root "scheduler") -> the component's Deployment. */ -}}
{{- define "airfleet.deployment" -}}
{{- $root := index . 0 -}}
{{- $name := index . 1 -}}
{{- $context := merge (dict "root" $root "name" $name) (include "airfleet.context" . | fromJson) -}}
{{- $scaled := ($context.cfg.autoscaling | default dict).enabled -}}
{{- if kindIs "invalid" $context.cfg.topologySpreadConstraints -}}
{{- $_ := set $context.cfg "topologySpreadConstraints" (include "airfleet.spread" . | fromYamlArray) -}}
{{- end -}}
{{ include "airfleet.head" (list "apps/v1" "Deployment" $root $name) }}
spec:
  {{- if not (or $scaled (kindIs "invalid" $context.cfg.replicas)) }}
  replicas: {{ int $context.cfg.replicas }}
  {{- end }}
  revisionHistoryLimit: 3
  {{- with $context.cfg.strategy }}
  strategy: {{- toYaml . | nindent 4 }}
  {{- end }}
  selector:
    matchLabels: {{- include "airfleet.selectorLabels" . | nindent 6 }}
  template: {{- include "airfleet.pod" $context | nindent 4 }}
{{- end -}}

{{- /* (list $root "pod-cleanup" values seconds) -> the component's CronJob, if it is enabled; a run may take so long. */ -}}
{{- define "airfleet.cronJob" -}}
{{- $root := index . 0 -}}
{{- $name := index . 1 -}}
{{- $own := index . 2 -}}
{{- if $own.enabled -}}
{{- $context := merge (dict "root" $root "name" $name) (include "airfleet.context" . | fromJson) -}}
{{ include "airfleet.head" (list "batch/v1" "CronJob" $root $name) }}
spec:
  schedule: {{ $own.schedule | quote }}
  concurrencyPolicy: Forbid
  startingDeadlineSeconds: 600
  successfulJobsHistoryLimit: 1
  failedJobsHistoryLimit: 1
  jobTemplate:
    spec:
      backoffLimit: 1
      activeDeadlineSeconds: {{ index . 3 }}
      template: {{- include "airfleet.pod" $context | nindent 8 }}
{{- end -}}
{{- end -}}

{{- /* Where a Deployment's pods go if nothing is said: apart, as far as nodes and zones allow; the pods of an older version
don't count. */ -}}
{{- define "airfleet.spread" -}}
{{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
- {maxSkew: 1, topologyKey: {{ . }}, whenUnsatisfiable: ScheduleAnyway, matchLabelKeys: [pod-template-hash]}
{{- end }}
{{- end -}}

{{- /* (list $root "scheduler"), and a namespace if it is not the release's -> the component's ServiceAccount, unless the user
brings one. Pods that use the API mount its token themselves. */ -}}
{{- define "airfleet.serviceAccount" -}}
{{- $own := get (index . 0).Values (include "airfleet.valuesKey" (index . 1)) | default dict -}}
{{- $account := get $own "serviceAccount" | default dict -}}
{{- if not $account.name -}}
{{ include "airfleet.head" (concat (list "v1" "ServiceAccount") (slice . 0 2) (list (include "airfleet.name" .)) (slice . 2)) }}
  {{- include "airfleet.annotations" $account.annotations | nindent 2 }}
automountServiceAccountToken: false
{{- end -}}
{{- end -}}

{{- /* A map -> an object's annotations; null removes one, and none at all is no key. */ -}}
{{- define "airfleet.annotations" -}}
{{- $annotations := dict -}}
{{- range $key, $value := . -}}
{{- if not (kindIs "invalid" $value) }}{{ $_ := set $annotations $key ($value | toString) }}{{ end -}}
{{- end -}}
{{- with $annotations }}
annotations: {{- toYaml . | nindent 2 }}
{{- end -}}
{{- end -}}

{{- /* "TriggererJob" -> the probes of a component that has no HTTP server: its newest heartbeat in the database, asked
without importing Airflow. Liveness takes a database that is away for alive, or an outage would restart everything. */ -}}
{{- define "airfleet.heartbeatProbes" -}}
{{- $look := list "python" "/opt/airfleet/boot/airfleet_heartbeat.py" . -}}
{{- $exec := dict "command" $look | toJson -}}
startupProbe: {exec: {{ $exec }}, periodSeconds: 3, timeoutSeconds: 10, failureThreshold: 100}
readinessProbe: {exec: {{ $exec }}, periodSeconds: 60, timeoutSeconds: 20}
livenessProbe: {exec: {{ dict "command" (append $look "--liveness") | toJson }}, periodSeconds: 60, timeoutSeconds: 20, failureThreshold: 5}
{{- end -}}
