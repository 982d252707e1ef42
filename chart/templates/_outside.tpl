{{- /* {root, name} -> what Airflow's containers are told about the way out: certificates and the proxy. */ -}}
{{- define "airfleet.outsideEnv" -}}
{{- if include "airfleet.caSource" .root }}
{{- range list "AWS_CA_BUNDLE" "CURL_CA_BUNDLE" "GIT_SSL_CAINFO" "PIP_CERT" "REQUESTS_CA_BUNDLE" "SSL_CERT_FILE" }}
{{ . }}: /opt/airfleet/ca/ca.crt
{{- end }}
{{- end }}
{{- with .root.Values.proxy }}
{{- if or .http .https }}
{{- /* The Kubernetes API is known by its address, which Kubernetes puts in here. */ -}}
{{- $direct := concat (list "localhost" "127.0.0.1" "::1" ".svc" ".cluster.local" "$(KUBERNETES_SERVICE_HOST)") (.noProxy | default list) }}
{{- /* The API server asks triggerers for logs, by their addresses. */ -}}
{{- if eq $.name "api-server" }}{{ $direct = concat $direct (list "10.0.0.0/8" "172.16.0.0/12" "192.168.0.0/16" "100.64.0.0/10") }}{{ end }}
{{- range $name, $value := dict "http_proxy" .http "https_proxy" .https "no_proxy" (join "," $direct) }}
{{- with $value }}
{{ $name }}: {{ . | quote }}
{{ upper $name }}: {{ . | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{- /* -> the volume of the CA certificates; nothing if there are none. */ -}}
{{- define "airfleet.caSource" -}}
{{- with .Values.caBundle -}}
{{- $items := list (dict "key" .key "path" "ca.crt") -}}
{{- if .configMap -}}
{{- toJson (dict "configMap" (dict "name" .configMap "items" $items)) -}}
{{- else if .secret -}}
{{- toJson (dict "secret" (dict "secretName" .secret "items" $items "defaultMode" 0444)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
