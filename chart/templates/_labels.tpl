{{- /* (list $root "scheduler") -> the labels that select a component's pods; they never change. */ -}}
{{- define "airfleet.selectorLabels" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: airfleet
app.kubernetes.io/instance: {{ include "airfleet.instance" $root }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{- /* (list $root component), a name if it is not the component's, and a namespace if it is not the release's -> an
object's metadata. Pods have the selector labels only: a version would restart them on every upgrade of the chart. */ -}}
{{- define "airfleet.metadata" -}}
{{- $root := index . 0 -}}
name: {{ if gt (len .) 2 }}{{ index . 2 }}{{ else }}{{ include "airfleet.name" . }}{{ end }}
namespace: {{ if gt (len .) 3 }}{{ index . 3 }}{{ else }}{{ $root.Release.Namespace }}{{ end }}
labels:
  {{- include "airfleet.selectorLabels" . | nindent 2 }}
  app.kubernetes.io/version: {{ include "airfleet.imageTag" $root | trunc 63 | quote }}
  app.kubernetes.io/managed-by: {{ $root.Release.Service }}
  helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" | trunc 63 }}
{{- end -}}

{{- /* (list "apps/v1" "Deployment" ...), followed by what airfleet.metadata takes -> the beginning of an object. */ -}}
{{- define "airfleet.head" -}}
apiVersion: {{ index . 0 }}
kind: {{ index . 1 }}
metadata: {{- include "airfleet.metadata" (slice . 2) | nindent 2 }}
{{- end -}}
