{{/* What a service that others connect to shows and asks: its certificate, senders' authorities; and tokens over HTTP. */}}
{{- define "osteon.doorLock" -}}
- {name: OSTEON_TLS_CERTIFICATE, value: /etc/osteon/door/tls.crt}
- {name: OSTEON_TLS_KEY, value: /etc/osteon/door/tls.key}
{{- if get (get .root.Values .part) "clientCaSecret" }}
- {name: OSTEON_TLS_CLIENT_CA, value: /etc/osteon/clients/ca.crt}
{{- end }}
{{- end }}

{{- define "osteon.doorMounts" -}}
- {name: door, mountPath: /etc/osteon/door, readOnly: true}
{{- if get (get .root.Values .part) "clientCaSecret" }}
- {name: clients, mountPath: /etc/osteon/clients, readOnly: true}
{{- end }}
{{- end }}

{{- define "osteon.doorVolumes" -}}
- {name: door, secret: {secretName: {{ include "osteon.tlsSecret" . }}}}
{{- with get (get .root.Values .part) "clientCaSecret" }}
- {name: clients, secret: {secretName: {{ . }}, items: [{key: ca.crt, path: ca.crt}]}}
{{- end }}
{{- end }}
