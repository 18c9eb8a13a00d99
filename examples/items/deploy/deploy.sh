#!/bin/sh
# deploy.sh: applies the manifests of items to the cluster of the current context of kubectl, waits
# until all parts are ready, and forwards port 8004 of this machine to the API until Ctrl-C.
#
# The script makes the passwords of the store at the first run, and keeps them at later runs. It
# writes the users of the store at each run, because a new build may need new rights. The passwords
# reach other programs through stdin, because the process list shows arguments.
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

# Prints a secret with these lines as its data.
secret() {
    cat <<END
apiVersion: v1
kind: Secret
metadata:
  name: $1
  namespace: $NAMESPACE
type: Opaque
data:
$2
END
}

# Prints the data of the secret of the passwords, with new passwords.
passwords() {
    items=$(password)
    operator=$(password)
    printf '  operator-password: %s\n' "$(printf '%s' "$operator" | encoded)"
    printf '  url: %s\n' "$(printf 'redis://items:%s@items-redis:6379' "$items" | encoded)"
}

# Prints a field of the secret of the passwords.
field() {
    value=$(kubectl --namespace "$NAMESPACE" get secret items-redis --output "jsonpath={.data.$1}")
    test -n "$value"
    printf '%s' "$value" | base64 -d
}

# Prints the users of the store with their passwords.
users() {
    url=$(field url)
    operator=$(field operator-password)
    items=${url#redis://items:}
    items=${items%@*}
    sed -f /dev/stdin "$here/users.acl" <<END
/^#/d
/^[[:space:]]*\$/d
s/@ITEMS_PASSWORD@/$items/
s/@OPERATOR_PASSWORD@/$operator/
END
}

kubectl apply -f "$here/kubernetes/namespace.yaml"
found=$(kubectl --namespace "$NAMESPACE" get secret items-redis --ignore-not-found --output name)
if [ -z "$found" ]; then
    data=$(passwords)
    secret items-redis "$data" | kubectl create -f -
fi
users=$(users)
data=$(printf '  users.acl: %s' "$(printf '%s\n' "$users" | encoded)")
secret items-redis-users "$data" | kubectl apply -f -
kubectl apply -k "$here/kubernetes"
# The server reads its users when it starts. Another annotation starts it anew. The passwords never
# change, so the sum of the file without them says whether the users did.
sum=$(cksum <"$here/users.acl" | tr ' ' -)
kubectl --namespace "$NAMESPACE" patch deployment items-redis --type merge \
    --patch '{"spec":{"template":{"metadata":{"annotations":{"users":"'"$sum"'"}}}}}'
for part in redis api worker; do
    kubectl --namespace "$NAMESPACE" rollout status "deployment/items-$part" --timeout "$READY_TIMEOUT"
done
echo "items is ready: open http://127.0.0.1:$PORT/docs, and end with Ctrl-C"
exec kubectl --namespace "$NAMESPACE" port-forward service/items "$PORT:8004"
