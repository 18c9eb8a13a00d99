#!/bin/sh
# deploy.sh: applies the manifests of items to the cluster of the current context of kubectl, waits
# until all parts are ready, and forwards port 8004 of this machine to the API until Ctrl-C.
#
# The script makes the passwords of the store at the first run, and keeps them at later runs. It
# writes the users of the store at each run, because a new build may need new rights. The passwords
# reach other programs through stdin, because the process list shows arguments.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
. "$here/../../../deploy/passwords.sh"
readonly NAMESPACE=items
# Longest wait for one part to be ready. The first start pulls the image of the store.
readonly READY_TIMEOUT=${READY_TIMEOUT:-180s}
readonly PORT=${PORT:-8004}

# Prints a field of the secret of the passwords.
kept() {
    value=$(kubectl --namespace "$NAMESPACE" get secret items-redis --output "jsonpath={.data.$1}")
    test -n "$value"
    printf '%s' "$value" | base64 -d
}

kubectl apply -f "$here/kubernetes/namespace.yaml"
found=$(kubectl --namespace "$NAMESPACE" get secret items-redis --ignore-not-found --output name)
if [ -z "$found" ]; then
    items=$(new_password)
    operator=$(new_password)
    {
        secret "$NAMESPACE" items-redis
        field operator-password "$operator"
        field url "redis://items:$items@items-redis:6379"
    } | kubectl create -f -
fi
url=$(kept url)
operator=$(kept operator-password)
items=${url#redis://items:}
all=$(users "$here/users.acl" ITEMS "${items%@*}" OPERATOR "$operator")
{
    secret "$NAMESPACE" items-redis-users
    field users.acl "$all"
} | kubectl apply -f -
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
