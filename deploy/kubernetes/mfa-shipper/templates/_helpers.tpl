{{/* Names. */}}
{{- define "mfa-shipper.name" -}}
{{- $name := contains .Chart.Name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name .Chart.Name) -}}
{{ $name | trunc 50 | trimSuffix "-" }}
{{- end }}

{{/* What selects the pods: never changes in the life of a release. */}}
{{- define "mfa-shipper.selector" -}}
app.kubernetes.io/name: mfa-shipper
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "mfa-shipper.labels" -}}
{{ include "mfa-shipper.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/component: {{ .Values.form }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{/* The image: by digest where one is given. */}}
{{- define "mfa-shipper.image" -}}
{{- $tag := .Values.image.tag | default (printf "%s-%s" .Chart.AppVersion (eq .Values.form "detect" | ternary "detect" "fast")) -}}
{{ .Values.image.repository }}{{ if .Values.image.digest }}@{{ .Values.image.digest }}{{ else }}:{{ $tag }}{{ end }}
{{- end }}

{{/* The file that mfa-shipper reads. What depends on the pod's volumes and ports is the chart's. */}}
{{- define "mfa-shipper.config" -}}
{{- $config := deepCopy .Values.config -}}
{{- $_ := set $config "state_dir" "/var/lib/mfa-shipper" -}}
{{- $_ := set $config "metrics" (dict "listen" "0.0.0.0:9108") -}}
{{- $config = merge $config (dict "log" (dict "format" "json")) -}}
{{- if eq .Values.form "detect" -}}
{{- $config = merge $config (dict "detect" dict) -}}
{{- else if not $config.inputs -}}
{{- $_ := set $config "inputs" (list (dict "path" "/var/log/mfa/*.log*")) -}}
{{- end -}}
{{ toYaml $config }}
{{- end }}

{{/* The container, the same in every form. */}}
{{- define "mfa-shipper.container" -}}
name: mfa-shipper
image: {{ include "mfa-shipper.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
args: [{{ eq .Values.form "detect" | ternary "detect" "run" }}, --config, /etc/mfa-shipper/config.yaml]
env:
  - name: NODE_NAME
    valueFrom: {fieldRef: {fieldPath: spec.nodeName}}
  - name: POD_NAME
    valueFrom: {fieldRef: {fieldPath: metadata.name}}
ports:
  - {name: metrics, containerPort: 9108}
startupProbe:
  httpGet: {path: /healthz, port: metrics}
  periodSeconds: 5
  failureThreshold: 60
livenessProbe:
  httpGet: {path: /healthz, port: metrics}
  periodSeconds: 15
  timeoutSeconds: 5
  failureThreshold: 4
readinessProbe:
  httpGet: {path: /readyz, port: metrics}
  periodSeconds: 10
  timeoutSeconds: 5
resources: {{- toYaml .Values.resources | nindent 2 }}
securityContext:
  allowPrivilegeEscalation: false
  capabilities: {drop: [ALL]}
  readOnlyRootFilesystem: true
volumeMounts:
  - {name: config, mountPath: /etc/mfa-shipper, readOnly: true}
  - {name: state, mountPath: /var/lib/mfa-shipper}
  {{- if ne .Values.form "detect" }}
  - {name: logs, mountPath: /var/log/mfa, readOnly: true}
  {{- end }}
  {{- if .Values.secret }}
  - {name: secrets, mountPath: /run/secrets/mfa-shipper, readOnly: true}
  {{- end }}
{{- end }}

{{/* Everything of a pod's template but the volume of the state, which StatefulSets claim. */}}
{{- define "mfa-shipper.pod" -}}
metadata:
  labels: {{- merge (include "mfa-shipper.labels" . | fromYaml) .Values.podLabels | toYaml | nindent 4 }}
  annotations:
    checksum/config: {{ include "mfa-shipper.config" . | sha256sum }}
    {{- with .Values.podAnnotations }}{{ toYaml . | nindent 4 }}{{ end }}
spec:
  serviceAccountName: {{ include "mfa-shipper.name" . }}
  automountServiceAccountToken: false
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  terminationGracePeriodSeconds: {{ .Values.terminationGracePeriodSeconds }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 10001
    runAsGroup: 10001
    fsGroup: 10001
    {{- with .Values.logs.groups }}
    supplementalGroups: {{- toYaml . | nindent 6 }}
    {{- end }}
    seccompProfile: {type: RuntimeDefault}
  {{- if eq .Values.form "daemonset" }}
  initContainers:
    # A folder of the node belongs to root when the kubelet has made it.
    - name: own-state
      image: {{ include "mfa-shipper.image" . }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      command: [python, -c, "import os; os.chown('/var/lib/mfa-shipper', 10001, 10001)"]
      resources: {{- toYaml .Values.resources | nindent 8 }}
      securityContext:
        runAsNonRoot: false
        runAsUser: 0
        allowPrivilegeEscalation: false
        capabilities: {drop: [ALL], add: [CHOWN]}
        readOnlyRootFilesystem: true
      volumeMounts:
        - {name: state, mountPath: /var/lib/mfa-shipper}
  {{- end }}
  containers:
    - {{- include "mfa-shipper.container" . | nindent 6 }}
    {{- if eq .Values.form "sidecar" }}{{ with .Values.containers }}{{ toYaml . | nindent 4 }}{{ end }}{{ end }}
  {{- with .Values.nodeSelector }}
  nodeSelector: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if .Values.affinity }}
  affinity: {{- toYaml .Values.affinity | nindent 4 }}
  {{- else if ne .Values.form "daemonset" }}
  affinity:
    podAntiAffinity:
      preferredDuringSchedulingIgnoredDuringExecution:
        - weight: 100
          podAffinityTerm:
            topologyKey: kubernetes.io/hostname
            labelSelector:
              matchLabels: {{- include "mfa-shipper.selector" . | nindent 16 }}
  {{- end }}
  volumes:
    - name: config
      configMap: {name: {{ include "mfa-shipper.name" . }}}
    {{- if .Values.secret }}
    - name: secrets
      secret: {secretName: {{ .Values.secret }}, defaultMode: 0440}
    {{- end }}
    {{- if .Values.logs.volume }}
    - name: logs
      {{- toYaml .Values.logs.volume | nindent 6 }}
    {{- else if eq .Values.form "daemonset" }}
    - name: logs
      hostPath: {path: /var/log/mfa, type: DirectoryOrCreate}
    {{- else if eq .Values.form "sidecar" }}
    - name: logs
      emptyDir: {}
    {{- end }}
    {{- if eq .Values.form "daemonset" }}
    - name: state
      hostPath: {path: {{ .Values.state.hostPath }}, type: DirectoryOrCreate}
    {{- end }}
{{- end }}
