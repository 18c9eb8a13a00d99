#!/bin/sh
# secrets.sh: prints the secrets of records for Kubernetes, with new passwords:
#
#   examples/records/deploy/kubernetes/secrets.sh | kubectl create -f -
#
# `create` fails if they exist: the database keeps the password that it was made with.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
. "$here/../../../../deploy/passwords.sh"

owner=$(new_password)
database=$(new_password)
records=$(new_password)
operator=$(new_password)
all=$(users "$here/../users.acl" RECORDS "$records" OPERATOR "$operator")
secret records records-urls
field database-url "postgres://records:$database@records-postgres:5432/records"
field redis-url "redis://records:$records@records-redis:6379"
secret records records-postgres
field password "$owner"
field records-password "$database"
secret records records-redis
field users.acl "$all"
field operator-password "$operator"
