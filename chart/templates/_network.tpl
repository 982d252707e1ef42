{{- /*
Who talks to whom: the one table that every NetworkPolicy is made from. A component may send and receive what stands here
and nothing else.
  from, to  a component, or
    dns  kubernetes-api  database   typed endpoints under networkPolicies in the values
    outbound                        what lies outside: networkPolicies.outbound
    clients                         whoever uses the API and its UI: networkPolicies.clients
    scrapers                        whoever reads metrics: networkPolicies.scrapers
  port      the port on the receiving side; TCP, if protocol does not say UDP
*/ -}}
{{- define "airfleet.connections" -}}
- {from: clients, to: api-server, port: 8080}
- {from: worker, to: {{ include "airfleet.executionServer" . }}, port: 8080}
{{- if include "airfleet.executionApi.isExposed" . }}
- {from: clients, to: execution-api, port: 8080}
{{- end }}
- {from: api-server, to: triggerer, port: 8794}
{{- $cleanup := ternary (list "db-cleanup") list (not (not .Values.maintenance.dbCleanup.enabled)) }}
{{- $database := dict "to" (ternary "postgres" "database" .Values.postgres.embedded) "port" 5432 }}
{{- $pooled := not (not .Values.pgbouncer.enabled) }}
{{- $pooler := ternary (dict "to" "pgbouncer" "port" 6432) $database $pooled }}
{{- range concat (include "airfleet.deployments" . | fromJsonArray) $cleanup }}
- {{ merge (dict "from" .) $pooler | toJson }}
- {from: {{ . }}, to: dns}
{{- end }}
{{- range ternary (list "bootstrap" "pgbouncer") (list "bootstrap") $pooled }}
- {{ merge (dict "from" .) $database | toJson }}
- {from: {{ . }}, to: dns}
{{- end }}
- {from: worker, to: dns}
{{- range list "api-server" "scheduler" "bootstrap" }}
- {from: {{ . }}, to: kubernetes-api}
{{- end }}
{{- range without (append (include "airfleet.deployments" . | fromJsonArray) "worker") "scheduler" }}
- {from: {{ . }}, to: outbound}
{{- end }}
{{- if .Values.maintenance.podCleanup.enabled }}
- {from: pod-cleanup, to: kubernetes-api}
- {from: pod-cleanup, to: dns}
{{- end }}
{{- if .Values.metrics.enabled }}
- {from: scrapers, to: metrics, port: 9102}
{{- range append (include "airfleet.deployments" . | fromJsonArray) "worker" }}
- {from: {{ . }}, to: metrics, port: 9125, protocol: UDP}
{{- end }}
{{- end }}
{{- end -}}

{{- /* (list $root "worker" namespace) -> the pods of a component, as peers of a rule of a policy in this namespace. */ -}}
{{- define "airfleet.peers" -}}
{{- $here := index . 2 -}}
{{- $labels := include "airfleet.selectorLabels" . -}}
{{- range include "airfleet.namespaces" . | fromJsonArray }}
- podSelector:
    matchLabels: {{- $labels | nindent 6 }}
  {{- if ne . $here }}
  namespaceSelector:
    matchLabels: {kubernetes.io/metadata.name: {{ . }}}
  {{- end }}
{{- end }}
{{- end -}}

{{- /* (list $root port port ...) -> TCP ports of a rule. */ -}}
{{- define "airfleet.tcpPorts" -}}
{{- range rest . }}
- {protocol: TCP, port: {{ int . }}}
{{- end }}
{{- end -}}

{{- /* (list $root cidrs) -> peers. */ -}}
{{- define "airfleet.cidrPeers" -}}
{{- range index . 1 }}
- ipBlock: {cidr: {{ . | quote }}}
{{- end }}
{{- end -}}

