{{- define "airfleet.guards.metrics" -}}
{{- $m := .Values.metrics -}}
{{- range list "serviceMonitor" "alerts" -}}
{{- include "airfleet.refuse" (list (and (get $m .).enabled (not $m.enabled))
  (printf "metrics.%s.enabled is set and metrics.enabled is not, so nothing would be there to read. Fix: set metrics.enabled." .)) -}}
{{- end -}}
{{- if $m.alerts.enabled -}}
{{- $own := .Files.Get "files/alerts/rules.yaml" | fromYaml -}}
{{- range $alert, $rule := $m.alerts.rules -}}
{{- include "airfleet.refuse" (list (and $rule (not (or (hasKey $own $alert) $rule.expr)))
  (printf "metrics.alerts.rules.%s has no expr, and the chart has no alert of this name. Fix: give it one, or correct the name." $alert)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
