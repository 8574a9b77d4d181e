{{/*
Secrets that the values name must be there, or pods would wait for them in silence until Helm's patience ends. Where
charts are rendered without asking the cluster nothing is known of any, and nothing is checked.
*/}}
{{- define "osteon.checkNamed" -}}
{{- if lookup "v1" "ServiceAccount" .Release.Namespace "default" }}
{{- $wrong := list }}
{{- range $value, $named := include "osteon.named" . | fromYaml }}
{{- if $named.secret }}
{{- $say := printf "the comment at %s in values.yaml says what it holds." $value }}
{{- $found := lookup "v1" "Secret" $.Release.Namespace $named.secret }}
{{- $lacks := list }}
{{- range $key := $named.keys }}{{ if not (hasKey ($found.data | default dict) $key) }}{{ $lacks = append $lacks $key }}{{ end }}{{ end }}
{{- if not $found }}
{{- $wrong = append $wrong (printf "%s: there is no Secret %s in the namespace %s. Make it first: %s" $value $named.secret $.Release.Namespace $say) }}
{{- else if $lacks }}
{{- $wrong = append $wrong (printf "%s: the Secret %s has no %s. Add it: %s" $value $named.secret (join ", " $lacks) $say) }}
{{- end }}
{{- end }}
{{- end }}
{{- with $wrong }}{{ fail (printf "\n%s" (join "\n" .)) }}{{ end }}
{{- end }}
{{- end }}

{{/* Who speaks to Kafka and the store as themselves, as JSON: at a hub alone nobody but who makes topics and who makes releases */}}
{{- define "osteon.users" -}}
{{- ternary (list "admin" "ingest" "accept" "harmonizer" "classifier" "reconcile" "console" "forget" "desk") (list "admin" "desk") .Values.site.enabled | toJson }}
{{- end }}

{{/* Which value names which Secret, and what must be in it, as YAML */}}
{{- define "osteon.named" -}}
{{- $users := include "osteon.users" . | fromJsonArray }}
{{- $identities := list }}
{{- $logins := list }}
{{- range $users }}
{{- $identities = concat $identities (list (printf "%s.access-key" .) (printf "%s.secret-key" .)) }}
{{- $logins = concat $logins (list . (printf "%s.user" .)) }}
{{- end }}
{{- with .Values }}
{{- if .site.enabled }}
site.keySecret: {secret: {{ .site.keySecret | quote }}, keys: [site-key]}
site.formerKeysSecret: {secret: {{ .site.formerKeysSecret | quote }}, keys: [former-site-keys]}
site.tokensSecret: {secret: {{ .site.tokensSecret | quote }}, keys: [tokens, sender, desk]}
site.clientSecret: {secret: {{ .site.clientSecret | quote }}, keys: [tls.crt, tls.key]}
ingest.clientCaSecret: {secret: {{ .ingest.clientCaSecret | quote }}, keys: [ca.crt]}
console.clientCaSecret: {secret: {{ .console.clientCaSecret | quote }}, keys: [ca.crt]}
{{- end }}
{{- if .kafka.enabled }}
kafka.secret: {secret: {{ .kafka.secret | quote }}, keys: {{ $users | toJson }}}
{{- else }}
kafka.external.secret: {secret: {{ include "osteon.kafkaSecret" $ | quote }}, keys: {{ $logins | toJson }}}
kafka.external.caSecret: {secret: {{ include "osteon.kafkaCa" $ | quote }}, keys: [ca.crt]}
kafka.external.certificateSecret: {secret: {{ .kafka.external.certificateSecret | quote }}, keys: [tls.crt, tls.key]}
{{- end }}
{{- if .store.enabled }}
store.secret: {secret: {{ .store.secret | quote }}, keys: {{ append $identities "identities.json" | toJson }}}
{{- else }}
store.external.secret: {secret: {{ .store.external.secret | quote }}, keys: {{ $identities | toJson }}}
store.external.caSecret: {secret: {{ include "osteon.storeCa" $ | quote }}, keys: [ca.crt]}
{{- end }}
audit.caSecret: {secret: {{ include "osteon.auditCa" $ | quote }}, keys: [ca.crt]}
audit.certificateSecret: {secret: {{ include "osteon.auditCertificate" $ | quote }}, keys: [tls.crt, tls.key]}
{{- $parts := include "osteon.parts" $ | fromJsonArray }}
{{- range $part, $secret := .tls.secrets }}
{{- if has $part $parts }}
tls.secrets.{{ $part }}: {secret: {{ $secret | quote }}, keys: [tls.crt, tls.key, ca.crt]}
{{- end }}
{{- end }}
{{- range $i, $secret := .image.pullSecrets }}
image.pullSecrets[{{ $i }}]: {secret: {{ $secret | quote }}, keys: []}
{{- end }}
{{- end }}
{{- end }}
