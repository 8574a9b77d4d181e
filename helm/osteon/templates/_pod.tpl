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
{{- $placed := get .root.Values .part | default dict }}
automountServiceAccountToken: false
serviceAccountName: {{ include "osteon.name" . }}
securityContext: {{- include "osteon.podSecurity" . | nindent 2 }}
enableServiceLinks: false  # else Kubernetes adds variables that begin with OSTEON_ where the release is named so
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets: {{- range . }}
  - name: {{ . }}{{ end }}
{{- end }}
{{- with get $placed "nodeSelector" | default .root.Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with get $placed "tolerations" | default .root.Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}

{{/* Copies of a part on different machines, as far as there are any. */}}
{{- define "osteon.spread" -}}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- include "osteon.selector" . | nindent 8 }}
{{- end }}

{{/*
The settings of a service as variables: {"root": $, "part": "accept", "settings": {…}}. `part` is also its identity at
Kafka and at the store.
*/}}
{{- define "osteon.environment" -}}
{{- $values := .root.Values }}
{{- $settings := merge (dict) (.settings | default dict) $values.settings }}
{{- $security := include "osteon.kafkaSecurity" .root }}
- {name: OSTEON_SITE, value: {{ $values.site.name | quote }}}
- {name: OSTEON_IS_HUB_ALONE, value: {{ not $values.site.enabled | quote }}}
- {name: OSTEON_HEALTH_PORT, value: "9400"}
- {name: OSTEON_HEALTH_HOST, value: "0.0.0.0"}
- {name: OSTEON_KAFKA_SERVERS, value: {{ include "osteon.kafkaServers" .root | quote }}}
- {name: OSTEON_KAFKA_SECURITY, value: {{ $security }}}
{{- if hasPrefix "SASL" $security }}
{{- $secret := include "osteon.kafkaSecret" .root }}
{{- if $values.kafka.enabled }}
- {name: OSTEON_KAFKA_MECHANISM, value: {{ ternary "PLAIN" "SCRAM-SHA-512" (eq .part "admin") }}}
- {name: OSTEON_KAFKA_USER, value: {{ .part }}}
{{- else }}
- {name: OSTEON_KAFKA_MECHANISM, value: {{ $values.kafka.external.mechanism }}}
- name: OSTEON_KAFKA_USER
  valueFrom: {secretKeyRef: {name: {{ $secret }}, key: {{ .part }}.user}}
{{- end }}
- name: OSTEON_KAFKA_PASSWORD
  valueFrom: {secretKeyRef: {name: {{ $secret }}, key: {{ .part }}}}
{{- end }}
{{- if include "osteon.kafkaCa" .root }}
- {name: OSTEON_KAFKA_CA, value: /etc/osteon/kafka/ca.crt}
{{- end }}
{{- if include "osteon.kafkaCertificate" .root }}
- {name: OSTEON_KAFKA_CERTIFICATE, value: /etc/osteon/kafka-own/tls.crt}
- {name: OSTEON_KAFKA_KEY, value: /etc/osteon/kafka-own/tls.key}
{{- end }}
- {name: OSTEON_STORE_ENDPOINT, value: {{ include "osteon.storeEndpoint" .root | quote }}}
- {name: OSTEON_STORE_IS_SECURE, value: {{ ternary true $values.store.external.isSecure $values.store.enabled | quote }}}
{{- if include "osteon.storeCa" .root }}
- {name: OSTEON_STORE_CA, value: /etc/osteon/store/ca.crt}
{{- end }}
- name: OSTEON_STORE_ACCESS_KEY
  valueFrom: {secretKeyRef: {name: {{ include "osteon.storeSecret" .root }}, key: {{ .part }}.access-key}}
- name: OSTEON_STORE_SECRET_KEY
  valueFrom: {secretKeyRef: {name: {{ include "osteon.storeSecret" .root }}, key: {{ .part }}.secret-key}}
- {name: OSTEON_TRITON_URL, value: {{ .tritonUrl | default (ternary (printf "%s-triton:8001" .root.Release.Name) "" $values.site.enabled) | quote }}}
- {name: OSTEON_TRITON_IS_SECURE, value: "true"}
{{- if include "osteon.tritonCa" .root }}
- {name: OSTEON_TRITON_CA, value: /etc/osteon/triton/ca.crt}
{{- end }}
{{- include "osteon.audit" .root }}
{{- range $name, $value := $settings }}
- {name: OSTEON_{{ upper $name }}, value: {{ include "osteon.text" $value }}}
{{- end }}
{{- /* Numerical libraries would else start one thread a core of the node in each container. */}}
{{- range list "OMP_NUM_THREADS" "OPENBLAS_NUM_THREADS" "MKL_NUM_THREADS" }}
- {name: {{ . }}, value: "1"}
{{- end }}
{{- end }}

{{/* A value as a setting takes it. Helm reads whole numbers as floats, which would be written as 5.36870912e+08. */}}
{{- define "osteon.text" -}}
{{- if and (kindIs "float64" .) (eq (floor .) .) }}{{ int64 . | quote }}{{ else }}{{ . | quote }}{{ end }}
{{- end }}

{{- define "osteon.siteKey" -}}
- name: OSTEON_SITE_KEY
  valueFrom: {secretKeyRef: {name: {{ include "osteon.siteKeySecret" .root }}, key: site-key}}
- {name: OSTEON_KEY_EPOCH, value: {{ .root.Values.site.keyEpoch | quote }}}
{{- with .root.Values.site.formerKeysSecret }}
- name: OSTEON_FORMER_SITE_KEYS
  valueFrom: {secretKeyRef: {name: {{ . }}, key: former-site-keys}}
{{- end }}
{{- end }}

