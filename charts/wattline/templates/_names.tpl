{{/* Names are fixed and not made from the release's: PowerNodes and leases are one per cluster, and so is Wattline. */}}

{{- define "wattline.selector" -}}
app.kubernetes.io/name: wattline
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "wattline.labels" -}}
{{ include "wattline.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: wattline
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* image: a digest wins over the tag, and the tag is the chart's appVersion unless set. */}}
{{- define "wattline.image" -}}
{{- if .image.digest -}}
{{ .image.repository }}@{{ .image.digest }}
{{- else -}}
{{ .image.repository }}:{{ .image.tag | default .root.Chart.AppVersion }}
{{- end -}}
{{- end }}

{{- define "wattline.serviceAccount" -}}
system:serviceaccount:{{ .root.Release.Namespace }}:wattline-{{ .component }}
{{- end }}
