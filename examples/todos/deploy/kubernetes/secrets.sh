#!/bin/sh
# secrets.sh: prints the secret of todos for Kubernetes, with a new password:
#
#   examples/todos/deploy/kubernetes/secrets.sh | kubectl create -f -
#
# `create` fails if it exists: the database keeps the password that it was made with.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
. "$here/../../../../deploy/passwords.sh"

todos=$(new_password)
secret todos todos-database
field password "$todos"
field url "postgres://todos:$todos@todos-postgres:5432/todos"
