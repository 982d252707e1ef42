{{- define "airfleet.pgbouncer.part" -}}
image: {{ include "airfleet.imageName" .Values.pgbouncer.image }}
airflow: false
command: [pgbouncer, /run/pgbouncer/pgbouncer.ini]
ports: {pgbouncer: 6432}
# Its files are written at each start, in memory, from the same Secret that everybody reads.
initContainers:
  configure:
    image: {{ include "airfleet.image" . }}
    imagePullPolicy: {{ .Values.image.pullPolicy }}
    command: {{ include "airfleet.bootCommand" (list . "python" "-S" "-E" "/opt/airfleet/boot/airfleet_database.py" "pgbouncer" "/run/pgbouncer") }}
    {{- $own := dict "listen_addr" "*" "listen_port" 6432 "auth_type" "scram-sha-256" "unix_socket_dir" "" }}
    {{- $settings := include "airfleet.database.settings" (list . true) | default "{}" | fromJson }}
    {{- /* As the embedded PostgreSQL has it. */ -}}
    {{- $defaults := dict "tcp_keepidle" 15 "tcp_keepintvl" 5 "tcp_keepcnt" 3 }}
    {{- $_ := set $settings "pgbouncer" (merge $own (.Values.pgbouncer.settings | default dict) $defaults) }}
    env: [{name: AIRFLEET_DATABASE, value: {{ toRawJson $settings | quote }}}]
    resources: {{- toYaml .Values.bootstrap.waitForMigrations.resources | nindent 6 }}
    volumeMounts:
      - {name: run, mountPath: /run/pgbouncer}
      {{- if eq .Values.boot.source "configMap" }}
      - {name: boot, mountPath: /opt/airfleet/boot, readOnly: true}
      {{- end }}
      - {name: secrets, mountPath: /opt/airfleet/secrets, readOnly: true}
database: direct
volumes:
  run: {emptyDir: {medium: Memory, sizeLimit: 1Mi}}
  {{- if eq .Values.boot.source "configMap" }}
  boot: {configMap: {name: {{ include "airfleet.name" (list . "boot") }}, items: {{ include "airfleet.bootItems" (list . "pgbouncer") }}}}
  {{- end }}
  secrets: {projected: {defaultMode: 0440, sources: {{ include "airfleet.database.sources" . | fromYamlArray | toJson }}}}
volumeMounts:
  /run/pgbouncer: {name: run, readOnly: true}
startupProbe: {tcpSocket: {port: pgbouncer}, periodSeconds: 1, failureThreshold: 60}
readinessProbe: {tcpSocket: {port: pgbouncer}, periodSeconds: 5}
livenessProbe: {tcpSocket: {port: pgbouncer}, periodSeconds: 30, failureThreshold: 4}
{{- end -}}
