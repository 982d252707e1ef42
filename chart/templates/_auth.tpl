{{- /* Who may use the UI and the API: what follows from `auth` for the configuration and the API server's pod. */ -}}

{{- /* "true" if FAB signs people in by OpenID Connect. */ -}}
{{- define "airfleet.auth.oidc" -}}
{{- if and (eq .Values.auth.manager "fab") .Values.auth.oidc.enabled -}}true{{- end -}}
{{- end -}}

{{- /* "true" if the bootstrap Job makes an administrator: FAB's, and by default only if no provider knows who people are. */ -}}
{{- define "airfleet.auth.createsAdmin" -}}
{{- $default := not (include "airfleet.auth.oidc" .) -}}
{{- $create := .Values.admin.create -}}
{{- if and (eq .Values.auth.manager "fab") (ternary $default $create (kindIs "invalid" $create)) -}}true{{- end -}}
{{- end -}}

{{- /* The ConfigMap with webserver_config.py; "" if FAB needs none. */ -}}
{{- define "airfleet.auth.configMap" -}}
{{- if eq .Values.auth.manager "fab" -}}
{{- if .Values.auth.webserverConfig -}}{{ .Values.auth.webserverConfig }}
{{- else if .Values.auth.oidc.enabled -}}{{ include "airfleet.name" (list . "auth") }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* Its content, if the chart makes it: a fixed program, and its settings as data. */ -}}
{{- define "airfleet.auth.files" -}}
{{- if and (include "airfleet.auth.oidc" .) (not .Values.auth.webserverConfig) -}}
webserver_config.py: {{ .Files.Get "files/auth/webserver_config.py" | toJson }}
oidc.json: {{ pick .Values.auth.oidc "issuer" "clientId" "name" "scopes" "usernameClaim" "groupsClaim" "roleMapping" | toJson | toJson }}
{{- end -}}
{{- end -}}

{{- /* Options of airflow.cfg. */ -}}
{{- define "airfleet.auth.config" -}}
{{- $auth := .Values.auth -}}
{{- if eq $auth.manager "simple" -}}
{{- $users := list -}}
{{- range $name, $role := $auth.simple.users -}}{{- if $role -}}{{- $users = append $users (printf "%s:%s" $name $role) -}}{{- end -}}{{- end -}}
core:
  auth_manager: airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager
  simple_auth_manager_users: {{ join "," $users }}
  simple_auth_manager_passwords_file: /tmp/passwords.json
{{- else if eq $auth.manager "keycloak" -}}
core:
  auth_manager: airflow.providers.keycloak.auth_manager.keycloak_auth_manager.KeycloakAuthManager
keycloak_auth_manager:
  server_url: {{ $auth.keycloak.url }}
  realm: {{ $auth.keycloak.realm }}
  client_id: {{ $auth.keycloak.clientId }}
{{- else -}}
core:
  auth_manager: airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager
fab:
  cookie_secure: {{ hasPrefix "https:" (include "airfleet.baseUrl" .) }}
  {{- if include "airfleet.auth.configMap" . }}
  config_file: /opt/airfleet/auth/webserver_config.py
  {{- end }}
  {{- if include "airfleet.auth.oidc" . }}
  # The provider is asked again twice a day; FAB's default keeps a session alive for a month of use.
  session_max_lifetime_minutes: 720
  {{- end }}
{{- end -}}
{{- end -}}

{{- /* The Secret of the manager that is in use, and its keys -> the files of the API server that they become. */ -}}
{{- define "airfleet.auth.secret" -}}
{{- $auth := .Values.auth -}}
{{- if eq $auth.manager "simple" -}}
name: {{ $auth.simple.secretName }}
items:
  {{- range $name, $role := $auth.simple.users }}
  {{- if $role }}
  - {key: {{ $name | quote }}, path: {{ printf "users/%s" $name | quote }}}
  {{- end }}
  {{- end }}
{{- else if eq $auth.manager "keycloak" -}}
name: {{ $auth.keycloak.secretName }}
items: [{key: client-secret, path: keycloak-client-secret}]
{{- else if include "airfleet.auth.oidc" . -}}
name: {{ $auth.oidc.secretName }}
items: [{key: client-secret, path: oidc-client-secret}]
{{- end -}}
{{- end -}}

{{- /* What the API server's part has more. The simple manager opens its passwords for writing, so it gets a copy. */ -}}
{{- define "airfleet.auth.part" -}}
{{- with include "airfleet.auth.configMap" . -}}
volumes: {auth: {configMap: {name: {{ . }}}}}
volumeMounts: {/opt/airfleet/auth: {name: auth, readOnly: true}}
digest: {{ include "airfleet.auth.files" $ | sha256sum | trunc 16 }}
{{- end }}
{{- if eq .Values.auth.manager "simple" }}
command:
  - bash
  - -c
  - |
    (umask 077; python -c 'import json, pathlib; users = pathlib.Path("/opt/airfleet/secrets/users").iterdir()
    print(json.dumps({user.name: user.read_text().strip() for user in users}))' > /tmp/passwords.json) &&
    exec /usr/bin/dumb-init -- /entrypoint "$@"
  - --
{{- end }}
{{- end -}}
