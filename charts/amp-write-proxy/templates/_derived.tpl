{{/* A memory quantity in MiB, whole, rounded down. */}}
{{- define "amp-write-proxy.memoryMiB" -}}
{{- $memory := toString (dig "limits" "memory" "" .Values.resources) -}}
{{- if not (regexMatch "^[0-9]+([.][0-9]+)?(Ki|Mi|Gi|k|M|G)?$" $memory) -}}
{{- fail (printf "resources.limits.memory is %q: set it to a quantity such as 512Mi, for the heap and the limits of requests in flight are derived from it" $memory) -}}
{{- end -}}
{{- $number := regexFind "^[0-9.]+" $memory | float64 -}}
{{- $bytes := get (dict "" 1 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "k" 1000 "M" 1000000 "G" 1000000000) (regexFind "[A-Za-z]*$" $memory) -}}
{{- $mib := divf (mulf $number $bytes) 1048576 | floor | int -}}
{{- if lt $mib 384 -}}
{{- fail (printf "resources.limits.memory is %s: the proxy needs 384Mi at least" $memory) -}}
{{- end -}}
{{- $mib -}}
{{- end -}}

{{/* config.server.workers as a number; auto is the CPU limit, rounded up, as it is in the container. */}}
{{- define "amp-write-proxy.workers" -}}
{{- $given := include "amp-write-proxy.given" (list . "server" "workers") | default "1" -}}
{{- if eq $given "auto" -}}
{{- $cpu := toString (dig "limits" "cpu" "" .Values.resources) -}}
{{- if not (regexMatch "^[0-9]+([.][0-9]+)?m?$" $cpu) -}}
{{- fail (printf "config.server.workers is auto and resources.limits.cpu is %q: there would be a worker for every processor of the node, whatever the memory; set a CPU limit, or a number of workers" $cpu) -}}
{{- end -}}
{{- $number := regexFind "^[0-9.]+" $cpu | float64 -}}
{{- max 1 (ceil (ternary (divf $number 1000) $number (hasSuffix "m" $cpu)) | int) -}}
{{- else if regexMatch "^[1-9][0-9]*$" $given -}}
{{- $given -}}
{{- else -}}
{{- fail (printf "config.server.workers is %q: give it a number that is known before the start, or auto, for the memory of each worker is derived from it" $given) -}}
{{- end -}}
{{- end -}}

{{/* What one process with a pipeline may take: all of it, or with workers a part of what the primary leaves. */}}
{{- define "amp-write-proxy.pipelineMiB" -}}
{{- $mib := include "amp-write-proxy.memoryMiB" . | int -}}
{{- $workers := include "amp-write-proxy.workers" . | int -}}
{{- if eq $workers 1 -}}
{{- $mib -}}
{{- else -}}
{{- $needed := add 96 (mul $workers 256) -}}
{{- if lt $mib (int $needed) -}}
{{- fail (printf "resources.limits.memory is %s and config.server.workers is %d: they need %dMi at least, 256Mi each and 96Mi for the process above them; raise it, or run more pods" (toString .Values.resources.limits.memory) $workers (int $needed)) -}}
{{- end -}}
{{- div (sub $mib 96) $workers -}}
{{- end -}}
{{- end -}}

{{/*
30 % of what a process may take. Node itself takes some 100 MiB beside it; the rest is for bodies (20 %), the kernel's
memory (12 % and one body) and joined requests on their way.
*/}}
{{- define "amp-write-proxy.heapMiB" -}}
{{- div (mul (include "amp-write-proxy.pipelineMiB" . | int) 30) 100 -}}
{{- end -}}

{{/* The configuration file: what is derived, under what is given. */}}
{{- define "amp-write-proxy.config" -}}
{{- $mib := include "amp-write-proxy.pipelineMiB" . | int -}}
{{- $workers := include "amp-write-proxy.workers" . | int -}}
{{- $limits := dict
      "max_body_bytes" (printf "%dMiB" (min 10 (div $mib 32)))
      "max_decoded_bytes" (printf "%dMiB" (min 1024 (div $mib 8)))
      "max_inflight_bytes" (printf "%dMiB" (min 1024 (mul $workers (div $mib 5)))) -}}
{{- $server := dict "listen" "[::]:8005" "admin_listen" "[::]:8006" -}}
{{- $config := mustMergeOverwrite (dict "server" $server "limits" $limits) (deepCopy .Values.config) -}}
{{- if kindIs "map" $config.server -}}
{{- $hosts := concat (include "amp-write-proxy.adminNames" . | fromJsonArray) (default (list) $config.server.admin_hosts) -}}
{{- $_ := set $config.server "admin_hosts" (uniq $hosts) -}}
{{- end -}}
{{- toYaml $config -}}
{{- end -}}

{{/* The names of the Service of the admin port, as JSON. */}}
{{- define "amp-write-proxy.adminNames" -}}
{{- $name := printf "%s-admin" (include "amp-write-proxy.fullname" .) -}}
{{- $namespace := .Release.Namespace -}}
{{- list $name (printf "%s.%s" $name $namespace) (printf "%s.%s.svc" $name $namespace) (printf "%s.%s.svc.cluster.local" $name $namespace) | toJson -}}
{{- end -}}

