{{- /* The catalogue: which pod templates there are, and the options of each. */ -}}

{{- /* -> list of the templates that tasks can have; an abstract one is only there to be extended. */ -}}
{{- define "airfleet.podTemplates" -}}
{{- $names := list -}}
{{- range $name, $template := .Values.podTemplates -}}
{{- if and (kindIs "map" $template) (not (get ($template | default dict) "abstract")) -}}
{{- $names = append $names $name -}}
{{- end -}}
{{- end -}}
{{- toJson $names -}}
{{- end -}}

{{- /* (list $root name) -> the template and all that it extends, in the order in which they are laid over `workers`. One
that is reached by two ways counts once, at its first place: it does not undo what was laid over it. */ -}}
{{- define "airfleet.podTemplate.chain" -}}
{{- $root := index . 0 -}}
{{- $chain := list -}}
{{- range (get $root.Values.podTemplates (index . 1)).extends -}}
{{- $chain = concat $chain (include "airfleet.podTemplate.chain" (list $root .) | fromJsonArray) -}}
{{- end -}}
{{- append $chain (index . 1) | uniq | toJson -}}
{{- end -}}

{{- /* (list $root name) -> the template's pod options. Several objects follow from them, so they are kept where all templates
find them. */ -}}
{{- define "airfleet.podTemplate.cfg" -}}
{{- $root := index . 0 -}}
{{- $kept := printf "podTemplate.%s" (index . 1) -}}
{{- if not (hasKey $root $kept) -}}
{{- $cfg := include "airfleet.cfg" (list $root "workers") -}}
{{- range include "airfleet.podTemplate.chain" . | fromJsonArray -}}
{{- $own := omit (get $root.Values.podTemplates .) "extends" "abstract" "queues" -}}
{{- $cfg = include "airfleet.overlay" (list (fromJson $cfg) $own) -}}
{{- end -}}
{{- $_ := set $root $kept $cfg -}}
{{- end -}}
{{- get $root $kept -}}
{{- end -}}

{{- /* (list $root name) -> the namespace of the template's pods. */ -}}
{{- define "airfleet.podTemplate.namespace" -}}
{{- $root := index . 0 -}}
{{- $namespace := $root.Values.workers.namespace -}}
{{- range include "airfleet.podTemplate.chain" . | fromJsonArray -}}
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
{{- range include "airfleet.podTemplates" $root | fromJsonArray -}}
{{- $namespaces = append $namespaces (include "airfleet.podTemplate.namespace" (list $root .)) -}}
{{- end -}}
{{- else -}}
{{- $namespaces = list $root.Release.Namespace -}}
{{- end -}}
{{- $namespaces | uniq | sortAlpha | toJson -}}
{{- end -}}

{{- /* (list $root name cfg) -> the account of the template's pods; nothing if it is the workers' own. */ -}}
{{- define "airfleet.podTemplate.account" -}}
{{- with (index . 2).serviceAccount -}}
{{- if .create -}}{{ printf "%s-%s" (include "airfleet.name" (list (index $ 0) "worker")) (index $ 1) }}{{- else -}}{{ .name }}{{- end -}}
{{- end -}}
{{- end -}}

{{- /* cfg -> annotations: what an executor is told to do about a pod that it lost. */ -}}
{{- define "airfleet.podTemplate.policy" -}}
{{- $memory := .outOfMemory | default dict -}}
{{- range $name, $value := dict "on-cluster-lost" .onClusterLost "infrastructure-retries" .infrastructureRetries
  "out-of-memory-factor" $memory.memoryFactor "out-of-memory-max" $memory.maxMemory -}}
{{- if not (has $value (list nil "")) }}
airfleet/{{ $name }}: {{ include "airfleet.scalar" $value | quote }}
{{- end -}}
{{- end -}}
{{- end -}}
