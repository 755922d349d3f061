{{- define "qflib.name" -}}
{{- printf "%s-%s" (.Release.Name | trunc 30 | trimSuffix "-") .Chart.Name -}}
{{- end -}}

{{/* A CronJob's, which may have 52 letters; alerts know both by "-qflib-". */}}
{{- define "qflib.cronName" -}}
{{- printf "%s-%s" (.Release.Name | trunc 24 | trimSuffix "-") .Chart.Name -}}
{{- end -}}

{{/* The stages that the desk has, a JSON array: as `Deployment.stages`, with ingest and the archive. */}}
{{- define "qflib.stages" -}}
{{- $made := list "ingest" "normalize" "exchange" "archive" -}}
{{- if .Values.desk.existingConfigMap -}}
{{- $made = concat $made .Values.desk.stages -}}
{{- else -}}
{{- $desk := .Values.desk.deployment | fromJson -}}
{{- if $desk.strategy }}{{ $made = append $made "strategy" }}{{ end -}}
{{- range $desk.promoted }}{{ $made = append $made (ternary "promoted_events" "promoted" .events) }}{{ end -}}
{{- if $desk.risk }}{{ $made = concat $made (list "exposures" "portfolio") }}{{ end -}}
{{- end -}}
{{- range $stage := $made -}}
{{- if not (hasKey $.Values.stages $stage) -}}
{{- fail (printf "the desk has the stage %s, and stages.%s says nothing of its pods" $stage $stage) -}}
{{- end -}}
{{- end -}}
{{- $made | uniq | toJson -}}
{{- end -}}

{{- define "qflib.labels" -}}
app.kubernetes.io/name: qflib
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/part-of: qflib
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{/* Selector labels: (dict "root" $ "component" "api") */}}
{{- define "qflib.selector" -}}
app.kubernetes.io/name: qflib
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "qflib.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{- define "qflib.bootstrap" -}}
{{- if .Values.kafka.bootstrap -}}
{{ .Values.kafka.bootstrap }}
{{- else if .Values.kafka.strimzi.enabled -}}
{{ include "qflib.name" . }}-kafka-bootstrap:9093
{{- else -}}
{{ fail "name an existing cluster in kafka.bootstrap, or have one made: kafka.strimzi.enabled" }}
{{- end -}}
{{- end -}}

{{/* Not empty where the cluster is this chart's, by Strimzi: then each process has a certificate and rights of its own. */}}
{{- define "qflib.strimzi" -}}
{{- if and .Values.kafka.strimzi.enabled (not .Values.kafka.bootstrap) -}}true{{- end -}}
{{- end -}}

{{- define "qflib.kafkaPort" -}}
{{- if include "qflib.strimzi" . -}}9093{{- else -}}{{ .Values.networkPolicy.kafkaPort }}{{- end -}}
{{- end -}}

{{/* Whose rights on Kafka a component has, of files/rights.yaml; empty: it asks Kafka nothing. */}}
{{- define "qflib.process" -}}
{{- $other := dict "dashboard" "dash" "topics" "desk" "audit" "desk" "job" "" "migrate" "" "tend" "" -}}
{{- if hasKey $other . -}}{{ index $other . }}{{- else -}}{{ . }}{{- end -}}
{{- end -}}

{{- define "qflib.user" -}}
{{ include "qflib.name" .root }}-{{ .process | replace "_" "-" }}
{{- end -}}

{{- define "qflib.deployment" -}}
{{ .Values.desk.existingConfigMap | default (printf "%s-desk" (include "qflib.name" .)) }}
{{- end -}}

{{- define "qflib.claim" -}}
{{ .Values.history.existingClaim | default (printf "%s-history" (include "qflib.name" .)) }}
{{- end -}}

{{/* Where the outputs of jobs lie: in the history's claim where there is one. */}}
{{- define "qflib.reports" -}}
{{- if .Values.reports.existingClaim -}}
{{ .Values.reports.existingClaim }}
{{- else if .Values.history.enabled -}}
{{ include "qflib.claim" . }}
{{- else -}}
{{ include "qflib.name" . }}-reports
{{- end -}}
{{- end -}}

{{/* Not empty where days are dropped that need not be kept: of files by a job; PostgreSQL's the archive drops itself. */}}
{{- define "qflib.tended" -}}
{{- $told := .Values.desk.settings -}}
{{- if and (hasKey $told "QFLIB_STORE__RETENTION_DAYS") (or .Values.history.enabled (hasKey $told "QFLIB_STORE__URL")) -}}true{{- end -}}
{{- end -}}

{{- define "qflib.apiScheme" -}}
{{- if .Values.api.tlsSecret -}}https{{- else -}}http{{- end -}}
{{- end -}}

