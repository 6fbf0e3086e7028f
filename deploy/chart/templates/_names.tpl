{{/* The labels by which the agent's pods are found; they may never change for a release. */}}
{{- define "fathom.selector" -}}
app.kubernetes.io/name: fathom
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* The labels of everything. */}}
{{- define "fathom.labels" -}}
{{ include "fathom.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{/* The names of what is cluster-wide: two releases in two namespaces do not meet. */}}
{{- define "fathom.global" -}}
{{- if eq .Release.Name .Release.Namespace -}}
{{ .Release.Name }}
{{- else -}}
{{ .Release.Namespace }}-{{ .Release.Name }}
{{- end -}}
{{- end }}

{{/* The containers in the list `.` of a pod's spec that ask for what is kept to the daemons: CEL. */}}
{{- define "fathom.asking" -}}
has(object.spec.{{ . }})
? object.spec.{{ . }}.filter(it, has(it.securityContext) && (
    (has(it.securityContext.privileged) && it.securityContext.privileged) ||
    (has(it.securityContext.capabilities) && has(it.securityContext.capabilities.add) &&
     it.securityContext.capabilities.add.exists(name,
       name.upperAscii().replace('CAP_', '') in variables.kept)))).map(it, it.name)
: []
{{- end }}
