#!/bin/sh
# shellcheck disable=SC2086
exec /opt/java/bin/java -Xmx128m ${KAFKA_LOG4J_OPTS:-} -cp '/opt/kafka/libs/*' kafka.tools.StorageTool "$@"
