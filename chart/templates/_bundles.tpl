{{- /* DAG bundles (dags.bundles): what the DAG processor and the workers mount, and what Airflow is told of it. */ -}}

{{- /* (list name git) -> the files of the Secret that the repository's credentials are; nothing if it needs none. */ -}}
{{- define "airfleet.bundle.credentials" -}}
{{- $git := index . 1 -}}
{{- if not $git.secretName -}}
[]
{{- else if hasPrefix "https://" $git.repo | or (hasPrefix "http://" $git.repo) -}}
[username, password]
{{- else -}}
[ssh-privatekey, known_hosts]
{{- end -}}
{{- end -}}

{{- /* {root} -> volume name -> {source, path}: where each bundle that is mounted comes from and goes. */ -}}
{{- define "airfleet.bundle.mounts" -}}
{{- range $name, $b := .root.Values.dags.bundles -}}
{{- if not $b -}}
{{- else if $b.configMap }}
dags-{{ $name }}: {path: /opt/airfleet/dags/{{ $name }}, source: {configMap: {name: {{ $b.configMap }}}}}
{{- else if $b.image }}
dags-{{ $name }}: {path: /opt/airfleet/dags/{{ $name }}, source: {image: {reference: {{ $b.image | quote }}}}}
{{- else if and $b.git $b.git.secretName }}
{{- $items := list -}}
{{- range include "airfleet.bundle.credentials" (list $name $b.git) | fromYamlArray -}}
{{- $items = append $items (dict "key" . "path" .) -}}
{{- end }}
git-{{ $name }}: {path: /opt/airfleet/git/{{ $name }}, source: {secret: {secretName: {{ $b.git.secretName }}, defaultMode: 0440, items: {{ toJson $items }}}}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* {root} -> environment of who opens bundles. A key is named by a connection of the bundle's own, airfleet_git_<name>,
which holds no secret; a token is read by git itself (airfleet.gitConfig). */ -}}
{{- define "airfleet.bundle.env" -}}
{{- range $name, $b := .root.Values.dags.bundles -}}
{{- if and $b $b.git -}}
{{- $folder := printf "/opt/airfleet/git/%s" $name -}}
{{- $extra := dict -}}
{{- if has "ssh-privatekey" (include "airfleet.bundle.credentials" (list $name $b.git) | fromYamlArray) -}}
{{- $extra = dict "key_file" (printf "%s/ssh-privatekey" $folder) "known_hosts_file" (printf "%s/known_hosts" $folder) "strict_host_key_checking" "yes" -}}
{{- end }}
AIRFLOW_CONN_{{ include "airfleet.bundle.connection" $name | upper }}: {{ dict "conn_type" "git" "extra" $extra | toRawJson | quote }}
{{- end -}}
{{- end -}}
{{- if include "airfleet.gitConfig" .root }}
GIT_CONFIG_SYSTEM: /opt/airfleet/config/gitconfig
{{- end -}}
{{- end -}}

{{- define "airfleet.bundle.connection" -}}
airfleet_git_{{ regexReplaceAll "[^A-Za-z0-9]" . "_" }}
{{- end -}}

{{- /* -> a gitconfig that reads each repository's user name and token from their files; nothing if none has any. */ -}}
{{- define "airfleet.gitConfig" -}}
{{- range $name, $b := .Values.dags.bundles -}}
{{- if and $b $b.git -}}
{{- if has "password" (include "airfleet.bundle.credentials" (list $name $b.git) | fromYamlArray) }}
[credential {{ $b.git.repo | quote }}]
  helper = "!f() { cd /opt/airfleet/git/{{ $name }} && printf 'username=%s\\npassword=%s\\n' \"$(cat username)\" \"$(cat password)\"; }; f"
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* dags.bundles -> [dag_processor] dag_bundle_config_list */ -}}
{{- define "airfleet.bundleList" -}}
{{- $list := list -}}
{{- range $name, $b := .Values.dags.bundles -}}
{{- if $b -}}
{{- $classpath := $b.classpath | default "airflow.dag_processing.bundles.local.LocalDagBundle" -}}
{{- $kwargs := deepCopy ($b.kwargs | default dict) -}}
{{- $mounted := printf "/opt/airfleet/dags/%s" $name -}}
{{- if $b.configMap -}}
{{- $classpath = "airfleet_bundle.MountedDagBundle" -}}
{{- $_ := set $kwargs "source" $mounted -}}
{{- else if $b.git -}}
{{- $classpath = "airflow.providers.git.bundles.git.GitDagBundle" -}}
{{- $_ := set $kwargs "repo_url" $b.git.repo -}}
{{- $_ := set $kwargs "git_conn_id" (include "airfleet.bundle.connection" $name) -}}
{{- $_ := set $kwargs "tracking_ref" ($b.git.ref | default "main") -}}
{{- with $b.git.subdir -}}{{- $_ := set $kwargs "subdir" . -}}{{- end -}}
{{- with $b.git.sparseDirs -}}{{- $_ := set $kwargs "sparse_dirs" . -}}{{- end -}}
{{- else -}}
{{- with $b.path | default (ternary $mounted "" (not (empty $b.image))) -}}{{- $_ := set $kwargs "path" . -}}{{- end -}}
{{- end -}}
{{- with $b.refreshInterval -}}{{- $_ := set $kwargs "refresh_interval" (int .) -}}{{- end -}}
{{- $list = append $list (dict "name" $name "classpath" $classpath "kwargs" $kwargs) -}}
{{- end -}}
{{- end -}}
{{- toRawJson (toRawJson $list) -}}
{{- end -}}
