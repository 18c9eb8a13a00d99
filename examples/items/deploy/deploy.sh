#!/bin/sh
# deploy.sh: applies the manifests of items to the cluster of the current context of kubectl, waits
# until all parts are ready, and forwards port 8004 of this machine to the API until Ctrl-C.
#
# The script makes the passwords of the store at the first run, and keeps them at later runs. They
# reach kubectl through stdin, because the process list shows arguments.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
readonly NAMESPACE=items
# Longest wait for one part to be ready. The first start pulls the image of the store.
readonly READY_TIMEOUT=${READY_TIMEOUT:-180s}
readonly PORT=${PORT:-8004}

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

# Prints the secret with the users of the store and with the URL for the API and the workers.
secret() {
    items=$(password)
    operator=$(password)
    users=$(sed -f /dev/stdin "$here/users.acl" <<END
/^#/d
/^[[:space:]]*\$/d
s/@ITEMS_PASSWORD@/$items/
s/@OPERATOR_PASSWORD@/$operator/
END
)
    cat <<END
apiVersion: v1
kind: Secret
metadata:
  name: items-redis
  namespace: $NAMESPACE
type: Opaque
data:
  users.acl: $(printf '%s\n' "$users" | encoded)
  operator-password: $(printf '%s' "$operator" | encoded)
  url: $(printf 'redis://items:%s@items-redis:6379' "$items" | encoded)
END
}

kubectl apply -f "$here/kubernetes/namespace.yaml"
found=$(kubectl --namespace "$NAMESPACE" get secret items-redis --ignore-not-found --output name)
if [ -z "$found" ]; then
    secret=$(secret)
    printf '%s\n' "$secret" | kubectl create -f -
fi
kubectl apply -k "$here/kubernetes"
for part in redis api worker; do
    kubectl --namespace "$NAMESPACE" rollout status "deployment/items-$part" --timeout "$READY_TIMEOUT"
done
echo "items is ready: open http://127.0.0.1:$PORT/docs, and end with Ctrl-C"
exec kubectl --namespace "$NAMESPACE" port-forward service/items "$PORT:8004"
