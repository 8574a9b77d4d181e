{{/* Labels of everything that belongs to a part: {"root": $, "part": "harmonizer"} */}}
{{- define "osteon.labels" -}}
{{ include "osteon.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: osteon
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end }}

{{/* Labels of pods that an upgrade of Osteon alone does not start anew: Kafka, the store */}}
{{- define "osteon.steadyLabels" -}}
{{ include "osteon.selector" . }}
app.kubernetes.io/part-of: osteon
{{- end }}

{{- define "osteon.selector" -}}
app.kubernetes.io/name: osteon
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .part }}
{{- end }}

{{- define "osteon.name" -}}
{{ .root.Release.Name }}-{{ .part }}
{{- end }}

{{/* An image of this project: {"root": $, "name": "ingest"}; `image` names another one whole */}}
{{- define "osteon.image" -}}
{{- with .image }}{{ . }}{{ else -}}
{{ with .root.Values.image.registry }}{{ . }}/{{ end }}osteon/{{ .name }}:{{ .root.Values.image.tag | default .root.Chart.AppVersion }}
{{- end }}
{{- end }}

{{/* The parts that this release has, as a list in JSON */}}
{{- define "osteon.parts" -}}
{{- $parts := list "provision" "test" }}
{{- if .Values.kafka.enabled }}{{ $parts = append $parts "kafka" }}{{ end }}
{{- if .Values.store.enabled }}{{ $parts = append $parts "store" }}{{ end }}
{{- if or .Values.hub.enabled .Values.site.enabled }}{{ $parts = append $parts "desk" }}{{ end }}
{{- if .Values.site.enabled }}{{ $parts = concat $parts (list "ingest" "accept" "harmonizer" "classifier" "console" "triton" "forget") }}{{ end }}
{{- if include "osteon.reportsCommitments" . }}{{ $parts = append $parts "commitments" }}{{ end }}
{{- $parts | toJson }}
{{- end }}

{{/* Whether anybody waits for results of storage commitments at an address */}}
{{- define "osteon.reportsCommitments" -}}
{{- if .Values.site.enabled }}{{ get .Values.ingest.settings "commit_addresses" }}{{ end }}
{{- end }}

{{- define "osteon.kafkaServers" -}}
{{- if .Values.kafka.enabled -}}
{{- $name := printf "%s-kafka" .Release.Name -}}
{{- range $i := until (int .Values.kafka.replicas) }}{{ if $i }},{{ end }}{{ $name }}-{{ $i }}.{{ $name }}.{{ $.Release.Namespace }}.svc:9092{{ end -}}
{{- else -}}
{{ required "kafka.external.servers: name the brokers (host:port, separated by commas), or set kafka.enabled" .Values.kafka.external.servers }}
{{- end }}
{{- end }}

{{- define "osteon.kafkaSecurity" -}}
{{- if .Values.kafka.enabled }}SASL_SSL{{ else }}{{ .Values.kafka.external.security }}{{ end }}
{{- end }}

{{- define "osteon.storeEndpoint" -}}
{{- if .Values.store.enabled -}}
{{ .Release.Name }}-store:8333
{{- else -}}
{{ required "store.external.endpoint: name the S3 store (host:port), or set store.enabled" .Values.store.external.endpoint }}
{{- end }}
{{- end }}

{{/* Names of Secrets: those that somebody made, else those that the chart makes once and keeps. */}}
{{- define "osteon.siteKeySecret" -}}
{{ .Values.site.keySecret | default (printf "%s-site-key" .Release.Name) }}
{{- end }}

{{- define "osteon.tokensSecret" -}}
{{ .Values.site.tokensSecret | default (printf "%s-tokens" .Release.Name) }}
{{- end }}

{{/* What is shown to doors that ask for a certificate; empty where none does */}}
{{- define "osteon.clientSecret" -}}
{{- if or .Values.ingest.clientCaSecret .Values.console.clientCaSecret -}}
{{ required "site.clientSecret: name a Secret with tls.crt and tls.key, which desk and helm test show to the doors that ingest.clientCaSecret and console.clientCaSecret lock" .Values.site.clientSecret }}
{{- end }}
{{- end }}