{{/* `true` where a NetworkPolicy is made: as networkPolicy.enabled says, or where the values say who writes. */}}
{{- define "amp-write-proxy.networkPolicyOn" -}}
{{- $policy := .Values.networkPolicy -}}
{{- if kindIs "bool" $policy.enabled -}}
{{- if $policy.enabled -}}true{{- end -}}
{{- else if $policy.senderNamespaces -}}
true
{{- end -}}
{{- end -}}

{{/* `true` where the proxy itself asks senders who they are. */}}
{{- define "amp-write-proxy.asksSenders" -}}
{{- if or (dig "server" "auth" "" .Values.config) (dig "server" "tls" "client_ca_file" "" .Values.config) -}}true{{- end -}}
{{- end -}}

{{/* A warning, where nothing says who may write. */}}
{{- define "amp-write-proxy.whoMayWrite" -}}
{{- if not (include "amp-write-proxy.asksSenders" .) -}}
{{- if not (include "amp-write-proxy.networkPolicyOn" .) -}}
Everybody who reaches the Service may write, from every namespace, and whoever reaches the admin port may read it. Name who
writes in networkPolicy.senderNamespaces, or set config.server.auth.
{{- else if not .Values.networkPolicy.senderNamespaces -}}
Pods of every namespace may write. Name who writes in networkPolicy.senderNamespaces, or set config.server.auth.
{{- end -}}
{{- end -}}
{{- end -}}

{{/* A key of a section of the configuration, '' where it is not given: (list $ "server" "listen") */}}
{{- define "amp-write-proxy.given" -}}
{{- $section := default (dict) (get (index . 0).Values.config (index . 1)) -}}
{{- if hasKey $section (index . 2) -}}
{{- $value := get $section (index . 2) -}}
{{- if not (kindIs "invalid" $value) -}}{{- toString $value -}}{{- end -}}
{{- end -}}
{{- end -}}

{{/* Port of server.listen or server.admin_listen: (list $ "listen" "8005") */}}
{{- define "amp-write-proxy.port" -}}
{{- $address := include "amp-write-proxy.given" (list (index . 0) "server" (index . 1)) | default (printf "[::]:%s" (index . 2)) -}}
{{- $port := regexFind "[0-9]+$" $address -}}
{{- if or (empty $port) (eq (int $port) 0) -}}
{{- fail (printf "config.server.%s is %q: give it a port that is known before the start, for the Service and the probes need it" (index . 1) $address) -}}
{{- end -}}
{{- if regexMatch "^(127[.]|localhost:|\\[::1\\])" $address -}}
{{- fail (printf "config.server.%s is %q: nobody outside the pod reaches it; use 0.0.0.0 or [::]" (index . 1) $address) -}}
{{- end -}}
{{- $port -}}
{{- end -}}

{{- define "amp-write-proxy.writePort" -}}
{{- include "amp-write-proxy.port" (list . "listen" "8005") -}}
{{- end -}}

{{- define "amp-write-proxy.adminPort" -}}
{{- include "amp-write-proxy.port" (list . "admin_listen" "8006") -}}
{{- end -}}

{{- define "amp-write-proxy.servicePort" -}}
{{- default (include "amp-write-proxy.writePort" .) (ternary "" (toString .Values.service.port) (eq (int .Values.service.port) 0)) -}}
{{- end -}}

{{- define "amp-write-proxy.tls" -}}
{{- if dig "server" "tls" "" .Values.config -}}true{{- end -}}
{{- end -}}

{{/* server.shutdown_timeout in seconds, rounded up. */}}
{{- define "amp-write-proxy.shutdownSeconds" -}}
{{- $text := include "amp-write-proxy.given" (list . "server" "shutdown_timeout") | default "30s" -}}
{{- if not (regexMatch "^([0-9]+(ms|[smhdwy]))+$" $text) -}}
{{- fail (printf "config.server.shutdown_timeout is %q: write it as a duration such as 30s, for terminationGracePeriodSeconds is derived from it" $text) -}}
{{- end -}}
{{- $milliseconds := 0 -}}
{{- $units := dict "ms" 1 "s" 1000 "m" 60000 "h" 3600000 "d" 86400000 "w" 604800000 "y" 31536000000 -}}
{{- range regexFindAll "[0-9]+(ms|[smhdwy])" $text -1 -}}
{{- $milliseconds = add $milliseconds (mul (regexFind "^[0-9]+" . | int64) (get $units (regexFind "[a-z]+$" .) | int64)) -}}
{{- end -}}
{{- div (add $milliseconds 999) 1000 -}}
{{- end -}}

{{- define "amp-write-proxy.gracePeriodSeconds" -}}
{{- $needed := add (int .Values.preStopSleepSeconds) (include "amp-write-proxy.shutdownSeconds" . | int) 5 -}}
{{- $given := .Values.terminationGracePeriodSeconds -}}
{{- if kindIs "invalid" $given -}}
{{- $needed -}}
{{- else if lt (int $given) (int $needed) -}}
{{- fail (printf "terminationGracePeriodSeconds is %d: requests in flight would be cut off; it must be %d at least (preStopSleepSeconds, config.server.shutdown_timeout and 5 s), or null to derive it" (int $given) (int $needed)) -}}
{{- else -}}
{{- int $given -}}
{{- end -}}
{{- end -}}
