{{- /* What a pod mounts; the context is that of _pod.tpl. */ -}}

{{- /* -> {mounts, volumes}, as a pod has them: the chart's own, then the part's, then the user's, who win; null removes. */ -}}
{{- define "airfleet.pod.mounted" -}}
{{- $own := include "airfleet.pod.own" . | fromJson -}}
{{- $mounts := list -}}
{{- range $path, $mount := include "airfleet.laid" (list $own.mounts .part.volumeMounts .cfg.volumeMounts) | fromJson -}}
{{- if $mount -}}{{- $mounts = append $mounts (merge (dict "mountPath" $path) $mount) -}}{{- end -}}
{{- end -}}
{{- $volumes := list -}}
{{- range $name, $source := include "airfleet.laid" (list $own.volumes .part.volumes .cfg.volumes) | fromJson -}}
{{- if $source -}}{{- $volumes = append $volumes (merge (dict "name" $name) $source) -}}{{- end -}}
{{- end -}}
{{- dict "mounts" $mounts "volumes" $volumes | toJson -}}
{{- end -}}

{{- /* (list map map ...) -> one map; an entry of a later one replaces an earlier one's as a whole. */ -}}
{{- define "airfleet.laid" -}}
{{- $found := dict -}}
{{- range . -}}{{- range $key, $entry := . -}}{{- $_ := set $found $key $entry -}}{{- end -}}{{- end -}}
{{- toJson $found -}}
{{- end -}}

{{- /* -> {mounts: path -> mount, volumes: name -> source} of the chart itself. */ -}}
{{- define "airfleet.pod.own" -}}
{{- $mounts := dict "/tmp" (dict "name" "tmp") -}}
{{- $volumes := dict "tmp" (dict "emptyDir" (dict "sizeLimit" .cfg.tmpSizeLimit)) -}}
{{- if include "airfleet.pod.token" . -}}
{{- $_ := set $mounts "/var/run/secrets/kubernetes.io/serviceaccount" (dict "name" "service-account" "readOnly" true) -}}
{{- $_ := set $volumes "service-account" (include "airfleet.pod.tokenVolume" . | fromJson) -}}
{{- end -}}
{{- with include "airfleet.database.podTlsSources" . -}}
{{- $_ := set $mounts "/opt/airfleet/database-tls" (dict "name" "database-tls" "readOnly" true) -}}
{{- $_ := set $volumes "database-tls" (dict "projected" (dict "defaultMode" 0440 "sources" (fromYamlArray .))) -}}
{{- end -}}
{{- if ne .part.airflow false -}}
{{- $config := ternary "worker-config" "config" (eq .name "worker") -}}
{{- if eq $.root.Values.boot.source "configMap" -}}
{{- $boot := dict "name" (include "airfleet.name" (list .root "boot")) "items" (include "airfleet.bootItems" (list .root .name) | fromJsonArray) -}}
{{- $_ := set $mounts "/opt/airfleet/boot" (dict "name" "boot" "readOnly" true) -}}
{{- $_ := set $volumes "boot" (dict "configMap" $boot) -}}
{{- end -}}
{{- $_ := set $mounts "/opt/airfleet/config" (dict "name" "config" "readOnly" true) -}}
{{- $_ := set $volumes "config" (dict "configMap" (dict "name" (include "airfleet.name" (list .root $config)))) -}}
{{- with include "airfleet.caSource" .root -}}
{{- $_ := set $mounts "/opt/airfleet/ca" (dict "name" "ca" "readOnly" true) -}}
{{- $_ := set $volumes "ca" (fromJson .) -}}
{{- end -}}
{{- $_ := set $mounts "/opt/airflow/logs" (dict "name" "logs") -}}
{{- $_ := set $volumes "logs" (dict "emptyDir" (dict "sizeLimit" $.root.Values.logs.sizeLimit)) -}}
{{- if and $.root.Values.logs.persistence.enabled .part.sharedLogs -}}
{{- $_ := set $volumes "logs" (dict "persistentVolumeClaim" (dict "claimName" (include "airfleet.logsClaimName" .root))) -}}
{{- end -}}
{{- if .part.secrets -}}
{{- $_ := set $mounts "/opt/airfleet/secrets" (dict "name" "secrets" "readOnly" true) -}}
{{- $sources := include "airfleet.pod.secretSources" . | fromJsonArray -}}
{{- $_ := set $volumes "secrets" (dict "projected" (dict "defaultMode" 0440 "sources" $sources)) -}}
{{- end -}}
{{- with include "airfleet.remoteLogs.file" . -}}
{{- $_ := set $mounts "/opt/airfleet/log-credentials" (dict "name" "log-credentials" "readOnly" true) -}}
{{- $secret := dict "secretName" $.root.Values.logs.remote.secretName "defaultMode" 0440 "items" (list (dict "key" . "path" .)) -}}
{{- $_ := set $volumes "log-credentials" (dict "secret" $secret) -}}
{{- end -}}
{{- if .part.bundles -}}
{{- range $volume, $mount := include "airfleet.bundle.mounts" . | fromYaml -}}
{{- $_ := set $mounts $mount.path (dict "name" $volume "readOnly" true) -}}
{{- $_ := set $volumes $volume $mount.source -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- dict "mounts" $mounts "volumes" $volumes | toJson -}}
{{- end -}}

{{- /* "true" if Airflow's container talks to the Kubernetes API. It alone gets the token that Kubernetes would mount into every
container of the pod, as the same files. */ -}}
{{- define "airfleet.pod.token" -}}
{{- if or .part.token .cfg.automountServiceAccountToken -}}true{{- end -}}
{{- end -}}

{{- define "airfleet.pod.tokenVolume" -}}
{{- $ca := dict "name" "kube-root-ca.crt" "items" (list (dict "key" "ca.crt" "path" "ca.crt")) -}}
{{- $namespace := dict "path" "namespace" "fieldRef" (dict "fieldPath" "metadata.namespace") -}}
{{- dict "projected" (dict "sources" (list
  (dict "serviceAccountToken" (dict "path" "token" "expirationSeconds" 3600))
  (dict "configMap" $ca) (dict "downwardAPI" (dict "items" (list $namespace))))) | toJson -}}
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
{{- /* When keys were made, if their Secret says so: the DAG processor sends their age. */ -}}
{{- if and (eq .name "dag-processor") .root.Values.metrics.enabled -}}
{{- $since := list -}}
{{- range list "api-secret-key-since" "fernet-key-since" "jwt-secret-since" -}}{{- $since = append $since (dict "key" . "path" .) -}}{{- end -}}
{{- $sources = append $sources (dict "secret" (dict "name" (include "airfleet.keysSecretName" .root) "optional" true "items" $since)) -}}
{{- end -}}
{{- if eq .name "api-server" -}}
{{- with include "airfleet.auth.secret" .root | fromYaml -}}{{- $sources = append $sources (dict "secret" .) -}}{{- end -}}
{{- end -}}
{{- toJson $sources -}}
{{- end -}}
