{{- define "airfleet.metrics.part" -}}
image: {{ include "airfleet.imageName" .Values.metrics.image }}
airflow: false
args: [--statsd.mapping-config=/etc/metrics/mapping.yaml, --statsd.listen-udp=:9125, --statsd.listen-tcp=, --web.listen-address=:9102]
ports: {metrics: 9102, statsd: 9125/UDP}
env:
  # It reads its mapping once: a change of it starts another pod.
  MAPPING_DIGEST: {{ .Files.Get "files/metrics/mapping.yaml" | sha256sum | trunc 16 | quote }}
volumes:
  mapping: {configMap: {name: {{ include "airfleet.name" (list . "metrics") }}}}
volumeMounts:
  /etc/metrics: {name: mapping, readOnly: true}
{{- range $probe, $seconds := dict "startupProbe" 1 "readinessProbe" 10 "livenessProbe" 30 }}
{{ $probe }}:
  httpGet: {path: /-/healthy, port: metrics}
  periodSeconds: {{ $seconds }}
  failureThreshold: 6
{{- end }}
{{- end -}}
