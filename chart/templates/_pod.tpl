{{- /*
Every pod of the chart - Deployments, Jobs, the StatefulSet and the workers' pod templates - is rendered here, so a field
added here exists everywhere and workers cannot drift from the rest.

The context is always a dictionary of
  root  the chart's root context
  name  the component: api-server, scheduler, worker ...
  cfg   the pod options: `pod` of the values, overlaid once by the component's own block
  part  what is unique to the component, a mapping made by the define "airfleet.<name>.part":
          args, command, image, ports, startupProbe, readinessProbe, livenessProbe, env
          secrets             the secret files that it may read: connection, fernet-key, api-secret-key, jwt-secret
          validatesTokens     true if it checks the signature of tokens
          volumes             volume name -> source;  volumeMounts  mount path -> mount
          token               true if it talks to the Kubernetes API: its container gets a token, no other one does
          serviceAccountName  an account that is not the component's;  serviceAccount  the account's component, if it is not `name`
          waitForMigrations   true if it must not start before the database is ready for its image
          airflow             false if the container is not Airflow
          database            "direct" if it connects to the database itself, whatever stands before it
          initContainers      name -> container, as in the values
          labels, restartPolicy
Helpers return YAML mappings; callers indent.
*/ -}}

{{- /* (list $root "scheduler") -> the component's pod options. */ -}}
{{- define "airfleet.cfg" -}}
{{- $root := index . 0 -}}
{{- $own := get $root.Values (include "airfleet.valuesKey" (index . 1)) -}}
{{- include "airfleet.overlay" (list $root.Values.pod $own) -}}
{{- end -}}

{{- /* (list base own) -> base overlaid by own: maps are merged, everything else is replaced, null removes. An entry of env,
volumes or volumeMounts is replaced as a whole, since two kinds of source in one entry are invalid; its null is kept, for it
may stand for one of the chart's own. */ -}}
{{- define "airfleet.overlay" -}}
{{- $base := index . 0 -}}
{{- $own := index . 1 -}}
{{- $merged := mergeOverwrite (deepCopy $base) (deepCopy $own) -}}
{{- range $option := list "env" "envFrom" "volumes" "volumeMounts" -}}
{{- $entries := dict -}}
{{- range list $base $own -}}
{{- range $name, $entry := get . $option | default dict -}}{{- $_ := set $entries $name $entry -}}{{- end -}}
{{- end -}}
{{- $_ := set $merged $option $entries -}}
{{- end -}}
{{- range $option, $value := omit $merged "env" "envFrom" "volumes" "volumeMounts" -}}
{{- if kindIs "map" $value -}}
{{- range $key, $entry := $value -}}
{{- if kindIs "invalid" $entry -}}{{- $_ := unset $value $key -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $merged -}}
{{- end -}}

{{- /* (list $root "scheduler") -> the context described above. */ -}}
{{- define "airfleet.context" -}}
{{- $root := index . 0 -}}
{{- $name := index . 1 -}}
{{- $part := include (printf "airfleet.%s.part" $name) $root | fromYaml -}}
{{- dict "cfg" (include "airfleet.cfg" . | fromJson) "part" $part | toJson -}}
{{- end -}}

{{- /* {root, name, cfg, part}, and a namespace if the pod has one of its own -> a pod template: metadata and spec. */ -}}
{{- define "airfleet.pod" -}}
{{- $selector := include "airfleet.selectorLabels" (list .root .name) -}}
metadata:
  {{- with .namespace }}
  namespace: {{ . }}
  {{- end }}
  labels:
    {{- $selector | nindent 4 }}
    {{- range $key, $value := omit (merge dict (.part.labels | default dict) (.cfg.labels | default dict)) "app.kubernetes.io/name" "app.kubernetes.io/instance" "app.kubernetes.io/component" }}
    {{ $key }}: {{ $value | quote }}
    {{- end }}
  {{- with include "airfleet.pod.annotations" . | trim }}
  annotations: {{- . | nindent 4 }}
  {{- end }}
spec: {{- include "airfleet.pod.spec" . | nindent 2 }}
{{- end -}}

{{- /* What a change of must restart the pod. Boot files and configuration count for what runs on; a worker reads both
afresh in every pod. */ -}}
{{- define "airfleet.pod.annotations" -}}
{{- $annotations := deepCopy (.cfg.annotations | default dict) -}}
{{- if and (ne .part.airflow false) (ne .name "worker") -}}
{{- $_ := set $annotations "airfleet/config-digest" (printf "%s%s" (include "airfleet.configDigest" .root) (.part.digest | default "")) -}}
{{- end -}}
{{- range $key, $value := $annotations -}}
{{- if not (kindIs "invalid" $value) }}
{{ $key }}: {{ $value | quote }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "airfleet.configDigest" -}}
{{- /* The same for every pod, so it is kept where all templates find it. */ -}}
{{- if not (hasKey . "configDigest") -}}
{{- $_ := printf "%s%s" (include "airfleet.config" .) (include "airfleet.bootDigest" .) | sha256sum | trunc 16 | set . "configDigest" -}}
{{- end -}}
{{- .configDigest -}}
{{- end -}}

{{- define "airfleet.pod.spec" -}}
{{- $cfg := .cfg -}}
{{- $_ := set . "env" (include "airfleet.envList" (include "airfleet.pod.env" . | fromJson) | trim) -}}
{{- $mounted := include "airfleet.pod.mounted" . | fromJson -}}
{{- $_ := set . "mounts" $mounted.mounts -}}
{{- $fields := dict "volumes" $mounted.volumes -}}
{{- $_ := set $fields "securityContext" (include "airfleet.securityContext" (list .root $cfg.podSecurityContext) | fromJson) -}}
{{- range $field := list "priorityClassName" "runtimeClassName" "schedulerName" "dnsPolicy" "nodeSelector" "affinity" "tolerations" "hostAliases" "dnsConfig" -}}
{{- with get $cfg $field -}}{{- $_ := set $fields $field . -}}{{- end -}}
{{- end -}}
{{- with $cfg.topologySpreadConstraints -}}
{{- $selector := dict "labelSelector" (dict "matchLabels" (include "airfleet.selectorLabels" (list $.root $.name) | fromYaml)) -}}
{{- $constraints := list -}}
{{- range . -}}{{- $constraints = append $constraints (merge (deepCopy .) $selector) -}}{{- end -}}
{{- $_ := set $fields "topologySpreadConstraints" $constraints -}}
{{- end -}}
{{- $pullSecrets := list -}}
{{- range .root.Values.image.pullSecrets -}}{{- $pullSecrets = append $pullSecrets (dict "name" .) -}}{{- end -}}
{{- with $pullSecrets -}}{{- $_ := set $fields "imagePullSecrets" . -}}{{- end -}}
serviceAccountName: {{ .part.serviceAccountName | default (include "airfleet.accountName" (list .root (.part.serviceAccount | default .name))) }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .part.restartPolicy }}
restartPolicy: {{ . }}
{{- end }}
{{- if not (kindIs "invalid" $cfg.terminationGracePeriodSeconds) }}
terminationGracePeriodSeconds: {{ int $cfg.terminationGracePeriodSeconds }}
{{- end }}
{{- with include "airfleet.pod.initContainers" . }}
initContainers: {{- . | trim | nindent 2 }}
{{- end }}
containers:
  - {{ include "airfleet.pod.container" . | indent 4 | trim }}
{{ toYaml $fields }}
{{- end -}}
