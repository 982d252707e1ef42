{{- /* The containers of a pod; the context is that of _pod.tpl. */ -}}

{{- /* The one container that every pod has. Its name is `base` because the KubernetesExecutor finds a worker's by it. */ -}}
{{- define "airfleet.pod.container" -}}
name: base
image: {{ .part.image | default (include "airfleet.image" .root) }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
{{- range $field := list "command" "args" }}
{{- with get $.part $field }}
{{ $field }}: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- with include "airfleet.envList" (include "airfleet.pod.env" . | fromJson) }}
env: {{- . | trim | nindent 2 }}
{{- end }}
{{- $sources := list -}}
{{- range .cfg.envFrom -}}{{- if . -}}{{- $sources = append $sources . -}}{{- end -}}{{- end -}}
{{- with $sources }}
envFrom: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .part.ports }}
ports:
  {{- range $name, $port := . }}
  {{- $number := splitList "/" ($port | toString) }}
  - {name: {{ $name }}, containerPort: {{ first $number }}, protocol: {{ index (append $number "TCP") 1 }}}
  {{- end }}
{{- end }}
{{- range $field := list "startupProbe" "readinessProbe" "livenessProbe" }}
{{- with get $.part $field }}
{{ $field }}: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- with .cfg.lifecycle }}
lifecycle: {{- toYaml . | nindent 2 }}
{{- end }}
resources: {{- toYaml .cfg.resources | nindent 2 }}
securityContext: {{- include "airfleet.securityContext" (list .root .cfg.securityContext) | nindent 2 }}
volumeMounts: {{- include "airfleet.pod.volumeMounts" . | trim | nindent 2 }}
{{- end -}}

{{- /* (list $root context) -> a security context; OpenShift fills in who it runs as. */ -}}
{{- define "airfleet.securityContext" -}}
{{- $context := index . 1 | default dict -}}
{{- if (index . 0).Values.openshift -}}
{{- $context = omit $context "runAsUser" "runAsGroup" "fsGroup" "fsGroupChangePolicy" "supplementalGroups" -}}
{{- end -}}
{{- toYaml $context -}}
{{- end -}}

{{- define "airfleet.pod.env" -}}
{{- $env := dict -}}
{{- if ne .part.airflow false -}}{{- $env = include "airfleet.baseEnv" . | fromYaml -}}{{- end -}}
{{- range list (.part.env | default dict) .cfg.env -}}
{{- range $name, $value := . -}}{{- $_ := set $env $name $value -}}{{- end -}}
{{- end -}}
{{- toJson $env -}}
{{- end -}}

{{- /* The user's init containers, then sidecars: native ones, which never keep a finished pod alive. wait-for-migrations is the
last, since it may need their network or the password that one of them fetches. */ -}}
{{- define "airfleet.pod.initContainers" -}}
{{- $ctx := . -}}
{{- range list .cfg.initContainers .part.initContainers }}
{{- range $name, $container := . }}
{{- if $container }}
- {{ include "airfleet.pod.extraContainer" (list $ctx $name $container dict) | indent 2 | trim }}
{{- end }}
{{- end }}
{{- end }}
{{- range $name, $container := .cfg.sidecars }}
{{- if $container }}
- {{ include "airfleet.pod.extraContainer" (list $ctx $name $container (dict "restartPolicy" "Always")) | indent 2 | trim }}
{{- end }}
{{- end }}
{{- if .part.waitForMigrations }}
- {{ include "airfleet.pod.waitForMigrations" . | indent 2 | trim }}
{{- end }}
{{- end -}}

{{- /* A container that the user defined; it is as locked down as ours unless it says otherwise. */ -}}
{{- define "airfleet.pod.extraContainer" -}}
{{- $cfg := (index . 0).cfg -}}
{{- $own := deepCopy (index . 2) -}}
{{- $context := include "airfleet.securityContext" (list (index . 0).root $cfg.securityContext) | fromYaml -}}
{{- $context = mergeOverwrite $context ($own.securityContext | default dict) -}}
{{- toYaml (mergeOverwrite $own (dict "name" (index . 1) "securityContext" $context) (index . 3)) -}}
{{- end -}}

{{- define "airfleet.pod.waitForMigrations" -}}
name: wait-for-migrations
image: {{ include "airfleet.image" .root }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
command: [python, /opt/airfleet/boot/airfleet_wait_for_migrations.py]
env: {{- include "airfleet.envList" (include "airfleet.pod.env" . | fromJson) | trim | nindent 2 }}
resources: {{- toYaml .root.Values.bootstrap.waitForMigrations.resources | nindent 2 }}
securityContext: {{- include "airfleet.securityContext" (list .root .cfg.securityContext) | nindent 2 }}
volumeMounts: {{- include "airfleet.pod.volumeMounts" (set (omit . "part") "part" (omit .part "token")) | trim | nindent 2 }}
{{- end -}}
