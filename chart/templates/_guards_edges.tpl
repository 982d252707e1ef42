{{- define "airfleet.guards.edges" -}}
{{- range $name := include "airfleet.deployments" . | fromJsonArray -}}
{{- $key := include "airfleet.valuesKey" $name -}}
{{- $o := get $.Values $key -}}
{{- $hpa := $o.autoscaling | default dict -}}
{{- include "airfleet.refuse" (list (and $hpa.enabled (gt (int ($o.replicas | default 1)) 1))
  (printf "%s sets replicas to %d and autoscaling is enabled: each would undo the other. Fix: leave replicas out and set %s.autoscaling.minReplicas." $key (int $o.replicas) $key)) -}}
{{- include "airfleet.refuse" (list (and $hpa.enabled (gt (int ($hpa.minReplicas | default 2)) (int ($hpa.maxReplicas | default 5))))
  (printf "%s.autoscaling.minReplicas is above maxReplicas: no number of pods is in between. Fix: raise maxReplicas to %d or more." $key (int ($hpa.minReplicas | default 2)))) -}}
{{- $budget := $o.podDisruptionBudget | default dict -}}
{{- include "airfleet.refuse" (list (not (or (kindIs "invalid" $budget.maxUnavailable) (kindIs "invalid" $budget.minAvailable)))
  (printf "%s.podDisruptionBudget sets maxUnavailable and minAvailable: Kubernetes takes one of them. Fix: set %s.podDisruptionBudget.maxUnavailable to null." $key $key)) -}}
{{- range $way := list "ingress" "httpRoute" -}}
{{- $route := get $o $way | default dict -}}
{{- $path := $route.path | default "/" | trimSuffix "/" -}}
{{- $base := include "airfleet.basePath" $ -}}
{{- include "airfleet.refuse" (list (and $route.enabled (not (hasPrefix (print $path "/") (print $base "/"))))
  (printf "%s.%s.path is %q, and Airflow serves below the path of its base URL, %q: what arrives finds nothing. Fix: give it that path, or set apiServer.baseUrl." $key $way $route.path (print $base "/"))) -}}
{{- end -}}
{{- $route := get $o "httpRoute" | default dict -}}
{{- include "airfleet.refuse" (list (and $route.enabled (not $route.parentRefs))
  (printf "%s.httpRoute is enabled without parentRefs: a route that belongs to no Gateway leads nowhere. Fix: name the Gateway, such as [{name: public, namespace: gateways}]." $key)) -}}
{{- end -}}
{{- end -}}
