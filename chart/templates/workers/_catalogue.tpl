{{- /* The catalogue: which pod templates there are, and the options of each. */ -}}

{{- /* -> list of the templates that tasks can have; an abstract one is only there to be extended. */ -}}
{{- define "airfleet.podTemplates" -}}
{{- range $name, $template := .Values.podTemplates -}}
{{- if and (kindIs "map" $template) (not (get ($template | default dict) "abstract")) }}
- {{ $name }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* (list $root name) -> the template and all that it extends, in the order in which they are laid over `workers`. One
that is reached by two ways counts once, at its first place: it does not undo what was laid over it. */ -}}
{{- define "airfleet.podTemplate.chain" -}}
{{- $root := index . 0 -}}
{{- $chain := list -}}
{{- range (get $root.Values.podTemplates (index . 1)).extends -}}
{{- $chain = concat $chain (include "airfleet.podTemplate.chain" (list $root .) | fromYamlArray) -}}
{{- end -}}
{{- append $chain (index . 1) | uniq | toYaml -}}
{{- end -}}

{{- /* (list $root name) -> the template's pod options. */ -}}
{{- define "airfleet.podTemplate.cfg" -}}
{{- $root := index . 0 -}}
{{- $cfg := include "airfleet.cfg" (list $root "workers") | fromJson -}}
{{- range include "airfleet.podTemplate.chain" . | fromYamlArray -}}
{{- $own := omit (get $root.Values.podTemplates .) "extends" "abstract" "queues" -}}
{{- $cfg = include "airfleet.overlay" (list $cfg $own) | fromJson -}}
{{- end -}}
{{- toJson $cfg -}}
{{- end -}}

{{- /* (list $root name) -> the namespace of the template's pods. */ -}}
{{- define "airfleet.podTemplate.namespace" -}}
{{- $root := index . 0 -}}
{{- $namespace := $root.Values.workers.namespace -}}
{{- range include "airfleet.podTemplate.chain" . | fromYamlArray -}}
{{- $own := get $root.Values.podTemplates . -}}
{{- if hasKey $own "namespace" -}}{{- $namespace = $own.namespace -}}{{- end -}}
{{- end -}}
{{- $namespace | default $root.Release.Namespace -}}
{{- end -}}

{{- /* (list $root component) -> list of the namespaces that the component's pods run in. */ -}}
{{- define "airfleet.namespaces" -}}
{{- $root := index . 0 -}}
{{- $namespaces := list -}}
{{- if eq (index . 1) "worker" -}}
{{- range include "airfleet.podTemplates" $root | fromYamlArray -}}
{{- $namespaces = append $namespaces (include "airfleet.podTemplate.namespace" (list $root .)) -}}
{{- end -}}
{{- else -}}
{{- $namespaces = list $root.Release.Namespace -}}
{{- end -}}
{{- $namespaces | uniq | sortAlpha | toYaml -}}
{{- end -}}

{{- /* (list $root name cfg) -> the account of the template's pods; nothing if it is the workers' own. */ -}}
{{- define "airfleet.podTemplate.account" -}}
{{- with (index . 2).serviceAccount -}}
{{- if .create -}}{{ printf "%s-%s" (include "airfleet.name" (list (index $ 0) "worker")) (index $ 1) }}{{- else -}}{{ .name }}{{- end -}}
{{- end -}}
{{- end -}}

{{- /* cfg -> annotations: what an executor is told to do about a pod that it lost. */ -}}
{{- define "airfleet.podTemplate.policy" -}}
{{- with .onClusterLost }}
airfleet/on-cluster-lost: {{ . }}
{{- end }}
{{- if not (kindIs "invalid" .infrastructureRetries) }}
airfleet/infrastructure-retries: {{ int .infrastructureRetries | quote }}
{{- end }}
{{- with (.outOfMemory | default dict).memoryFactor }}
airfleet/out-of-memory-factor: {{ include "airfleet.scalar" . | quote }}
{{- end }}
{{- with (.outOfMemory | default dict).maxMemory }}
airfleet/out-of-memory-max: {{ . | quote }}
{{- end }}
{{- end -}}
