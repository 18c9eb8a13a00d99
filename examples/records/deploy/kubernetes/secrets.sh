#!/bin/sh
# secrets.sh: prints the secrets of records for Kubernetes, with new passwords:
#
#   examples/records/deploy/kubernetes/secrets.sh | kubectl create -f -
#
# `create` fails if they exist: the database keeps the password that it was made with.
set -eu

here=$(cd "$(dirname "$0")" && pwd)

# Prints a new password: 48 hex digits.
password() {
    random=$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')
    test "${#random}" -eq 48
    printf '%s' "$random"
}

# Prints stdin in base64, on one line.
encoded() {
    base64 | tr -d '\n'
}

owner=$(password)
database=$(password)
records=$(password)
operator=$(password)
users=$(sed -f /dev/stdin "$here/../users.acl" <<END
/^#/d
/^[[:space:]]*\$/d
s/@RECORDS_PASSWORD@/$records/
s/@OPERATOR_PASSWORD@/$operator/
END
)
cat <<END
apiVersion: v1
kind: Secret
metadata:
  name: records-urls
  namespace: records
type: Opaque
data:
  database-url: $(printf 'postgres://records:%s@records-postgres:5432/records' "$database" | encoded)
  redis-url: $(printf 'redis://records:%s@records-redis:6379' "$records" | encoded)
---
apiVersion: v1
kind: Secret
metadata:
  name: records-postgres
  namespace: records
type: Opaque
data:
  password: $(printf '%s' "$owner" | encoded)
  records-password: $(printf '%s' "$database" | encoded)
---
apiVersion: v1
kind: Secret
metadata:
  name: records-redis
  namespace: records
type: Opaque
data:
  users.acl: $(printf '%s\n' "$users" | encoded)
  operator-password: $(printf '%s' "$operator" | encoded)
END
