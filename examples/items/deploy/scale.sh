#!/bin/sh
# scale.sh COUNT [PART]: runs COUNT pods of a part, and waits until they are ready. PART is `worker`
# or `api`; without it, `worker`.
set -eu

readonly NAMESPACE=items
readonly READY_TIMEOUT=${READY_TIMEOUT:-180s}

count=${1:-}
part=${2:-worker}
case $count in
    '' | *[!0-9]*) echo "scale.sh: expected the number of pods, as in: scale.sh 3" >&2; exit 2 ;;
esac
case $part in
    api | worker) ;;
    redis) echo "scale.sh: the store has one server: a second one would write to the same file" >&2; exit 2 ;;
    *) echo "scale.sh: there is no part $part: expected worker or api" >&2; exit 2 ;;
esac
kubectl --namespace "$NAMESPACE" scale "deployment/items-$part" --replicas "$count"
kubectl --namespace "$NAMESPACE" rollout status "deployment/items-$part" --timeout "$READY_TIMEOUT"
