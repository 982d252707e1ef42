{{- /* The connection to the metadata database, composed in every container by files/boot/airfleet_database.py. */ -}}

{{- /* "true" if it is made of parts, not of a URL. */ -}}
{{- define "airfleet.database.byParts" -}}
{{- with .Values.database -}}{{- if or .host .secretKeys.host -}}true{{- end -}}{{- end -}}
{{- end -}}

{{- /* What is read of the Secret: file -> key. */ -}}
{{- define "airfleet.database.keys" -}}
{{- if include "airfleet.database.byParts" . -}}
{{- range $part, $key := .Values.database.secretKeys -}}
{{- if and $key (not (and (eq $part "password") $.Values.database.passwordFile)) }}
{{ $part }}: {{ $key | quote }}
{{- end -}}
{{- end -}}
{{- else -}}
connection: {{ .Values.database.secretKey | quote }}
{{- end -}}
{{- end -}}

{{- /* The same as a source of a projected volume; nothing if nothing is read. */ -}}
{{- define "airfleet.database.sources" -}}
{{- $items := list -}}
{{- range $part, $key := include "airfleet.database.keys" . | fromYaml -}}
{{- $items = append $items (dict "key" $key "path" (ternary $part (printf "database/%s" $part) (eq $part "connection"))) -}}
{{- end -}}
{{- if $items }}
- secret: {name: {{ include "airfleet.databaseSecretName" . | quote }}, items: {{ toJson $items }}}
{{- end -}}
{{- end -}}

{{- /* {root, name, part} -> the Secret and ConfigMap of TLS as sources of a projected volume, for a pod that connects to the
database itself; nothing if there is none. The DAG processor, which sends how long certificates last, gets them in any case. */ -}}
{{- define "airfleet.database.podTlsSources" -}}
{{- $pooled := and .root.Values.pgbouncer.enabled (ne .part.database "direct") -}}
{{- $measures := and .root.Values.metrics.enabled (eq .name "dag-processor") -}}
{{- if and (or .part.database (has "connection" (.part.secrets | default list))) (or $measures (not $pooled)) -}}
{{- with .root.Values.database.tls }}
{{- $ca := dict "key" .ca.key "path" "ca.crt" | list | toJson }}
{{- with .ca.configMap }}
- configMap: {name: {{ . | quote }}, items: {{ $ca }}}
{{- end }}
{{- with .ca.secretName }}
- secret: {name: {{ . | quote }}, items: {{ $ca }}}
{{- end }}
{{- with .client.secretName }}
- secret: {name: {{ . | quote }}, items: [{key: tls.crt, path: tls.crt}{{ if not $pooled }}, {key: tls.key, path: tls.key}{{ end }}]}
{{- end }}
{{- end }}
{{- end -}}
{{- end -}}

{{- /* libpq's options. */ -}}
{{- define "airfleet.database.tls" -}}
{{- with .Values.database.tls }}
{{- with .mode }}
sslmode: {{ . }}
{{- end }}
{{- if or .ca.configMap .ca.secretName }}
sslrootcert: /opt/airfleet/database-tls/ca.crt
{{- end }}
{{- if .client.secretName }}
sslcert: /opt/airfleet/database-tls/tls.crt
sslkey: /opt/airfleet/database-tls/tls.key
{{- end }}
{{- end }}
{{- end -}}

{{- /* (list $root direct) -> AIRFLEET_DATABASE: what the Secret does not hold. */ -}}
{{- define "airfleet.database.settings" -}}
{{- $root := index . 0 -}}
{{- $found := dict -}}
{{- if include "airfleet.database.byParts" $root -}}
{{- $found = pick $root.Values.database "host" "name" "user" -}}
{{- $_ := set $found "port" (int $root.Values.database.port) -}}
{{- end -}}
{{- with $root.Values.database.passwordFile -}}{{- $_ := set $found "passwordFile" . -}}{{- end -}}
{{- if and $root.Values.pgbouncer.enabled (not (index . 1)) -}}
{{- $_ := set $found "pooler" (list (include "airfleet.name" (list $root "pgbouncer")) 6432) -}}
{{- else if include "airfleet.database.tls" $root -}}
{{- $_ := set $found "tls" (include "airfleet.database.tls" $root | fromYaml) -}}
{{- end -}}
{{- if $found -}}{{- toRawJson $found -}}{{- end -}}
{{- end -}}

{{- /* (list $root direct command) -> environment of a container that connects; command: it runs Airflow's *_CMD options. */ -}}
{{- define "airfleet.database.env" -}}
{{- $root := index . 0 -}}
{{- $program := "python -S -E /opt/airfleet/boot/airfleet_database.py" -}}
{{- if index . 2 }}
AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_CMD: {{ $program }} psycopg2
AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC_CMD: {{ $program }} asyncpg
{{- end }}
{{- with include "airfleet.database.settings" . }}
AIRFLEET_DATABASE: {{ . | quote }}
{{- end }}
{{- /* It reads a password anew for each connection; PgBouncer keeps the one that it started with. */ -}}
{{- if and (include "airfleet.database.byParts" $root) (or (index . 1) (not $root.Values.pgbouncer.enabled)) (index . 2) }}
AIRFLOW__DATABASE__SQL_ALCHEMY_CONNECT_ARGS: airfleet_database.connect_args
{{- end }}
{{- end -}}

{{- /* Everything that is asked of the database's block, and of PgBouncer's. */ -}}
{{- define "airfleet.guards.database" -}}
{{- $db := .Values.database -}}
{{- $parts := include "airfleet.database.byParts" . -}}
{{- include "airfleet.refuse" (list (and .Values.postgres.embedded (or $db.secretName $parts $db.passwordFile $db.tls.mode))
  "postgres.embedded is set, and so is database.secretName, host, secretKeys.host, passwordFile or tls: there can be one metadata database. Fix: unset one of them.") -}}
{{- include "airfleet.refuse" (list (and $db.passwordFile (not $parts))
  "database.passwordFile is set without database.host: a password from a file is one part of a connection. Fix: set host, name and user, or leave the password in the URL.") -}}
{{- include "airfleet.refuse" (list (and $db.passwordFile .Values.pgbouncer.enabled)
  "database.passwordFile is set and pgbouncer.enabled too: PgBouncer keeps the password that it started with, and this one changes. Fix: unset one of them.") -}}
{{- include "airfleet.refuse" (list (and $db.tls.ca.configMap $db.tls.ca.secretName)
  "database.tls.ca.configMap and database.tls.ca.secretName are both set: the authority comes from one place. Fix: unset one of them.") -}}
{{- include "airfleet.refuse" (list (and (hasPrefix "verify-" ($db.tls.mode | default "")) (not (or $db.tls.ca.configMap $db.tls.ca.secretName)))
  (printf "database.tls.mode is %s and nothing says which authority to trust: every connection would fail. Fix: set database.tls.ca.configMap or database.tls.ca.secretName." $db.tls.mode)) -}}
{{- range $part, $key := $db.secretKeys -}}
{{- include "airfleet.refuse" (list (and $key (not (has $part (list "host" "port" "name" "user" "password"))))
  (printf "database.secretKeys.%s is no part of a connection. Fix: use host, port, name, user and password." $part)) -}}
{{- end -}}
{{- range $setting := list "listen_addr" "listen_port" "auth_type" "auth_file" "unix_socket_dir" -}}
{{- include "airfleet.refuse" (list (hasKey ($.Values.pgbouncer.settings | default dict) $setting)
  (printf "pgbouncer.settings.%s may not be set: the chart owns it. Fix: leave it out." $setting)) -}}
{{- end -}}
{{- end -}}
