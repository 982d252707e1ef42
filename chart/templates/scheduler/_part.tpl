{{- define "airfleet.scheduler.part" -}}
args: [scheduler]
secrets: [connection, fernet-key, jwt-secret]
token: true # it creates, watches and deletes the workers' pods
waitForMigrations: true
env: {{- include "airfleet.queueEnv" . | nindent 2 }}
# Mounted whole: a mount by subPath is never refreshed, and an edited template would need a restart.
volumes:
  pod-templates: {configMap: {name: {{ include "airfleet.name" (list . "pod-templates") }}}}
volumeMounts:
  /opt/airfleet/pod-templates: {name: pod-templates, readOnly: true}
ports: {health: 8974}
startupProbe: {httpGet: {path: /health, port: health}, periodSeconds: 2, timeoutSeconds: 5, failureThreshold: 150}
readinessProbe: {httpGet: {path: /health, port: health}, periodSeconds: 15, timeoutSeconds: 5}
livenessProbe: {httpGet: {path: /health, port: health}, periodSeconds: 30, timeoutSeconds: 10, failureThreshold: 10}
{{- end -}}
