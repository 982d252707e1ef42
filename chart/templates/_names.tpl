{{- /*
Every object's name is made here and nowhere else. What pod templates and users' own manifests refer to
(ServiceAccounts, Secrets, ConfigMaps, Services) keeps its name over every upgrade.
*/ -}}

{{- /* The prefix of every object: the release's name. As a part of another chart, of which a release may hold several, also
the name or alias under which that chart knows this one. */ -}}
{{- define "airfleet.fullname" -}}
{{- .Values.fullnameOverride | default (ternary .Release.Name (printf "%s-%s" .Release.Name .Chart.Name) .Chart.IsRoot) -}}
{{- end -}}

{{- /* What tells this release's objects from others'. */ -}}
{{- define "airfleet.instance" -}}
{{- if .Chart.IsRoot }}{{ .Release.Name }}{{ else }}{{ include "airfleet.fullname" . }}{{ end -}}
{{- end -}}

{{- /* A component's objects: (list $root "api-server") -> airflow-api-server */ -}}
{{- define "airfleet.name" -}}
{{- printf "%s-%s" (include "airfleet.fullname" (index . 0)) (index . 1) -}}
{{- end -}}

{{- /* The key of a component in the values: "dag-processor" -> dagProcessor */ -}}
{{- define "airfleet.valuesKey" -}}
{{- if eq . "worker" }}workers{{ else if hasSuffix "-cleanup" . }}maintenance{{ else }}{{ . | camelcase | untitle }}{{ end -}}
{{- end -}}

{{- /* (list $root "scheduler") -> the component's ServiceAccount, the chart's or the user's own */ -}}
{{- define "airfleet.accountName" -}}
{{- $own := get (index . 0).Values (include "airfleet.valuesKey" (index . 1)) | default dict -}}
{{- (get $own "serviceAccount" | default dict).name | default (include "airfleet.name" .) -}}
{{- end -}}

{{- /* Secrets are named here, never made: the bootstrap Job makes those that nobody brought. */ -}}
{{- define "airfleet.keysSecretName" -}}
{{- .Values.keys.secretName | default (printf "%s-keys" (include "airfleet.fullname" .)) -}}
{{- end -}}

{{- define "airfleet.databaseSecretName" -}}
{{- .Values.database.secretName | default (printf "%s-database" (include "airfleet.fullname" .)) -}}
{{- end -}}

{{- define "airfleet.adminSecretName" -}}
{{- .Values.admin.secretName | default (printf "%s-admin" (include "airfleet.fullname" .)) -}}
{{- end -}}

{{- define "airfleet.logsClaimName" -}}
{{- .Values.logs.persistence.existingClaim | default (printf "%s-logs" (include "airfleet.fullname" .)) -}}
{{- end -}}

{{- /* The one source of the Airflow image. */ -}}
{{- define "airfleet.image" -}}
{{- include "airfleet.imageName" (merge (dict "tag" (include "airfleet.imageTag" .)) .Values.image) -}}
{{- end -}}

{{- /* {repository, tag, digest} -> the image; a digest wins over a tag. */ -}}
{{- define "airfleet.imageName" -}}
{{- .repository }}{{ with .digest }}@{{ . }}{{ else }}:{{ .tag }}{{ end -}}
{{- end -}}

{{- define "airfleet.imageTag" -}}
{{- .Values.image.tag | default .Chart.AppVersion | toString -}}
{{- end -}}

