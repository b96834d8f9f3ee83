{{/* What every pod but the agent's runs under: the restricted pod security standard. */}}

{{- define "wattline.restrictedPod" -}}
runAsNonRoot: true
{{- with .root.Values.podSecurity.runAsUser }}
runAsUser: {{ . }}
{{- end }}
{{- with .root.Values.podSecurity.runAsGroup }}
runAsGroup: {{ . }}
{{- end }}
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "wattline.restrictedContainer" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* Where a pod may run, and what it is called there. */}}
{{- define "wattline.placement" -}}
{{- with .part.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .part.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .part.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "wattline.podMetadata" -}}
labels:
  {{- include "wattline.labels" (dict "root" .root "component" .component) | nindent 2 }}
  {{- with .part.podLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with .part.podAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Spread over hosts, softly: a cluster of one node runs both. */}}
{{- define "wattline.affinity" -}}
{{- if .part.affinity }}
affinity:
  {{- toYaml .part.affinity | nindent 2 }}
{{- end }}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "wattline.selector" (dict "root" .root "component" .component) | nindent 8 }}
{{- end }}
