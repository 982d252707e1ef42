{{- define "airfleet.execution-api.part" -}}
{{- include "airfleet.serverPart" (list . "execution-api" "execution" "/execution/health" "/execution/health") }}
secrets: [connection, fernet-key, jwt-secret] # it signs and checks tasks' tokens; users' sessions are not its business
validatesTokens: true
{{- end -}}
