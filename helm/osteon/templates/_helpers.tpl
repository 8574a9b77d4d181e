{{/* Labels of everything that belongs to a part: {"root": $, "part": "harmonizer"} */}}
{{- define "osteon.labels" -}}
{{ include "osteon.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: osteon
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end }}

{{- define "osteon.selector" -}}
app.kubernetes.io/name: osteon
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .part }}
{{- end }}

{{/* An image of this project: {"root": $, "name": "ingest"}; `image` names another one whole */}}
{{- define "osteon.image" -}}
{{- with .image }}{{ . }}{{ else -}}
{{ with .root.Values.image.registry }}{{ . }}/{{ end }}osteon/{{ .name }}:{{ .root.Values.image.tag | default .root.Chart.AppVersion }}
{{- end }}
{{- end }}

{{- define "osteon.name" -}}
{{ .root.Release.Name }}-{{ .part }}
{{- end }}

{{- define "osteon.kafkaServers" -}}
{{- if .Values.kafka.enabled -}}
{{- $name := printf "%s-kafka" .Release.Name -}}
{{- range $i := until (int .Values.kafka.replicas) }}{{ if $i }},{{ end }}{{ $name }}-{{ $i }}.{{ $name }}:9092{{ end -}}
{{- else -}}
{{ required "kafka.external.servers: name the brokers (host:port, separated by commas), or set kafka.enabled" .Values.kafka.external.servers }}
{{- end }}
{{- end }}

{{- define "osteon.storeEndpoint" -}}
{{- if .Values.store.enabled -}}
{{ .Release.Name }}-store:8333
{{- else -}}
{{ required "store.external.endpoint: name the S3 store (host:port), or set store.enabled" .Values.store.external.endpoint }}
{{- end }}
{{- end }}

{{- define "osteon.siteKeySecret" -}}
{{ .Values.site.keySecret | default (printf "%s-site-key" .Release.Name) }}
{{- end }}

{{- define "osteon.storeSecret" -}}
{{- if .Values.store.enabled -}}
{{ .Release.Name }}-store-identities
{{- else -}}
{{ required "store.external.secret: name the Secret with an access key and a secret key for each service" .Values.store.external.secret }}
{{- end }}
{{- end }}

{{/* What a container of ours may do: nothing beyond its own work (Pod Security Standard `restricted`) */}}
{{- define "osteon.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "osteon.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{/* What all pods of ours share: {"root": $, "part": …} */}}
{{- define "osteon.pod" -}}
automountServiceAccountToken: false
serviceAccountName: {{ include "osteon.name" . }}
securityContext: {{- include "osteon.podSecurity" . | nindent 2 }}
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets: {{- range . }}
  - name: {{ . }}{{ end }}
{{- end }}
enableServiceLinks: false  # else Kubernetes adds variables that begin with OSTEON_ where the release is named so
{{- end }}

{{/* The settings of a service as variables: {"root": $, "part": "accept", "settings": {…}} */}}
{{- define "osteon.environment" -}}
{{- $settings := merge (dict) (.settings | default dict) .root.Values.settings }}
- {name: OSTEON_SITE, value: {{ .root.Values.site.name | quote }}}
- {name: OSTEON_KAFKA_SERVERS, value: {{ include "osteon.kafkaServers" .root | quote }}}
- {name: OSTEON_STORE_ENDPOINT, value: {{ include "osteon.storeEndpoint" .root | quote }}}
- {name: OSTEON_STORE_IS_SECURE, value: {{ and (not .root.Values.store.enabled) .root.Values.store.external.isSecure | quote }}}
- {name: OSTEON_TRITON_URL, value: "{{ .root.Release.Name }}-triton:8001"}
- {name: OSTEON_HEALTH_PORT, value: "9400"}
- {name: OSTEON_HEALTH_HOST, value: "0.0.0.0"}
- name: OSTEON_STORE_ACCESS_KEY
  valueFrom: {secretKeyRef: {name: {{ include "osteon.storeSecret" .root }}, key: {{ .part }}.access-key}}
- name: OSTEON_STORE_SECRET_KEY
  valueFrom: {secretKeyRef: {name: {{ include "osteon.storeSecret" .root }}, key: {{ .part }}.secret-key}}
{{- if has .part (list "ingest" "accept") }}
- name: OSTEON_SITE_KEY
  valueFrom: {secretKeyRef: {name: {{ include "osteon.siteKeySecret" .root }}, key: site-key}}
{{- end }}
{{- range $name, $value := $settings }}
- {name: OSTEON_{{ upper $name }}, value: {{ $value | quote }}}
{{- end }}
{{- end }}

{{- define "osteon.probes" -}}
startupProbe: {httpGet: {path: /healthz, port: health}, periodSeconds: 2, failureThreshold: 60}
livenessProbe: {httpGet: {path: /healthz, port: health}, periodSeconds: 10, timeoutSeconds: 5}
readinessProbe: {httpGet: {path: /readyz, port: health}, periodSeconds: 3, timeoutSeconds: 3}
{{- end }}