{{- define "osteon.storeSecret" -}}
{{- if .Values.store.enabled -}}
{{ .Values.store.secret | default (printf "%s-store-identities" .Release.Name) }}
{{- else -}}
{{ required "store.external.secret: name the Secret with PART.access-key and PART.secret-key of each service" .Values.store.external.secret }}
{{- end }}
{{- end }}

{{- define "osteon.kafkaSecret" -}}
{{- if .Values.kafka.enabled -}}
{{ .Values.kafka.secret | default (printf "%s-kafka-users" .Release.Name) }}
{{- else if hasPrefix "SASL" .Values.kafka.external.security -}}
{{ required "kafka.external.secret: name the Secret with PART (its password) and PART.user of each service" .Values.kafka.external.secret }}
{{- end }}
{{- end }}

{{/* The Secret of a server's certificate, with tls.crt, tls.key and ca.crt: {"root": $, "part": "kafka"} */}}
{{- define "osteon.tlsSecret" -}}
{{ get .root.Values.tls.secrets .part | default (printf "%s-%s-tls" .root.Release.Name .part) }}
{{- end }}

{{/* Which Secret holds the authorities (ca.crt) that a server is believed of; none: those of the image */}}
{{- define "osteon.kafkaCa" -}}
{{- if .Values.kafka.enabled }}{{ include "osteon.tlsSecret" (dict "root" . "part" "kafka") }}
{{- else if hasSuffix "SSL" .Values.kafka.external.security }}{{ .Values.kafka.external.caSecret }}{{ end }}
{{- end }}

{{- define "osteon.storeCa" -}}
{{- if .Values.store.enabled }}{{ include "osteon.tlsSecret" (dict "root" . "part" "store") }}
{{- else if .Values.store.external.isSecure }}{{ .Values.store.external.caSecret }}{{ end }}
{{- end }}

{{- define "osteon.tritonCa" -}}
{{- if .Values.site.enabled }}{{ include "osteon.tlsSecret" (dict "root" . "part" "triton") }}{{ end }}
{{- end }}

{{- define "osteon.auditCa" -}}
{{- if .Values.audit.repository }}{{ .Values.audit.caSecret }}{{ end }}
{{- end }}

{{/* The Secret of the certificate that a server which asks for one is shown */}}
{{- define "osteon.kafkaCertificate" -}}
{{- if not .Values.kafka.enabled }}{{ .Values.kafka.external.certificateSecret }}{{ end }}
{{- end }}

{{- define "osteon.auditCertificate" -}}
{{- if .Values.audit.repository }}{{ .Values.audit.certificateSecret }}{{ end }}
{{- end }}

{{/* The names on a server's certificate, between commas: {"root": $, "part": "kafka"} */}}
{{- define "osteon.certificateNames" -}}
{{- $name := include "osteon.name" . }}
{{- $namespace := .root.Release.Namespace }}
{{- $names := list $name (printf "%s.%s" $name $namespace) (printf "%s.%s.svc" $name $namespace) "localhost" }}
{{- if eq .part "kafka" }}{{ range $i := until 9 }}{{ $names = append $names (printf "%s-%d.%s.%s.svc" $name $i $name $namespace) }}{{ end }}{{ end }}
{{- concat $names (get (get .root.Values .part) "dnsNames" | default list) | join "," }}
{{- end }}

