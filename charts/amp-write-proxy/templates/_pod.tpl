{{- define "amp-write-proxy.container" -}}
image: {{ include "amp-write-proxy.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
args:
  - serve
  - --config
  - /etc/amp-write-proxy/config.yaml
  {{- with .Values.extraArgs }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
env:
  - name: NODE_OPTIONS
    value: {{ concat (list (printf "--max-old-space-size=%s" (include "amp-write-proxy.heapMiB" .))) .Values.nodeOptions | join " " | quote }}
  {{- with include "amp-write-proxy.identityEnv" . | trim }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- with .Values.extraEnv }}
  {{- tpl (toYaml .) $ | nindent 2 }}
  {{- end }}
{{- with .Values.extraEnvFrom }}
envFrom:
  {{- tpl (toYaml .) $ | nindent 2 }}
{{- end }}
ports:
  - name: write
    containerPort: {{ include "amp-write-proxy.writePort" . }}
    protocol: TCP
  - name: admin
    containerPort: {{ include "amp-write-proxy.adminPort" . }}
    protocol: TCP
{{- range $probe := list "startupProbe" "livenessProbe" "readinessProbe" }}
{{- with get $.Values $probe }}
{{ $probe }}:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- include "amp-write-proxy.preStop" . }}
{{- with .Values.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.securityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
volumeMounts:
  - name: config
    mountPath: /etc/amp-write-proxy
    readOnly: true
  {{- with include "amp-write-proxy.identityMount" . | trim }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- with .Values.extraVolumeMounts }}
  {{- tpl (toYaml .) $ | nindent 2 }}
  {{- end }}
{{- end -}}

{{/* The kubelet itself sleeps from Kubernetes 1.30 on; node does before. No shell either way. */}}
{{- define "amp-write-proxy.preStop" -}}
{{- $seconds := int .Values.preStopSleepSeconds -}}
{{- if gt $seconds 0 }}
lifecycle:
  preStop:
    {{- if semverCompare ">=1.30.0-0" .Capabilities.KubeVersion.Version }}
    sleep:
      seconds: {{ $seconds }}
    {{- else }}
    exec:
      command: [node, -e, {{ printf "setTimeout(() => {}, %d)" (mul $seconds 1000) | quote }}]
    {{- end }}
{{- end }}
{{- end -}}

{{- define "amp-write-proxy.spread" -}}
{{- range $key := list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
- maxSkew: 1
  topologyKey: {{ $key }}
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels:
      {{- include "amp-write-proxy.selectorLabels" $ | nindent 6 }}
  {{- if semverCompare ">=1.27.0-0" $.Capabilities.KubeVersion.Version }}
  matchLabelKeys: [pod-template-hash]
  {{- end }}
{{- end }}
{{- end -}}

{{/* Where and as what the pods run; in the pod of `helm test` too. */}}
{{- define "amp-write-proxy.placement" -}}
{{- range $key := list "nodeSelector" "tolerations" "affinity" "hostAliases" "dnsConfig" }}
{{- with get $.Values $key }}
{{ $key }}:
  {{- tpl (toYaml .) $ | nindent 2 }}
{{- end }}
{{- end }}
{{- range $key := list "priorityClassName" "runtimeClassName" "schedulerName" "dnsPolicy" }}
{{- with get $.Values $key }}
{{ $key }}: {{ . }}
{{- end }}
{{- end }}
{{- end -}}

{{/*
What the pod of `helm test` mounts, as JSON: of extraVolumeMounts only the files that its arguments name, each by itself,
so that it sees no key that lies beside them.
*/}}
{{- define "amp-write-proxy.testMounts" -}}
{{- $files := list -}}
{{- with dig "server" "auth" "bearer_token_file" "" .Values.config -}}{{- $files = append $files . -}}{{- end -}}
{{- range .Values.tests.extraArgs -}}
{{- if regexMatch "^(--[a-z-]+=)?/" . -}}{{- $files = append $files (regexReplaceAll "^--[a-z-]+=" . "") -}}{{- end -}}
{{- end -}}
{{- $mounts := list -}}
{{- if .Values.extraVolumeMounts -}}
{{- $given := tpl (toYaml .Values.extraVolumeMounts) . | fromYamlArray -}}
{{- range $file := uniq $files -}}
{{- range $mount := $given -}}
{{- $folder := printf "%s/" (trimSuffix "/" $mount.mountPath) -}}
{{- if or (eq $file $mount.mountPath) (and (hasPrefix $folder $file) $mount.subPathExpr) -}}
{{- $mounts = append $mounts $mount -}}
{{- else if hasPrefix $folder $file -}}
{{- $inVolume := trimPrefix $folder $file -}}
{{- if $mount.subPath -}}{{- $inVolume = printf "%s/%s" (trimSuffix "/" $mount.subPath) $inVolume -}}{{- end -}}
{{- $mounts = append $mounts (dict "name" $mount.name "mountPath" $file "subPath" $inVolume "readOnly" true) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- uniq $mounts | toJson -}}
{{- end -}}
