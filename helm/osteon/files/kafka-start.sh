#!/bin/sh
# Starts a broker: what differs from one to the next, and what is secret, is written where only this pod reads it.
set -eu
umask 077
cd /run/kafka

known="org.apache.kafka.common.security.plain.PlainLoginModule required"
known="$known username=\"admin\" password=\"$ADMIN_PASSWORD\" user_admin=\"$ADMIN_PASSWORD\";"
{
    cat /etc/kafka/server.properties
    echo
    echo "node.id=$((${HOSTNAME##*-} + 1))"
    echo "advertised.listeners=CLIENTS://$HOSTNAME.$DOMAIN:9092"
    echo "listener.name.clients.plain.sasl.jaas.config=$known"
    echo "listener.name.controller.plain.sasl.jaas.config=$known"
} > server.properties
unset ADMIN_PASSWORD

# Kafka wants key and certificates in one file, and the key as PKCS #8. What Helm makes is PKCS #1, which PKCS #8 holds
# behind 26 bytes: a sequence of version 0, the name of RSA, and the key as a string (RFC 5208). Lengths take two bytes.
two_bytes() { printf "\\$(printf %03o $(($1 / 256)))\\$(printf %03o $(($1 % 256)))"; }
if [ -e /etc/osteon/tls/tls.key ]; then
    case $(head -n 1 /etc/osteon/tls/tls.key) in
    *"BEGIN PRIVATE KEY"*) cat /etc/osteon/tls/tls.key > server.pem ;;
    *"BEGIN RSA PRIVATE KEY"*)
        grep -v -e ----- /etc/osteon/tls/tls.key | base64 -d > key.der
        length=$(wc -c < key.der)
        {
            printf '\060\202'; two_bytes $((length + 22))
            printf '\002\001\000\060\015\006\011\052\206\110\206\367\015\001\001\001\005\000\004\202'; two_bytes "$length"
            cat key.der
        } | base64 > key.pem
        { echo "-----BEGIN PRIVATE KEY-----"; cat key.pem; echo "-----END PRIVATE KEY-----"; } > server.pem
        rm key.der key.pem ;;
    *) echo "the key of Kafka's certificate must be RSA, or PKCS #8 (openssl pkcs8 -topk8 -nocrypt)"; exit 78 ;;
    esac
    cat /etc/osteon/tls/tls.crt >> server.pem
fi

/opt/kafka/bin/kafka-storage.sh format --ignore-formatted --cluster-id "$(cat /etc/kafka/cluster-id)" \
    -c /run/kafka/server.properties
exec /opt/kafka/bin/kafka-server-start.sh /run/kafka/server.properties
