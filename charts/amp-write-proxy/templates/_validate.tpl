{{/* Combinations of values that cannot work, or that do something else than they say: a sentence each. */}}
{{- define "amp-write-proxy.validate" -}}
{{- $values := .Values -}}
{{- $identity := include "amp-write-proxy.identity" . -}}
{{- if not $values.config.remote_write -}}
{{- fail "config.remote_write is empty: name the remote write URL of your workspace, as in config: {remote_write: [{url: https://aps-workspaces.REGION.amazonaws.com/workspaces/WORKSPACE/api/v1/remote_write}]}; amp-write-proxy bootstrap prints it" -}}
{{- end -}}
{{- range $index, $entry := $values.config.remote_write -}}
{{- $sigv4 := default (dict) $entry.sigv4 -}}
{{- range $key := list "access_key" "secret_key" -}}
{{- $text := toString (default "" (get $sigv4 $key)) -}}
{{- if and $text (not (contains "${" $text)) -}}
{{- fail (printf "config.remote_write[%d].sigv4.%s would stand in a ConfigMap for everybody to read: use aws.identity: secret, or ${VAR} and extraEnv from a Secret" $index $key) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $annotated := hasKey $values.serviceAccount.annotations "eks.amazonaws.com/role-arn" -}}
{{- if eq $identity "irsa-webhook" -}}
{{- if and $values.serviceAccount.create (not $values.aws.roleArn) (not $annotated) -}}
{{- fail "aws.identity is irsa-webhook and no role is named: set aws.roleArn, or the annotation eks.amazonaws.com/role-arn in serviceAccount.annotations, or serviceAccount.create: false for an account that has it" -}}
{{- end -}}
{{- if and $annotated $values.aws.roleArn (ne $values.aws.roleArn (get $values.serviceAccount.annotations "eks.amazonaws.com/role-arn")) -}}
{{- fail (printf "aws.roleArn is %s and serviceAccount.annotations names %s: remove one of them" $values.aws.roleArn (get $values.serviceAccount.annotations "eks.amazonaws.com/role-arn")) -}}
{{- end -}}
{{- else -}}
{{- if $annotated -}}
{{- fail (printf "aws.identity is %s, and serviceAccount.annotations has eks.amazonaws.com/role-arn, which the webhook would follow as well: remove the annotation, or set aws.identity: irsa-webhook" $identity) -}}
{{- end -}}
{{- end -}}
{{- if and (eq $identity "irsa-projected") (not $values.aws.roleArn) -}}
{{- fail "aws.identity is irsa-projected and aws.roleArn is empty: name the role that the token is exchanged for" -}}
{{- end -}}
{{- if and (eq $identity "secret") (not $values.aws.secret.name) -}}
{{- fail "aws.identity is secret and aws.secret.name is empty: name the Secret that holds the keys" -}}
{{- end -}}
{{- if and $values.aws.secret.name (ne $identity "secret") -}}
{{- fail (printf "aws.secret.name is %s and aws.identity is %s, which does not use it: set aws.identity: secret, or remove the name" $values.aws.secret.name $identity) -}}
{{- end -}}
{{- range $values.extraEnv -}}
{{- if eq (toString .name) "NODE_OPTIONS" -}}
{{- fail "extraEnv sets NODE_OPTIONS, which carries --max-old-space-size: use nodeOptions" -}}
{{- end -}}
{{- end -}}
{{- include "amp-write-proxy.validateScaling" . -}}
{{- if and $values.serviceMonitor.enabled $values.podMonitor.enabled -}}
{{- fail "serviceMonitor.enabled and podMonitor.enabled are both true: every sample would be scraped twice; keep one" -}}
{{- end -}}
{{- if eq (include "amp-write-proxy.writePort" .) (include "amp-write-proxy.adminPort" .) -}}
{{- fail (printf "config.server.listen and config.server.admin_listen both take port %s: give one of them another" (include "amp-write-proxy.adminPort" .)) -}}
{{- end -}}
{{- if and $values.service.trafficDistribution (semverCompare "<1.31.0-0" .Capabilities.KubeVersion.Version) -}}
{{- fail (printf "service.trafficDistribution needs Kubernetes 1.31 and this is %s: leave it empty" .Capabilities.KubeVersion.Version) -}}
{{- end -}}
{{- if and $values.service.trafficDistribution (eq $values.service.internalTrafficPolicy "Local") -}}
{{- fail (printf "service.internalTrafficPolicy is Local, so that service.trafficDistribution %s has no effect: keep one" $values.service.trafficDistribution) -}}
{{- end -}}
{{- end -}}

{{- define "amp-write-proxy.validateScaling" -}}
{{- $hpa := .Values.autoscaling -}}
{{- $keda := .Values.keda -}}
{{- $budget := .Values.podDisruptionBudget -}}
{{- if and $hpa.enabled $keda.enabled -}}
{{- fail "autoscaling.enabled and keda.enabled are both true: two scalers would fight over the Deployment; keep one" -}}
{{- end -}}
{{- if and $hpa.enabled (not $hpa.targetCPUUtilizationPercentage) (not $hpa.targetSamplesPending) (not $hpa.extraMetrics) -}}
{{- fail "autoscaling is enabled without a metric: set targetCPUUtilizationPercentage, targetSamplesPending or extraMetrics" -}}
{{- end -}}
{{- if and $keda.enabled (not $keda.cpuUtilization) (not $keda.prometheus.serverAddress) (not $keda.extraTriggers) -}}
{{- fail "keda is enabled without a trigger: set cpuUtilization, prometheus.serverAddress or extraTriggers" -}}
{{- end -}}
{{- $usesCpu := or (and $hpa.enabled $hpa.targetCPUUtilizationPercentage) (and $keda.enabled $keda.cpuUtilization) -}}
{{- if and $usesCpu (not (dig "requests" "cpu" "" .Values.resources)) -}}
{{- fail "the pods are scaled on a percentage of resources.requests.cpu, which is not set: set it" -}}
{{- end -}}
{{- range $name, $scaler := dict "autoscaling" $hpa "keda" $keda -}}
{{- if and $scaler.enabled (gt (int $scaler.minReplicas) (int $scaler.maxReplicas)) -}}
{{- fail (printf "%s.minReplicas is %d and maxReplicas is %d: the least must not be above the most" $name (int $scaler.minReplicas) (int $scaler.maxReplicas)) -}}
{{- end -}}
{{- end -}}
{{- $least := int (ternary $hpa.minReplicas (ternary $keda.minReplicas .Values.replicaCount $keda.enabled) $hpa.enabled) -}}
{{- $minAvailable := toString $budget.minAvailable -}}
{{- if and $budget.enabled (regexMatch "^[0-9]+$" $minAvailable) (ge (int $minAvailable) $least) -}}
{{- fail (printf "podDisruptionBudget.minAvailable is %s and there are %d pods: no node could ever be drained; lower it, or run more pods" $minAvailable $least) -}}
{{- end -}}
{{- end -}}