{{- define "osteon.audit" -}}
{{- with .Values.audit }}
{{- if .repository }}
- {name: OSTEON_AUDIT_REPOSITORY, value: {{ .repository | quote }}}
- {name: OSTEON_AUDIT_KEEP, value: /tmp/audit}
{{- if .caSecret }}
- {name: OSTEON_AUDIT_CA, value: /etc/osteon/audit/ca.crt}
{{- end }}
{{- if .certificateSecret }}
- {name: OSTEON_AUDIT_CERTIFICATE, value: /etc/osteon/audit-own/tls.crt}
- {name: OSTEON_AUDIT_KEY, value: /etc/osteon/audit-own/tls.key}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* Where those files lie that the settings name; `osteon.volumes` brings them. */}}
{{- define "osteon.mounts" -}}
- {name: tmp, mountPath: /tmp}
{{- range $server := list "kafka" "store" "triton" "audit" }}
{{- if include (printf "osteon.%sCa" $server) $.root }}
- {name: {{ $server }}-ca, mountPath: /etc/osteon/{{ $server }}, readOnly: true}
{{- end }}
{{- end }}
{{- range $server := list "kafka" "audit" }}
{{- if include (printf "osteon.%sCertificate" $server) $.root }}
- {name: {{ $server }}-own, mountPath: /etc/osteon/{{ $server }}-own, readOnly: true}
{{- end }}
{{- end }}
{{- end }}

{{- define "osteon.volumes" -}}
- {name: tmp, emptyDir: {sizeLimit: 2Gi}}
{{- range $server := list "kafka" "store" "triton" "audit" }}
{{- with include (printf "osteon.%sCa" $server) $.root }}
- {name: {{ $server }}-ca, secret: {secretName: {{ . }}, items: [{key: ca.crt, path: ca.crt}]}}
{{- end }}
{{- end }}
{{- range $server := list "kafka" "audit" }}
{{- with include (printf "osteon.%sCertificate" $server) $.root }}
- {name: {{ $server }}-own, secret: {secretName: {{ . }}}}
{{- end }}
{{- end }}
{{- end }}

{{/* A container that waits until a service finds its topics, so that it starts once: {…, "image": "ingest"} */}}
{{- define "osteon.wait" -}}
- name: wait
  image: {{ include "osteon.image" (dict "root" .root "name" .image) }}
  imagePullPolicy: {{ .root.Values.image.pullPolicy }}
  command: [osteon, topics, wait, {{ .part }}]
  env: {{- include "osteon.environment" (dict "root" .root "part" .part "settings" dict "tritonUrl" .tritonUrl) | nindent 4 }}
  resources: {requests: {cpu: 10m, memory: 96Mi}, limits: {memory: 192Mi}}
  securityContext: {{- include "osteon.containerSecurity" . | nindent 4 }}
  volumeMounts: {{- include "osteon.mounts" . | nindent 4 }}
{{- end }}

{{- define "osteon.probes" -}}
startupProbe: {httpGet: {path: /healthz, port: health}, periodSeconds: 2, timeoutSeconds: 5, failureThreshold: 90}
livenessProbe: {httpGet: {path: /healthz, port: health}, periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 6}
readinessProbe: {httpGet: {path: /readyz, port: health}, periodSeconds: 3, timeoutSeconds: 5}
{{- end }}

{{- define "osteon.claim" -}}
accessModes: [ReadWriteOnce]
{{- with .root.Values.storageClassName }}
storageClassName: {{ . }}
{{- end }}
resources: {requests: {storage: {{ .storage }}}}
{{- end }}

{{/* Where Prometheus finds metrics, unless a PodMonitor tells it */}}
{{- define "osteon.annotations" -}}
{{- if not .root.Values.metrics.monitors.enabled }}{{/* what is scraped twice would be added up twice */ -}}
prometheus.io/scrape: "true"
prometheus.io/port: {{ .port | default "9400" | quote }}
{{- end }}
{{- end }}

{{/* How a command asks the site's console: as the desk, over TLS. Its authorities are mounted by the two below. */}}
{{- define "osteon.askConsole" -}}
{{- if .Values.site.enabled }}
- {name: OSTEON_CONSOLE_URL, value: "https://{{ .Release.Name }}-console:8090"}
- name: OSTEON_CONSOLE_TOKEN
  valueFrom: {secretKeyRef: {name: {{ include "osteon.tokensSecret" . }}, key: desk}}
- {name: OSTEON_CONSOLE_CA, value: /etc/osteon/console/ca.crt}
{{- if include "osteon.clientSecret" . }}
- {name: OSTEON_CONSOLE_CERTIFICATE, value: /etc/osteon/client/tls.crt}
- {name: OSTEON_CONSOLE_KEY, value: /etc/osteon/client/tls.key}
{{- end }}
{{- end }}
{{- end }}

{{- define "osteon.askConsoleMounts" -}}
{{- if .Values.site.enabled }}
- {name: console-ca, mountPath: /etc/osteon/console, readOnly: true}
{{- if include "osteon.clientSecret" . }}
- {name: client, mountPath: /etc/osteon/client, readOnly: true}
{{- end }}
{{- end }}
{{- end }}

{{- define "osteon.askConsoleVolumes" -}}
{{- if .Values.site.enabled }}
- {name: console-ca, secret: {secretName: {{ include "osteon.tlsSecret" (dict "root" . "part" "console") }}, items: [{key: ca.crt, path: ca.crt}]}}
{{- with include "osteon.clientSecret" . }}
- {name: client, secret: {secretName: {{ . }}}}
{{- end }}
{{- end }}
{{- end }}
