{{- /* A table of panels in files/dashboards -> Grafana's JSON. $airflow, $namespace and $release become the dashboard's
variables, so one dashboard shows every release. */ -}}
{{- define "airfleet.metrics.dashboard" -}}
{{- $source := dict "type" "prometheus" "uid" "${datasource}" -}}
{{- $panels := list -}}
{{- range $i, $row := .table.panels -}}
{{- $targets := list -}}
{{- range $j := untilStep 2 (len $row) 2 -}}
{{- $expr := index $row $j | replace "$airflow" `namespace=~"$namespace",service=~"$release-metrics"` -}}
{{- $targets = append $targets (dict "refId" (printf "Q%d" $j) "datasource" $source "expr" $expr "legendFormat" (index $row (add1 $j | int))) -}}
{{- end -}}
{{- $panels = append $panels (dict
  "id" (add1 $i) "type" "timeseries" "title" (index $row 0) "datasource" $source
  "gridPos" (dict "h" 8 "w" 12 "x" (mul 12 (mod $i 2)) "y" (mul 8 (div $i 2)))
  "fieldConfig" (dict "defaults" (dict "unit" (index $row 1) "min" 0) "overrides" list) "targets" $targets) -}}
{{- end -}}
{{- $variables := list (dict "name" "datasource" "type" "datasource" "query" "prometheus") -}}
{{- range $name, $query := dict
  "namespace" (list "label_values(airflow_scheduler_heartbeat_total, namespace)" "")
  "release" (list `label_values(airflow_scheduler_heartbeat_total{namespace=~"$namespace"}, service)` "/(.*)-metrics/") -}}
{{- $variables = append $variables (dict
  "name" $name "type" "query" "datasource" $source "query" (dict "query" (first $query) "refId" $name) "regex" (last $query)
  "refresh" 2 "multi" true "includeAll" true "allValue" ".*") -}}
{{- end -}}
{{- toRawJson (dict
  "uid" (printf "airfleet-%s" .name) "title" .table.title "tags" (list "airflow") "schemaVersion" 39 "editable" true
  "refresh" "30s" "time" (dict "from" "now-6h" "to" "now") "templating" (dict "list" $variables) "panels" $panels) -}}
{{- end -}}
