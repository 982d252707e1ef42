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
    command: [python, -S, -E, /opt/airfleet/boot/airfleet_database.py, pgbouncer, /run/pgbouncer]
    {{- $own := dict "listen_addr" "*" "listen_port" 6432 "auth_type" "scram-sha-256" "unix_socket_dir" "" }}
    {{- $settings := include "airfleet.database.settings" (list . true) | default "{}" | fromJson }}
    {{- $_ := set $settings "pgbouncer" (merge $own (.Values.pgbouncer.settings | default dict)) }}
    env: [{name: AIRFLEET_DATABASE, value: {{ toRawJson $settings | quote }}}]
    resources: {{- toYaml .Values.bootstrap.waitForMigrations.resources | nindent 6 }}
    volumeMounts:
      - {name: run, mountPath: /run/pgbouncer}
      - {name: boot, mountPath: /opt/airfleet/boot, readOnly: true}
      - {name: secrets, mountPath: /opt/airfleet/secrets, readOnly: true}
database: direct
volumes:
  run: {emptyDir: {medium: Memory, sizeLimit: 1Mi}}
  boot: {configMap: {name: {{ include "airfleet.name" (list . "boot") }}, items: {{ include "airfleet.bootItems" (list . "pgbouncer") }}}}
  secrets: {projected: {defaultMode: 0440, sources: {{ include "airfleet.database.sources" . | fromYamlArray | toJson }}}}
volumeMounts:
  /run/pgbouncer: {name: run, readOnly: true}
startupProbe: {tcpSocket: {port: pgbouncer}, periodSeconds: 1, failureThreshold: 60}
readinessProbe: {tcpSocket: {port: pgbouncer}, periodSeconds: 5}
livenessProbe: {tcpSocket: {port: pgbouncer}, periodSeconds: 30, failureThreshold: 4}
{{- end -}}
