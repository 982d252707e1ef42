{{- define "airfleet.triggerer.part" -}}
args: [triggerer]
secrets: [connection, fernet-key, api-secret-key]
waitForMigrations: true
sharedLogs: true
remoteLogs: true
ports: {logs: 8794}
env:
  # The API server fetches a running trigger's log from the host name that the triggerer registers: an address that resolves.
  AIRFLOW__CORE__HOSTNAME_CALLABLE: airflow.utils.net.get_host_ip_address
{{- include "airfleet.heartbeatProbes" "TriggererJob" | nindent 0 }}
{{- end -}}
