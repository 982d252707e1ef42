{{- /* The refusals of dags.bundles. */ -}}

{{- define "airfleet.guards.bundles" -}}
{{- $all := list "path" "configMap" "image" "git" "classpath" -}}
{{- range $name, $b := .Values.dags.bundles -}}
{{- if $b -}}
{{- $ways := list -}}
{{- range $all -}}{{- if get $b . -}}{{- $ways = append $ways . -}}{{- end -}}{{- end -}}
{{- include "airfleet.refuse" (list (ne (len $ways) 1)
  (printf "dags.bundles.%s sets %s: a bundle comes from one place. Fix: set one of %s." $name (join " and " $ways | default "none of them") (join ", " $all))) -}}
{{- with $b.git -}}
{{- if not (regexMatch "^(https?://|ssh://|[^/@:]+@[^/:]+:)" (.repo | default "")) }}
- {{ printf "dags.bundles.%s.git.repo is %q, and how to log in follows from it. Fix: write it as https://host/path.git, ssh://git@host/path.git or git@host:path.git." $name (.repo | default "") | quote }}
{{- else if regexMatch "^https?://[^/]*@" .repo }}
- {{ printf "dags.bundles.%s.git.repo holds a user or a token: airflow.cfg is a ConfigMap. Fix: put them into a Secret (username, password) and name it in git.secretName." $name | quote }}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
