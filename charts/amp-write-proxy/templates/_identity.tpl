{{/* One of irsa-webhook, irsa-projected, pod-identity, secret. */}}
{{- define "amp-write-proxy.identity" -}}
{{- ternary "irsa-webhook" .Values.aws.identity (eq .Values.aws.identity "irsa") -}}
{{- end -}}

{{- define "amp-write-proxy.serviceAccountAnnotations" -}}
{{- $annotations := deepCopy .Values.serviceAccount.annotations -}}
{{- if and (eq (include "amp-write-proxy.identity" .) "irsa-webhook") .Values.aws.roleArn -}}
{{- $_ := set $annotations "eks.amazonaws.com/role-arn" .Values.aws.roleArn -}}
{{- end -}}
{{- if $annotations -}}
{{- toYaml $annotations -}}
{{- end -}}
{{- end -}}

{{/* Environment of the container: what identifies it to AWS. */}}
{{- define "amp-write-proxy.identityEnv" -}}
{{- $identity := include "amp-write-proxy.identity" . -}}
{{- with .Values.aws.region }}
- name: AWS_REGION
  value: {{ . | quote }}
{{- end }}
{{- $given := false -}}
{{- range .Values.extraEnv }}{{- if eq (toString .name) "AWS_EC2_METADATA_DISABLED" }}{{- $given = true }}{{- end }}{{- end }}
{{- if not $given }}
# Where this identity fails, the node's role must not take its place.
- name: AWS_EC2_METADATA_DISABLED
  value: "true"
{{- end }}
{{- if hasPrefix "irsa" $identity }}
- name: AWS_STS_REGIONAL_ENDPOINTS
  value: regional
{{- end }}
{{- if eq $identity "irsa-projected" }}
- name: AWS_ROLE_ARN
  value: {{ .Values.aws.roleArn | quote }}
- name: AWS_WEB_IDENTITY_TOKEN_FILE
  value: /var/run/secrets/amp-write-proxy/token
{{- else if eq $identity "secret" }}
{{- with .Values.aws.secret }}
- name: AWS_ACCESS_KEY_ID
  valueFrom:
    secretKeyRef:
      name: {{ .name | quote }}
      key: {{ .accessKeyIdKey | quote }}
- name: AWS_SECRET_ACCESS_KEY
  valueFrom:
    secretKeyRef:
      name: {{ .name | quote }}
      key: {{ .secretAccessKeyKey | quote }}
{{- if .sessionTokenKey }}
- name: AWS_SESSION_TOKEN
  valueFrom:
    secretKeyRef:
      name: {{ .name | quote }}
      key: {{ .sessionTokenKey | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "amp-write-proxy.identityVolume" -}}
{{- if eq (include "amp-write-proxy.identity" .) "irsa-projected" }}
- name: aws-token
  projected:
    # 0440, which YAML 1.2 would read as a decimal number.
    defaultMode: 288
    sources:
      - serviceAccountToken:
          audience: {{ .Values.aws.tokenAudience | quote }}
          expirationSeconds: {{ .Values.aws.tokenExpirationSeconds | int64 }}
          path: token
{{- end }}
{{- end -}}

{{- define "amp-write-proxy.identityMount" -}}
{{- if eq (include "amp-write-proxy.identity" .) "irsa-projected" }}
- name: aws-token
  mountPath: /var/run/secrets/amp-write-proxy
  readOnly: true
{{- end }}
{{- end -}}
