#!/bin/sh
# undeploy.sh: removes everything that deploy.sh made, the items and the passwords included, and
# waits until it is gone. A second run changes nothing.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
# Longest wait until everything is gone.
readonly GONE_TIMEOUT=${GONE_TIMEOUT:-120s}

# The secret and the claim of the store go with the namespace.
kubectl delete -k "$here/kubernetes" --ignore-not-found --wait --timeout "$GONE_TIMEOUT"
