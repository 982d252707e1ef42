{{- /* Refusals about the catalogue of pod templates. */ -}}

{{- /* What is wrong with names and `extends`; nothing else can be told before that is right. */ -}}
{{- define "airfleet.guards.extends" -}}
{{- range $name, $template := .Values.podTemplates -}}
{{- if kindIs "map" $template -}}
{{- include "airfleet.guards.extendsOf" (list $ $name (list $name)) -}}
{{- include "airfleet.refuse" (list (not (regexMatch "^[a-z0-9]([-a-z0-9]{0,30}[a-z0-9])?$" $name))
  (printf "podTemplates.%s: the name becomes a label's value and a part of names. Fix: use at most 32 lower-case letters, digits and dashes." $name)) -}}
{{- include "airfleet.refuse" (list (and $template.abstract $template.queues)
  (printf "podTemplates.%s is abstract and has queues: no task can have it. Fix: remove one of them." $name)) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* (list $root name path) -> errors of all that is reached from the template; path are the names that lead to it. */ -}}
{{- define "airfleet.guards.extendsOf" -}}
{{- $root := index . 0 -}}
{{- $path := index . 2 -}}
{{- range (get $root.Values.podTemplates (index . 1)).extends -}}
{{- if not (kindIs "map" (get $root.Values.podTemplates .)) }}
- {{ printf "podTemplates.%s extends %q, which is no pod template. Fix: use one of %s." (last $path) . (keys $root.Values.podTemplates | sortAlpha | join ", ") | quote }}
{{- else if eq . (first $path) }}
- {{ printf "podTemplates.%s extends itself: %s. Fix: remove one of these." . (append $path . | join " -> ") | quote }}
{{- else if not (has . $path) -}}
{{- include "airfleet.guards.extendsOf" (list $root . (append $path .)) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "airfleet.guards.podTemplates" -}}
{{- $root := . -}}
{{- range $name := include "airfleet.podTemplates" . | fromJsonArray -}}
{{- $cfg := include "airfleet.podTemplate.cfg" (list $root $name) | fromJson -}}
{{- range $rule, $egress := $cfg.egress -}}
{{- include "airfleet.refuse" (list (not (or $egress.cidrs $egress.podSelector $egress.namespaceSelector))
  (printf "podTemplates.%s.egress.%s names no address and no pod, and Kubernetes takes that for all of them. Fix: set cidrs, podSelector or namespaceSelector." $name $rule)) -}}
{{- end -}}
{{- $account := (get $root.Values.podTemplates $name).serviceAccount | default dict -}}
{{- include "airfleet.refuse" (list (and $account.create $account.name)
  (printf "podTemplates.%s.serviceAccount has both create and name: one that the chart makes is named after the template. Fix: set one of them." $name)) -}}
{{- $object := printf "%s-%s" (include "airfleet.name" (list $root "worker")) $name -}}
{{- include "airfleet.refuse" (list (and (or (kindIs "map" $cfg.egress) ($cfg.serviceAccount | default dict).create) (gt (len $object) 63))
  (printf "podTemplates.%s has objects of its own, and their name %s has %d characters of 63. Fix: give it a shorter name, or set fullnameOverride." $name $object (len $object))) -}}
{{- $logs := $root.Values.logs.persistence -}}
{{- $elsewhere := ne ($cfg.namespace | default $root.Release.Namespace) $root.Release.Namespace -}}
{{- include "airfleet.refuse" (list (and $elsewhere $logs.enabled (not $logs.existingClaim))
  (printf "podTemplates.%s runs in the namespace %s, and logs.persistence makes a claim in the release's. Fix: ship logs, or set logs.persistence.existingClaim to one that both namespaces have." $name $cfg.namespace)) -}}
{{- end -}}
{{- end -}}

{{- define "airfleet.guards.pods" -}}
{{- include "airfleet.refuse" (list (and .Values.caBundle.configMap .Values.caBundle.secret)
  "caBundle names both a configMap and a secret, and there is one file of certificates. Fix: unset one of them.") -}}
{{- $namespaces := concat (list .Release.Namespace) (include "airfleet.namespaces" (list . "worker") | fromJsonArray) -}}
{{- $refused := "^(Cluster.+|.+Class|.+Definition|.+WebhookConfiguration|.+AdmissionPolicy(Binding)?|APIService|CSIDriver|Namespace|Node|PersistentVolume|Secret)$" -}}
{{- range $name, $object := .Values.extraObjects -}}
{{- if $object -}}
{{- if not (and $object.apiVersion $object.kind) }}
- {{ printf "extraObjects.%s has no apiVersion or no kind. Fix: write the object as for `kubectl apply`." $name | quote }}
{{- else if regexMatch $refused $object.kind }}
- {{ printf "extraObjects.%s is a %s: a release holds what is of its namespace, and no values of Secrets. Fix: apply it by itself." $name $object.kind | quote }}
{{- else if not (has (($object.metadata | default dict).namespace | default $.Release.Namespace) $namespaces) }}
- {{ printf "extraObjects.%s is for the namespace %s, in which nothing of this release runs. Fix: use one of %s." $name $object.metadata.namespace (uniq $namespaces | join ", ") | quote }}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
