{{- define "airfleet.execution-api.part" -}}
{{- include "airfleet.serverPart" (list . "execution-api" "execution" "/execution/health") }}
secrets: [connection, fernet-key, jwt-secret] # it signs and checks tasks' tokens; users' sessions are not its business
validatesTokens: true
livenessProbe:
  httpGet: {path: {{ include "airfleet.basePath" . }}/execution/health, port: http}
  periodSeconds: 20
  timeoutSeconds: 10
  failureThreshold: 6
{{- end -}}
