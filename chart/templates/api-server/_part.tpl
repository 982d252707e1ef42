{{- define "airfleet.api-server.part" -}}
{{- $ready := ternary "/api/v2/version" "/execution/health" (.Values.executionApi.enabled | default false) -}}
{{- include "airfleet.serverPart" (list . "api-server" (ternary "core" "" (.Values.executionApi.enabled | default false)) $ready "/api/v2/version") }}
secrets: [connection, fernet-key, api-secret-key, jwt-secret]
validatesTokens: true
token: true # logs of running tasks are read from their pods
{{ include "airfleet.auth.part" . }}
sharedLogs: true
remoteLogs: true
{{- end -}}
