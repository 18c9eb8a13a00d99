#!/bin/sh
# secrets.sh: prints the secret of todos for Kubernetes, with a new password:
#
#   examples/todos/deploy/kubernetes/secrets.sh | kubectl create -f -
#
# `create` fails if it exists: the database keeps the password that it was made with.
set -eu

# Prints stdin in base64, on one line.
encoded() {
    base64 | tr -d '\n'
}

password=$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')
test "${#password}" -eq 48
cat <<END
apiVersion: v1
kind: Secret
metadata:
  name: todos-database
  namespace: todos
type: Opaque
data:
  password: $(printf '%s' "$password" | encoded)
  url: $(printf 'postgres://todos:%s@todos-postgres:5432/todos' "$password" | encoded)
END
