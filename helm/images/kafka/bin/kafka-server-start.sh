#!/bin/sh
# shellcheck disable=SC2086 # both may hold several options
exec /opt/java/bin/java ${KAFKA_HEAP_OPTS:--Xmx512m} ${KAFKA_LOG4J_OPTS:-} -XX:+ExitOnOutOfMemoryError \
    -cp '/opt/kafka/libs/*' kafka.Kafka "$@"
