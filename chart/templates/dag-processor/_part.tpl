{{- define "airfleet.dag-processor.part" -}}
args: [dag-processor]
secrets: [connection, fernet-key]
waitForMigrations: true
bundles: true
sharedLogs: true
# The policy that refuses tasks whose queue has no pod template (files/boot).
env:
  AIRFLEET_QUEUES: {{ include "airfleet.queueMap" . | fromYaml | keys | sortAlpha | toJson | quote }}
  {{- with include "airfleet.queueNamespaces" . | fromYaml }}
  # The same policy places the tasks of these queues.
  AIRFLEET_NAMESPACES: {{ toRawJson . | quote }}
  {{- end }}
{{- include "airfleet.heartbeatProbes" "DagProcessorJob" | nindent 0 }}
{{- end -}}
