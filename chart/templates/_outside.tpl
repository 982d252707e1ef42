{{- /* What Airflow's containers are told about the way out: certificates and the proxy. */ -}}
{{- define "airfleet.outsideEnv" -}}
{{- if include "airfleet.caSource" . }}
{{- range list "AWS_CA_BUNDLE" "CURL_CA_BUNDLE" "GIT_SSL_CAINFO" "PIP_CERT" "REQUESTS_CA_BUNDLE" "SSL_CERT_FILE" }}
{{ . }}: /opt/airfleet/ca/ca.crt
{{- end }}
{{- end }}
{{- with .Values.proxy }}
{{- if or .http .https }}
{{- /* The Kubernetes API is known by its address, which Kubernetes puts in here. */ -}}
{{- $direct := concat (list "localhost" "127.0.0.1" "::1" ".svc" ".cluster.local" "$(KUBERNETES_SERVICE_HOST)") (.noProxy | default list) | join "," }}
{{- range $name, $value := dict "http_proxy" .http "https_proxy" .https "no_proxy" $direct }}
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
