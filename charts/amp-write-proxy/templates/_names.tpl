{{- define "amp-write-proxy.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{/* The release's name where it holds the chart's, both otherwise. Room is left for suffixes. */}}
{{- define "amp-write-proxy.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "amp-write-proxy.name" . -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "amp-write-proxy.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "amp-write-proxy.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "amp-write-proxy.configMapName" -}}
{{- default (printf "%s-config" (include "amp-write-proxy.fullname" .)) .Values.existingConfigMap -}}
{{- end -}}

{{- define "amp-write-proxy.selectorLabels" -}}
app.kubernetes.io/name: {{ include "amp-write-proxy.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: proxy
{{- end -}}

{{- define "amp-write-proxy.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/name: {{ include "amp-write-proxy.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* metadata of a resource: (dict "root" $ "suffix" "-config" "component" "proxy" "labels" {} "annotations" {}) */}}
{{- define "amp-write-proxy.metadata" -}}
{{- $annotations := mergeOverwrite (dict) .root.Values.commonAnnotations (default (dict) .annotations) -}}
name: {{ include "amp-write-proxy.fullname" .root }}{{ default "" .suffix }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "amp-write-proxy.labels" .root | nindent 2 }}
  app.kubernetes.io/component: {{ default "proxy" .component }}
  {{- with .labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with $annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "amp-write-proxy.image" -}}
{{- $image := .Values.image -}}
{{- $repository := ternary $image.repository (printf "%s/%s" $image.registry $image.repository) (empty $image.registry) -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $repository $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $repository (default .Chart.AppVersion $image.tag) -}}
{{- end -}}
{{- end -}}
