{{/* What all brokers are told alike. */}}
{{- define "osteon.kafkaProperties" -}}
{{- $name := printf "%s-kafka" .Release.Name }}
{{- $domain := printf "%s.%s.svc" $name .Release.Namespace }}
{{- $n := int .Values.kafka.replicas }}
{{- $copies := min $n 3 -}}
process.roles=broker,controller
controller.quorum.voters={{ range $i := until $n }}{{ if $i }},{{ end }}{{ add $i 1 }}@{{ $name }}-{{ $i }}.{{ $domain }}:9093{{ end }}
controller.listener.names=CONTROLLER
listeners=CLIENTS://:9092,CONTROLLER://:9093
listener.security.protocol.map=CLIENTS:SASL_SSL,CONTROLLER:SASL_SSL
inter.broker.listener.name=CLIENTS
sasl.enabled.mechanisms=SCRAM-SHA-512,PLAIN
sasl.mechanism.inter.broker.protocol=PLAIN
sasl.mechanism.controller.protocol=PLAIN
listener.name.controller.sasl.enabled.mechanisms=PLAIN
listener.name.clients.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:admin
allow.everyone.if.no.acl.found=false
ssl.keystore.type=PEM
ssl.keystore.location=/run/kafka/server.pem
ssl.truststore.type=PEM
ssl.truststore.location=/etc/osteon/tls/ca.crt
ssl.enabled.protocols=TLSv1.3,TLSv1.2
log.dirs=/var/lib/kafka/data
default.replication.factor={{ $copies }}
min.insync.replicas={{ max 1 (sub $copies 1) }}
offsets.topic.replication.factor={{ $copies }}
transaction.state.log.replication.factor={{ $copies }}
transaction.state.log.min.isr={{ max 1 (sub $copies 1) }}
share.coordinator.state.topic.replication.factor={{ $copies }}
share.coordinator.state.topic.min.isr={{ max 1 (sub $copies 1) }}
offsets.topic.num.partitions=12
transaction.state.log.num.partitions=12
# A misspelt topic is an error, not a new topic with the wrong retention.
auto.create.topics.enable=false
# An offset that is forgotten before its records would let a stage skip or repeat them: ten years.
offsets.retention.minutes=5256000
# A dead producer's open transaction blocks readers until it is aborted: look for those every second.
transaction.abort.timed.out.transaction.cleanup.interval.ms=1000
transaction.max.timeout.ms=900000
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
# For small traffic; 128 MiB for the cleaner would be a quarter of the heap.
log.cleaner.dedupe.buffer.size=16777216
log.index.size.max.bytes=1048576
{{- end }}
