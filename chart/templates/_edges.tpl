{{- /* How the outside reaches Airflow: the URL that it knows itself by, its servers' Services, Ingresses and routes. */ -}}

{{- /* The URL of UI and API without a slash at its end, "" if nobody told one. Its path is where Airflow serves. */ -}}
{{- define "airfleet.baseUrl" -}}
{{- $api := .Values.apiServer -}}
{{- $ingress := $api.ingress | default dict -}}
{{- $route := $api.httpRoute | default dict -}}
{{- if $api.baseUrl -}}
{{- $api.baseUrl | trimSuffix "/" -}}
{{- else if $ingress.enabled -}}
{{- $scheme := ternary "https" "http" (not (empty ($ingress.tls | default dict).secretName)) -}}
{{- include "airfleet.url" (list $scheme $ingress.hosts $ingress.path) -}}
{{- else if $route.enabled -}}
{{- include "airfleet.url" (list "https" $route.hostnames $route.path) -}}
{{- end -}}
{{- end -}}

{{- /* (list scheme hosts path) -> the URL of the first host; the path alone if there is none. */ -}}
{{- define "airfleet.url" -}}
{{- with index . 1 }}{{ printf "%s://%s" (index $ 0) (first .) }}{{ end -}}
{{- index . 2 | default "/" | trimSuffix "/" -}}
{{- end -}}

{{- /* The path that Airflow serves below: "" or "/team-a". */ -}}
{{- define "airfleet.basePath" -}}
{{- (include "airfleet.baseUrl" . | urlParse).path | trimSuffix "/" -}}
{{- end -}}

{{- /* The component that serves the Execution API. */ -}}
{{- define "airfleet.executionServer" -}}
{{- ternary "execution-api" "api-server" (.Values.executionApi.enabled | default false) -}}
{{- end -}}

{{- /* "true" if the Execution API is for more than the release's own workers. */ -}}
{{- define "airfleet.executionApi.isExposed" -}}
{{- with .Values.executionApi -}}
{{- $elsewhere := ne ((.service | default dict).type | default "ClusterIP") "ClusterIP" -}}
{{- if and .enabled (or $elsewhere (.ingress | default dict).enabled (.httpRoute | default dict).enabled) -}}true{{- end -}}
{{- end -}}
{{- end -}}

{{- /* Where workers find the Execution API. Its server wants the base URL's path too: an app that is mounted in another is
found below the full path only. */ -}}
{{- define "airfleet.executionApiUrl" -}}
{{- $server := include "airfleet.name" (list . (include "airfleet.executionServer" .)) -}}
{{- printf "http://%s.%s.svc:8080%s/execution/" $server .Release.Namespace (include "airfleet.basePath" .) -}}
{{- end -}}

{{- /* (list $root "api-server" apps readiness-path liveness-path) -> what the parts of both servers have in common. */ -}}
{{- define "airfleet.serverPart" -}}
{{- $root := index . 0 -}}
{{- $cfg := get $root.Values (include "airfleet.valuesKey" (index . 1)) -}}
{{- $get := dict "path" (printf "%s%s" (include "airfleet.basePath" $root) (index . 3)) "port" "http" -}}
{{- $alive := dict "path" (printf "%s%s" (include "airfleet.basePath" $root) (index . 4)) "port" "http" -}}
{{- $args := list "api-server" "--workers" ($cfg.workers | int | toString) -}}
{{- if index . 2 }}{{ $args = concat $args (list "--apps" (index . 2)) }}{{ end -}}
{{- if include "airfleet.baseUrl" $root }}{{ $args = append $args "--proxy-headers" }}{{ end -}}
args: {{ toJson $args }}
{{- if include "airfleet.baseUrl" $root }}
env:
  # Who may connect is for NetworkPolicies to say: a proxy's address is not known here.
  FORWARDED_ALLOW_IPS: "*"
{{- end }}
waitForMigrations: true
ports: {http: 8080}
# The first call builds the Execution API, which takes seconds: a server is ready when workers can use it.
startupProbe: {httpGet: {{ toJson $get }}, periodSeconds: 2, timeoutSeconds: 10, failureThreshold: 150}
readinessProbe: {httpGet: {{ toJson $get }}, periodSeconds: 10, timeoutSeconds: 5}
livenessProbe: {httpGet: {{ toJson $alive }}, periodSeconds: 20, timeoutSeconds: 10, failureThreshold: 6}
{{- end -}}

{{- /* (list $root "api-server") -> the server's Service. */ -}}
{{- define "airfleet.service" -}}
{{- $service := (get (index . 0).Values (include "airfleet.valuesKey" (index . 1))).service | default dict -}}
{{ include "airfleet.head" (concat (list "v1" "Service") .) }}
  {{- include "airfleet.annotations" $service.annotations | nindent 2 }}
spec:
  type: {{ $service.type | default "ClusterIP" }}
  selector: {{- include "airfleet.selectorLabels" . | nindent 4 }}
  ports:
    - {name: http, port: 8080, targetPort: http, protocol: TCP, appProtocol: http}
{{- end -}}

{{- /* (list $root "api-server" options) -> its Ingress. */ -}}
{{- define "airfleet.ingress" -}}
{{- $o := index . 2 -}}
{{- $name := include "airfleet.name" . -}}
{{ include "airfleet.head" (list "networking.k8s.io/v1" "Ingress" (index . 0) (index . 1) $name) }}
  {{- include "airfleet.annotations" $o.annotations | nindent 2 }}
spec:
  {{- with $o.className }}
  ingressClassName: {{ . }}
  {{- end }}
  {{- with ($o.tls | default dict).secretName }}
  tls:
    - {{ omit (dict "hosts" $o.hosts "secretName" .) (ternary "" "hosts" (not (empty $o.hosts))) | toJson }}
  {{- end }}
  {{- $backend := dict "service" (dict "name" $name "port" (dict "name" "http")) }}
  {{- $paths := list (dict "path" ($o.path | default "/") "pathType" "Prefix" "backend" $backend) }}
  rules:
    {{- range $o.hosts | default (list "") }}
    - {{ with . }}host: {{ . | quote }}
      {{ end }}http: {paths: {{ toJson $paths }}}
    {{- end }}
{{- end -}}

{{- /* (list $root "api-server" options) -> its HTTPRoute. */ -}}
{{- define "airfleet.httpRoute" -}}
{{- $o := index . 2 -}}
{{- $name := include "airfleet.name" . -}}
{{ include "airfleet.head" (list "gateway.networking.k8s.io/v1" "HTTPRoute" (index . 0) (index . 1) $name) }}
  {{- include "airfleet.annotations" $o.annotations | nindent 2 }}
spec:
  parentRefs: {{- toYaml $o.parentRefs | nindent 4 }}
  {{- with $o.hostnames }}
  hostnames: {{- toYaml . | nindent 4 }}
  {{- end }}
  rules:
    - matches: [{path: {type: PathPrefix, value: {{ $o.path | default "/" | quote }}}}]
      backendRefs: [{name: {{ $name }}, port: 8080}]
{{- end -}}