{{/*
When an upgrade signs a server's certificate anew, in seconds since 1970: what the kept one says, unless that time has come
or a name was added. All that is rendered on one day agrees on it.
*/}}
{{- define "osteon.renewAfter" -}}
{{- $kept := lookup "v1" "Secret" .root.Release.Namespace (include "osteon.tlsSecret" .) | default dict }}
{{- $said := dig "metadata" "annotations" "osteon/renew-after" "0" $kept }}
{{- $isNamed := eq (dig "metadata" "annotations" "osteon/names" "" $kept) (include "osteon.certificateNames" .) }}
{{- if and $isNamed (gt (int64 $said) (now | unixEpoch | int64)) }}{{ $said }}
{{- else }}{{ add (now | date "2006-01-02" | toDate "2006-01-02" | unixEpoch | int64) 31536000 }}{{ end }}
{{- end }}

{{/* What cert-manager writes on a Secret, so that Helm takes it for the release's own should the chart make it again */}}
{{- define "osteon.secretTemplate" -}}
labels: {{- include "osteon.labels" . | nindent 2 }}
annotations:
  meta.helm.sh/release-name: {{ .root.Release.Name }}
  meta.helm.sh/release-namespace: {{ .root.Release.Namespace }}
{{- end }}

{{/* The servers whose certificates the chart makes, or cert-manager, as a list in JSON */}}
{{- define "osteon.certified" -}}
{{- $servers := list }}
{{- if .Values.kafka.enabled }}{{ $servers = append $servers "kafka" }}{{ end }}
{{- if .Values.store.enabled }}{{ $servers = append $servers "store" }}{{ end }}
{{- if .Values.site.enabled }}{{ $servers = concat $servers (list "triton" "ingest" "console") }}{{ end }}
{{- $made := list }}
{{- range $servers }}{{ if not (get $.Values.tls.secrets .) }}{{ $made = append $made . }}{{ end }}{{ end }}
{{- $made | toJson }}
{{- end }}

{{/* Lays the chart's authority, made at random once and kept, into `.Values.tls.authority`, the same for all templates. */}}
{{- define "osteon.findAuthority" -}}
{{- if not (hasKey .Values.tls "authority") }}
{{- with lookup "v1" "Secret" .Release.Namespace (printf "%s-authority" .Release.Name) }}
{{- $_ := set $.Values.tls "authority" (buildCustomCert (index .data "tls.crt") (index .data "tls.key")) }}
{{- else }}
{{- $_ := set $.Values.tls "authority" (genCA (printf "Osteon %s/%s" .Release.Namespace .Release.Name) 3650) }}
{{- end }}
{{- end }}
{{- end }}

{{/* Whoever believes the authority read it at the start: the pod is another when there is a new one. */}}
{{- define "osteon.authorityAnnotation" -}}
{{- if and (not .root.Values.tls.certManager.enabled) (include "osteon.certified" .root | fromJsonArray) }}
{{- include "osteon.findAuthority" .root }}
osteon/authority: {{ .root.Values.tls.authority.Cert | sha256sum | trunc 16 | quote }}
{{- end }}
{{- end }}

{{/*
Services read their certificate when they start: an upgrade starts the pod anew when the chart signs a new one, when
cert-manager has since, or when the Secret that a value names holds another.
*/}}
{{- define "osteon.certificateAnnotation" -}}
{{- include "osteon.authorityAnnotation" . }}
{{- $namespace := .root.Release.Namespace }}
{{- $secret := include "osteon.tlsSecret" . }}
{{- if get .root.Values.tls.secrets .part }}
{{- $held := lookup "v1" "Secret" $namespace $secret | default dict }}
osteon/certificate: {{ dig "data" "tls.crt" "" $held | sha256sum | trunc 16 | quote }}
{{- else if .root.Values.tls.certManager.enabled }}
{{- $asked := lookup "cert-manager.io/v1" "Certificate" $namespace $secret | default dict }}
osteon/certificate: {{ printf "%s %v" (include "osteon.certificateNames" .) (dig "status" "revision" 1 $asked) | sha256sum | trunc 16 | quote }}
{{- else }}
osteon/certificate: {{ printf "%s %s" (include "osteon.certificateNames" .) (include "osteon.renewAfter" .) | sha256sum | trunc 16 | quote }}
{{- end }}
{{- end }}
