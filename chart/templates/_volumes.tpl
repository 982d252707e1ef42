{{- /* What a pod mounts; the context is that of _pod.tpl. */ -}}

{{- /* Mount path -> mount, as one list; the user's win. */ -}}
{{- define "airfleet.pod.volumeMounts" -}}
{{- $mounts := include "airfleet.pod.ownMounts" . | fromYaml -}}
{{- range list (.part.volumeMounts | default dict) .cfg.volumeMounts -}}
{{- range $path, $mount := . -}}{{- $_ := set $mounts $path $mount -}}{{- end -}}
{{- end -}}
{{- range $path, $mount := $mounts -}}
{{- if $mount }}
- {{ toYaml (merge (dict "mountPath" $path) $mount) | indent 2 | trim }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "airfleet.pod.ownMounts" -}}
/tmp: {name: tmp}
{{- if include "airfleet.pod.token" . }}
/var/run/secrets/kubernetes.io/serviceaccount: {name: service-account, readOnly: true}
{{- end }}
{{- if include "airfleet.database.podTlsSources" . }}
/opt/airfleet/database-tls: {name: database-tls, readOnly: true}
{{- end }}
{{- if ne .part.airflow false }}
/opt/airfleet/boot: {name: boot, readOnly: true}
{{- if include "airfleet.caSource" .root }}
/opt/airfleet/ca: {name: ca, readOnly: true}
{{- end }}
/opt/airfleet/config: {name: config, readOnly: true}
/opt/airflow/logs: {name: logs}
{{- if .part.secrets }}
/opt/airfleet/secrets: {name: secrets, readOnly: true}
{{- end }}
{{- if include "airfleet.remoteLogs.file" . }}
/opt/airfleet/log-credentials: {name: log-credentials, readOnly: true}
{{- end }}
{{- if .part.bundles }}
{{- range $volume, $mount := include "airfleet.bundle.mounts" . | fromYaml }}
{{ $mount.path }}: {name: {{ $volume }}, readOnly: true}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "airfleet.pod.volumes" -}}
{{- $volumes := include "airfleet.pod.ownVolumes" . | fromYaml -}}
{{- range list (.part.volumes | default dict) .cfg.volumes -}}
{{- range $name, $source := . -}}{{- $_ := set $volumes $name $source -}}{{- end -}}
{{- end -}}
{{- range $name, $source := $volumes -}}
{{- if $source }}
- {{ toYaml (merge (dict "name" $name) $source) | indent 2 | trim }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* "true" if Airflow's container talks to the Kubernetes API. It alone gets the token that Kubernetes would mount into every
container of the pod, as the same files. */ -}}
{{- define "airfleet.pod.token" -}}
{{- if or .part.token .cfg.automountServiceAccountToken -}}true{{- end -}}
{{- end -}}

{{- define "airfleet.pod.ownVolumes" -}}
tmp: {emptyDir: {sizeLimit: {{ .cfg.tmpSizeLimit }}}}
{{- with include "airfleet.database.podTlsSources" . }}
database-tls: {projected: {defaultMode: 0440, sources: {{ fromYamlArray . | toJson }}}}
{{- end }}
{{- if include "airfleet.pod.token" . }}
service-account:
  projected:
    sources:
      - serviceAccountToken: {path: token, expirationSeconds: 3600}
      - configMap: {name: kube-root-ca.crt, items: [{key: ca.crt, path: ca.crt}]}
      - downwardAPI: {items: [{path: namespace, fieldRef: {fieldPath: metadata.namespace}}]}
{{- end }}
{{- if ne .part.airflow false }}
{{- with include "airfleet.caSource" .root }}
ca: {{ . }}
{{- end }}
boot: {configMap: {name: {{ include "airfleet.name" (list .root "boot") }}, items: {{ include "airfleet.bootItems" (list .root .name) }}}}
config: {configMap: {name: {{ include "airfleet.name" (list .root (ternary "worker-config" "config" (eq .name "worker"))) }}}}
{{- if and .root.Values.logs.persistence.enabled .part.sharedLogs }}
logs: {persistentVolumeClaim: {claimName: {{ include "airfleet.logsClaimName" .root }}}}
{{- else }}
logs: {emptyDir: {sizeLimit: {{ .root.Values.logs.sizeLimit }}}}
{{- end }}
{{- if .part.secrets }}
secrets: {projected: {defaultMode: 0440, sources: {{ include "airfleet.pod.secretSources" . }}}}
{{- end }}
{{- with include "airfleet.remoteLogs.file" . }}
log-credentials: {secret: {secretName: {{ $.root.Values.logs.remote.secretName }}, defaultMode: 0440, items: [{key: {{ . }}, path: {{ . }}}]}}
{{- end }}
{{- if .part.bundles }}
{{- range $volume, $mount := include "airfleet.bundle.mounts" . | fromYaml }}
{{ $volume }}: {{ toJson $mount.source }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{- /* The Secrets' keys that a component may read, each as a file of the same name; nothing else of them is mounted. */ -}}
{{- define "airfleet.pod.secretSources" -}}
{{- $sources := list -}}
{{- $keyItems := list -}}
{{- range .part.secrets -}}
{{- if eq . "connection" -}}
{{- $sources = concat $sources (include "airfleet.database.sources" $.root | fromYamlArray) -}}
{{- else -}}
{{- $keyItems = append $keyItems (dict "key" . "path" .) -}}
{{- end -}}
{{- end -}}
{{- if $keyItems -}}
{{- $sources = append $sources (dict "secret" (dict "name" (include "airfleet.keysSecretName" .root) "items" $keyItems)) -}}
{{- end -}}
{{- /* While the JWT secret is rotated, `airfleet secrets` makes this Secret: the keys whose signatures are accepted. */ -}}
{{- if .part.validatesTokens -}}
{{- $overlap := dict "name" (include "airfleet.name" (list .root "jwt-overlap")) "optional" true "items" (list (dict "key" "jwks.json" "path" "jwks.json")) -}}
{{- $sources = append $sources (dict "secret" $overlap) -}}
{{- end -}}
{{- if eq .name "api-server" -}}
{{- with include "airfleet.auth.secret" .root | fromYaml -}}{{- $sources = append $sources (dict "secret" .) -}}{{- end -}}
{{- end -}}
{{- toJson $sources -}}
{{- end -}}