{{/* What every pod has beside its containers: (dict "root" $ "component" "api" "history" "ro") */}}
{{- define "qflib.pod" -}}
{{- $root := .root -}}
serviceAccountName: {{ include "qflib.name" $root }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with $root.Values.image.pullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $root.Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $root.Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $root.Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile: {type: RuntimeDefault}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- include "qflib.selector" . | nindent 8 }}
volumes:
  - name: tmp
    emptyDir: {sizeLimit: 256Mi}
  - name: data
    emptyDir: {sizeLimit: 1Gi}
  - name: desk
    configMap: {name: {{ include "qflib.deployment" $root }}}
  {{- if $root.Values.history.enabled }}
  - name: history
    persistentVolumeClaim: {claimName: {{ include "qflib.claim" $root }}}
  {{- end }}
  {{- if and $root.Values.api.keysSecret .keys }}
  - name: keys
    secret: {secretName: {{ $root.Values.api.keysSecret }}, defaultMode: 0440}
  {{- end }}
  {{- if .reports }}
  - name: reports
    persistentVolumeClaim: {claimName: {{ include "qflib.reports" $root }}}
  {{- end }}
  {{- range $n, $file := $root.Values.desk.files }}
  - name: files-{{ $n }}
    secret: {secretName: {{ $file.secretName }}, defaultMode: 0440}
  {{- end }}
  {{- if and (eq .component "api") $root.Values.api.tlsSecret }}
  - name: tls
    secret: {secretName: {{ $root.Values.api.tlsSecret }}, defaultMode: 0440}
  {{- end }}
  {{- if and (include "qflib.strimzi" $root) (include "qflib.process" .component) }}
  - name: kafka
    projected:
      defaultMode: 0440
      sources:
        - secret: {name: {{ include "qflib.name" $root }}-cluster-ca-cert, items: [{key: ca.crt, path: ca.crt}]}
        - secret:
            name: {{ include "qflib.user" (dict "root" $root "process" (include "qflib.process" .component)) }}
            items: [{key: user.crt, path: user.crt}, {key: user.key, path: user.key}]
  {{- end }}
{{- end -}}

{{/* What every container has: (dict "root" $ "component" "api" "history" "ro"); "reports": "rw" where it meets jobs' */}}
{{- define "qflib.container" -}}
{{- $root := .root -}}
image: {{ include "qflib.image" $root | quote }}
imagePullPolicy: {{ $root.Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
envFrom:
  - configMapRef: {name: {{ include "qflib.name" $root }}-settings}
  {{- range $root.Values.desk.secrets }}
  - secretRef: {name: {{ . }}}
  {{- end }}
  {{- with .secret }}
  - secretRef: {name: {{ . }}}
  {{- end }}
volumeMounts:
  - {name: tmp, mountPath: /tmp}
  - {name: data, mountPath: /data}
  - {name: data, mountPath: /data/up, subPath: up}  # else the runtime makes it, as root, for the mounts below
  - {name: desk, mountPath: /data/up/deployment.json, subPath: deployment.json, readOnly: true}
  {{- if $root.Values.history.enabled }}
  - {name: history, mountPath: /data/up/history, subPath: history{{ if eq .history "ro" }}, readOnly: true{{ end }}}
  {{- end }}
  {{- if and $root.Values.api.keysSecret .keys }}
  - {name: keys, mountPath: /etc/qflib/keys, readOnly: true}  # whole: a file of it alone would stay as it is now
  {{- end }}
  {{- if .reports }}
  - {name: reports, mountPath: /data/jobs, subPath: jobs{{ if eq .reports "ro" }}, readOnly: true{{ end }}}
  {{- end }}
  {{- range $n, $file := $root.Values.desk.files }}
  - {name: files-{{ $n }}, mountPath: {{ $file.mountPath | quote }}, readOnly: true}
  {{- end }}
  {{- if and (eq .component "api") $root.Values.api.tlsSecret }}
  - {name: tls, mountPath: /etc/qflib/tls, readOnly: true}
  {{- end }}
  {{- if and (include "qflib.strimzi" $root) (include "qflib.process" .component) }}
  - {name: kafka, mountPath: /etc/qflib/kafka, readOnly: true}
  {{- end }}
{{- end -}}

{{- define "qflib.metricsProbes" -}}
ports:
  - {name: metrics, containerPort: 9400}
startupProbe:
  httpGet: {path: /metrics, port: metrics}
  periodSeconds: 2
  failureThreshold: 90
livenessProbe:
  httpGet: {path: /metrics, port: metrics}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 3
{{- end -}}
