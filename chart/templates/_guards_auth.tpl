{{- define "airfleet.guards.auth" -}}
{{- $auth := .Values.auth -}}
{{- $missing := list -}}
{{- range $key := get (dict "simple" (list "users" "secretName") "keycloak" (list "url" "realm" "clientId" "secretName")) $auth.manager | default list -}}
{{- if not (get (get $auth $auth.manager) $key) -}}{{- $missing = append $missing (printf "auth.%s.%s" $auth.manager $key) -}}{{- end -}}
{{- end -}}
{{- range $user, $role := $auth.simple.users -}}
{{- include "airfleet.refuse" (list (and $role (not (has $role (list "viewer" "user" "op" "admin"))))
  (printf "auth.simple.users.%s is %q, which is no role of the simple manager. Fix: use viewer, user, op or admin." $user $role)) -}}
{{- end -}}
{{- if $auth.oidc.enabled -}}
{{- include "airfleet.refuse" (list (ne $auth.manager "fab")
  (printf "auth.oidc is a way to sign in to FAB, and auth.manager is %q. Fix: set auth.manager to fab, or auth.oidc.enabled to false." $auth.manager)) -}}
{{- include "airfleet.refuse" (list (not (contains "://" (include "airfleet.baseUrl" $)))
  "auth.oidc needs to know where people come back to from the provider, which is not for a request's headers to say. Fix: set apiServer.baseUrl, such as https://airflow.example.com.") -}}
{{- include "airfleet.refuse" (list $auth.webserverConfig
  "auth.webserverConfig takes the place of the file that auth.oidc makes, so auth.oidc would count for nothing. Fix: unset one of them.") -}}
{{- range $key := list "issuer" "clientId" "secretName" "name" "usernameClaim" "groupsClaim" "roleMapping" -}}
{{- if not (get $auth.oidc $key) -}}{{- $missing = append $missing (printf "auth.oidc.%s" $key) -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- range $missing }}
- {{ printf "%s is not set, and nobody could sign in without it. Fix: set it (docs/guide/single-sign-on.md)." . | quote }}
{{- end -}}
{{- end -}}
