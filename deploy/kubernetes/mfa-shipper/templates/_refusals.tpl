{{/* What fits the schema and cannot work: a sentence in place of pods that never become ready, or send everything twice. */}}
{{- define "mfa-shipper.refusals" -}}
{{- $config := .Values.config -}}
{{- $type := $config.output.type -}}
{{- if and (ne $type "stdout") (not (contains "${" $type)) (not (get $config.output $type)) -}}
{{ fail (printf "config.output.%s: it is missing, and config.output.type is %s" $type $type) }}
{{- end -}}
{{- if and (eq .Values.form "detect") (ne $type "kafka") (not (contains "${" $type)) -}}
{{ fail (printf "config.output.type: the form detect reads a topic of Kafka and writes into one, so it must be kafka, not %s" $type) }}
{{- end -}}
{{- if and (not .Values.secret) (contains "/run/secrets/mfa-shipper/" (toYaml $config)) -}}
{{ fail "secret: the configuration reads files below /run/secrets/mfa-shipper, which hold the keys of a Secret; name it" }}
{{- end -}}
{{- $volume := .Values.logs.volume -}}
{{- if and (eq .Values.form "sidecar") (gt (int .Values.replicas) 1) $volume (not (or (hasKey $volume "emptyDir") (hasKey $volume "ephemeral"))) -}}
{{ fail (printf "replicas: %d pods would follow the same logs, those of logs.volume, and send everything as many times; make a release for each volume" (int .Values.replicas)) }}
{{- end -}}
{{- $timeout := get $config "shutdown_timeout" | default "10s" | toString -}}
{{- if regexMatch "^[0-9]+[smhd]?$" $timeout -}}
{{- $units := dict "s" 1 "m" 60 "h" 3600 "d" 86400 -}}
{{- $unit := regexFind "[smhd]$" $timeout | default "s" -}}
{{- if le (int .Values.terminationGracePeriodSeconds) (mul (regexFind "^[0-9]+" $timeout | int) (get $units $unit) | int) -}}
{{ fail (printf "terminationGracePeriodSeconds: %d is not more than config.shutdown_timeout, %s: pods would be killed while they deliver" (int .Values.terminationGracePeriodSeconds) $timeout) }}
{{- end -}}
{{- end -}}
{{- end }}
