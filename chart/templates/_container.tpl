{{- /* The containers of a pod; the context is that of _pod.tpl. */ -}}

{{- /* The one container that every pod has. Its name is `base` because the KubernetesExecutor finds a worker's by it. What is a
value already becomes text in one piece: each toYaml costs more than what it writes. */ -}}
{{- define "airfleet.pod.container" -}}
{{- $fields := pick .part "command" "args" "startupProbe" "readinessProbe" "livenessProbe" -}}
{{- $_ := set $fields "resources" .cfg.resources -}}
{{- $_ := set $fields "securityContext" (include "airfleet.securityContext" (list .root .cfg.securityContext) | fromJson) -}}
{{- $_ := set $fields "volumeMounts" .mounts -}}
{{- with .cfg.lifecycle -}}{{- $_ := set $fields "lifecycle" . -}}{{- end -}}
{{- $sources := list -}}
{{- range .cfg.envFrom -}}{{- if . -}}{{- $sources = append $sources . -}}{{- end -}}{{- end -}}
{{- with $sources -}}{{- $_ := set $fields "envFrom" . -}}{{- end -}}
{{- $ports := list -}}
{{- range $name, $port := .part.ports -}}
{{- $number := append (splitList "/" ($port | toString)) "TCP" -}}
{{- $ports = append $ports (dict "name" $name "containerPort" (first $number | int) "protocol" (index $number 1)) -}}
{{- end -}}
{{- with $ports -}}{{- $_ := set $fields "ports" . -}}{{- end -}}
name: base
image: {{ .part.image | default (include "airfleet.image" .root) }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
{{- with .env }}
env: {{- . | nindent 2 }}
{{- end }}
{{ toYaml $fields }}
{{- end -}}

{{- /* (list $root context) -> a security context; OpenShift fills in who it runs as. */ -}}
{{- define "airfleet.securityContext" -}}
{{- $context := index . 1 | default dict -}}
{{- if (index . 0).Values.openshift -}}
{{- $context = omit $context "runAsUser" "runAsGroup" "fsGroup" "supplementalGroups" -}}
{{- end -}}
{{- toJson $context -}}
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
{{- $context := include "airfleet.securityContext" (list (index . 0).root $cfg.securityContext) | fromJson -}}
{{- $context = mergeOverwrite $context ($own.securityContext | default dict) -}}
{{- toYaml (mergeOverwrite $own (dict "name" (index . 1) "securityContext" $context) (index . 3)) -}}
{{- end -}}

{{- define "airfleet.pod.waitForMigrations" -}}
{{- $mounts := list -}}
{{- range .mounts -}}{{- if ne .name "service-account" -}}{{- $mounts = append $mounts . -}}{{- end -}}{{- end -}}
name: wait-for-migrations
image: {{ include "airfleet.image" .root }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
env: {{- .env | nindent 2 }}
{{ toYaml (dict "resources" .root.Values.bootstrap.waitForMigrations.resources "volumeMounts" $mounts
  "command" (include "airfleet.bootCommand" (list .root "python" "/opt/airfleet/boot/airfleet_wait_for_migrations.py") | fromJsonArray)
  "securityContext" (include "airfleet.securityContext" (list .root .cfg.securityContext) | fromJson)) }}
{{- end -}}