{{- /* (list $root connection namespace) -> the egress rule of its sender; nothing if no address or no port is open, since Kubernetes
takes an empty list for all of them. */ -}}
{{- define "airfleet.egressRule" -}}
{{- $root := index . 0 -}}
{{- $c := index . 1 -}}
{{- $np := $root.Values.networkPolicies -}}
{{- if eq $c.to "dns" -}}
{{- with $np.dns.ports -}}
ports:
  {{- range . }}
  - {protocol: UDP, port: {{ int . }}}
  - {protocol: TCP, port: {{ int . }}}
  {{- end }}
{{- end -}}
{{- else if eq $c.to "kubernetes-api" -}}
{{- if and $np.kubernetesApi.cidrs $np.kubernetesApi.ports -}}
to: {{- include "airfleet.cidrPeers" (list $root $np.kubernetesApi.cidrs) | trim | nindent 2 }}
ports: {{- include "airfleet.tcpPorts" (concat (list $root) $np.kubernetesApi.ports) | trim | nindent 2 }}
{{- end -}}
{{- else if eq $c.to "database" -}}
to: {{- include "airfleet.cidrPeers" (list $root ($np.database.cidrs | default (list "0.0.0.0/0" "::/0"))) | trim | nindent 2 }}
ports: {{- include "airfleet.tcpPorts" (list $root ($np.database.port | default $root.Values.database.port)) | trim | nindent 2 }}
{{- else if eq $c.to "outbound" -}}
{{- with include "airfleet.outboundPeers" (list $root $c.from $np.outbound.cidrs) -}}
to: {{- . | trim | nindent 2 }}
{{- end -}}
{{- else -}}
to: {{- include "airfleet.peers" (list $root $c.to (index . 2)) | trim | nindent 2 }}
ports: [{protocol: {{ $c.protocol | default "TCP" }}, port: {{ int $c.port }}}]
{{- end -}}
{{- end -}}

{{- /* (list block cidr) -> "true" if the CIDR lies within the block. Of IPv6 only ::/0 is known to contain others. */ -}}
{{- define "airfleet.contains" -}}
{{- $block := index . 0 | splitList "/" -}}
{{- $inner := index . 1 | splitList "/" -}}
{{- $narrower := lt (last $block | int) (last $inner | int) -}}
{{- if contains ":" (index . 0) -}}
{{- if and (contains ":" (index . 1)) (eq (index . 0) "::/0") $narrower -}}true{{- end -}}
{{- else if and $narrower (not (contains ":" (index . 1))) -}}
{{- $size := 1 -}}
{{- range untilStep (last $block | int) 32 1 -}}{{- $size = mul $size 2 -}}{{- end -}}
{{- $numbers := list -}}
{{- range list (first $block) (first $inner) -}}
{{- $number := 0 -}}
{{- range splitList "." . -}}{{- $number = add (mul $number 256) (int .) -}}{{- end -}}
{{- $numbers = append $numbers (div $number $size) -}}
{{- end -}}
{{- if eq (first $numbers) (last $numbers) -}}true{{- end -}}
{{- end -}}
{{- end -}}

{{- /* (list $root component cidrs) -> peers: the addresses without the nodes' metadata service and, for those who do not connect to it, the
database. */ -}}
{{- define "airfleet.outboundPeers" -}}
{{- $np := (index . 0).Values.networkPolicies -}}
{{- $except := $np.outbound.except | default list -}}
{{- if or (eq (index . 1) "worker") (index . 0).Values.pgbouncer.enabled -}}{{- $except = concat $except ($np.database.cidrs | default list) -}}{{- end -}}
{{- range $cidr := index . 2 }}
- ipBlock:
    cidr: {{ $cidr | quote }}
    {{- /* Kubernetes refuses an exception that does not lie within its block. */ -}}
    {{- $within := list }}
    {{- range $except }}{{ if include "airfleet.contains" (list $cidr .) }}{{ $within = append $within . }}{{ end }}{{ end }}
    {{- with $within }}
    except: {{- toYaml . | nindent 6 }}
    {{- end }}
{{- end }}
{{- end -}}

{{- /* (list $root connection namespace) -> the ingress rule of its receiver. */ -}}
{{- define "airfleet.ingressRule" -}}
{{- $root := index . 0 -}}
{{- $c := index . 1 -}}
{{- if has $c.from (list "clients" "scrapers") -}}
{{- with get $root.Values.networkPolicies $c.from -}}
from: {{- toYaml . | nindent 2 }}
{{ end -}}
{{- else -}}
from: {{- include "airfleet.peers" (list $root $c.from (index . 2)) | trim | nindent 2 }}
{{ end -}}
ports: [{protocol: {{ $c.protocol | default "TCP" }}, port: {{ int $c.port }}}]
{{- end -}}
