{{/* What no schema can tell: values that do not fit each other are refused by a sentence. */}}
{{- define "qflib.checks" -}}
{{- $partitions := int .Values.kafka.partitions -}}
{{- if not .Values.desk.existingConfigMap -}}
{{- $desk := required "desk.deployment is empty: --set-file desk.deployment=runs/up/deployment.json" .Values.desk.deployment | fromJson -}}
{{- if or (hasKey $desk "Error") (not $desk.partitions) (not $desk.instruments) -}}
{{- fail "desk.deployment is no desk's file: --set-file desk.deployment=runs/up/deployment.json" -}}
{{- end -}}
{{- if ne (int $desk.partitions) $partitions -}}
{{- fail (printf "desk.deployment was written for %d partitions, and kafka.partitions is %d: write it with QFLIB_BROKER__PARTITIONS=%d and --fresh" (int $desk.partitions) $partitions $partitions) -}}
{{- end -}}
{{- $needed := list -}}
{{- range $desk.promoted }}{{ $needed = append $needed .path }}{{ end -}}
{{- range $key := list "file" "signals" -}}
{{- with index ($desk.feed | default dict) $key }}{{ $needed = append $needed . }}{{ end -}}
{{- end -}}
{{- range $path := $needed -}}
{{- $there := hasPrefix "/app/" $path -}}
{{- range $.Values.desk.files -}}
{{- if hasPrefix (printf "%s/" (trimSuffix "/" .mountPath)) $path }}{{ $there = true }}{{ end -}}
{{- end -}}
{{- if not $there -}}
{{- fail (printf "desk.deployment needs %s, which no pod has: mount a Secret of that folder's files there by desk.files, or write the file without it (--steps none)" $path) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $stage, $told := .Values.stages -}}
{{- if gt (int $told.replicas) $partitions -}}
{{- fail (printf "stages.%s.replicas is %d: a worker without a partition does nothing; kafka.partitions is %d" $stage (int $told.replicas) $partitions) -}}
{{- end -}}
{{- if and $told.max (lt (int $told.max) (int $told.replicas)) -}}
{{- fail (printf "stages.%s.max is %d, below its %d replicas: raise the one, or lower the others" $stage (int $told.max) (int $told.replicas)) -}}
{{- end -}}
{{- end -}}
{{- range $face := list "api" "dashboard" -}}
{{- $told := index $.Values $face -}}
{{- if lt (int $told.max) (int $told.replicas) -}}
{{- fail (printf "%s.max is %d, below its %d replicas: raise the one, or lower the others" $face (int $told.max) (int $told.replicas)) -}}
{{- end -}}
{{- end -}}
{{- with .Values.dashboard -}}
{{- $sticky := eq (toString (get (.ingress.annotations | default dict) "nginx.ingress.kubernetes.io/affinity")) "cookie" -}}
{{- if and .enabled .ingress.enabled (eq .ingress.className "nginx") (gt (int .max) 1) (not $sticky) -}}
{{- fail (printf "dashboard.max is %d, and a login is known to the pod that took it: give dashboard.ingress.annotations nginx.ingress.kubernetes.io/affinity: cookie, or set max to 1" (int .max)) -}}
{{- end -}}
{{- end -}}
{{- if and (include "qflib.strimzi" .) (gt (int .Values.kafka.replication) (int .Values.kafka.strimzi.brokers)) -}}
{{- fail (printf "kafka.replication is %d: a copy lies on a broker of its own, and kafka.strimzi.brokers is %d" (int .Values.kafka.replication) (int .Values.kafka.strimzi.brokers)) -}}
{{- end -}}
{{- if and .Values.autoscaling.keda (not .Values.monitoring.serviceMonitor) -}}
{{- fail "autoscaling.keda asks Prometheus for the lag, which nobody scrapes: set monitoring.serviceMonitor" -}}
{{- end -}}
{{- if and (hasKey .Values.desk.settings "QFLIB_API__TLS_CERTIFICATE") (not .Values.api.tlsSecret) -}}
{{- fail "desk.settings has a certificate of the API, and probes would ask it by HTTP: name its Secret in api.tlsSecret instead" -}}
{{- end -}}
{{- if not (or .Values.history.enabled .Values.desk.secrets (hasKey .Values.desk.settings "QFLIB_STORE__URL")) -}}
{{- fail "history.enabled is false, and nothing says where the history is instead: a Secret of desk.secrets with QFLIB_STORE__DSN, or desk.settings with QFLIB_STORE__URL" -}}
{{- end -}}
{{- end -}}
