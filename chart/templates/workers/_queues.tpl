{{- /* Queues choose pod templates. podTemplates.<name>.queues lists the queues of a template; a template that lists none
takes the queue of its own name. */ -}}

{{- /* -> map queue -> pod template */ -}}
{{- define "airfleet.queueMap" -}}
{{- range $name := include "airfleet.podTemplates" . | fromJsonArray -}}
{{- range $queue := (get $.Values.podTemplates $name).queues | default (list $name) }}
{{ $queue }}: {{ $name }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* The scheduler's options that route a queue to its template; workers and DAGs need not know them. The template
`default` is the executor's own pod_template_file and needs no route. */ -}}
{{- define "airfleet.queueEnv" -}}
{{- $coordinators := dict -}}
{{- $routes := dict -}}
{{- range $queue, $name := include "airfleet.queueMap" . | fromYaml -}}
{{- if ne $name "default" -}}
{{- $extra := dict "pod_template_file" (printf "/opt/airfleet/pod-templates/%s.yaml" $name) -}}
{{- $_ := set $coordinators $name (dict "classpath" "airfleet_coordinator.PodTemplateCoordinator" "extra" $extra) -}}
{{- $_ := set $routes $queue $name -}}
{{- end -}}
{{- end -}}
{{- if $routes -}}
AIRFLOW__SDK__COORDINATORS: {{ toRawJson $coordinators | quote }}
AIRFLOW__SDK__QUEUE_TO_COORDINATOR: {{ toRawJson $routes | quote }}
{{- else -}}
{}
{{- end -}}
{{- end -}}

{{- /* -> map queue -> namespace, of the queues whose pods run elsewhere than the default template's. */ -}}
{{- define "airfleet.queueNamespaces" -}}
{{- $default := include "airfleet.podTemplate.namespace" (list . "default") -}}
{{- range $queue, $name := include "airfleet.queueMap" . | fromYaml -}}
{{- $namespace := include "airfleet.podTemplate.namespace" (list $ $name) -}}
{{- if ne $namespace $default }}
{{ $queue }}: {{ $namespace }}
{{- end -}}
{{- end -}}
{{- end -}}
