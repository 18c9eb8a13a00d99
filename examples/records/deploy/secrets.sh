#!/bin/sh
# secrets.sh VOLUMES: makes the passwords of records for Compose. It runs once at each start, as root
# without network. It keeps the passwords that it finds, so a second run changes no password. In
# VOLUMES are
#
#   passwords   for this script alone
#   postgres    for the database: the passwords of its owner and of the service
#   initdb      for the database: what it executes at its first start
#   redis       for the cache: its users, and the password of its health check
#   urls        for the service: the URLs of both
#   data        for the database: its files
set -eu
umask 077

volumes=$1
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../../../deploy/passwords.sh"
# The groups of the containers that read the files, and the user of the database.
readonly SERVICE=10001
readonly POSTGRES=999

share "$SERVICE" "$volumes/redis" "$volumes/urls"
share "$POSTGRES" "$volumes/postgres" "$volumes/initdb"
chown "$POSTGRES:$POSTGRES" "$volumes/data"
owner=$(password "$volumes/passwords/owner" 0 0640)
database=$(password "$volumes/passwords/database" 0 0640)
records=$(password "$volumes/passwords/records" 0 0640)
operator=$(password "$volumes/passwords/operator" 0 0640)
all=$(users "$here/users.acl" RECORDS "$records" OPERATOR "$operator")
printf '%s' "$owner" | write "$volumes/postgres/password" "$POSTGRES" 0640
printf '%s' "$database" | write "$volumes/postgres/records-password" "$POSTGRES" 0640
# The file is copied and not mounted, so that a checkout works whose files only its owner reads.
write "$volumes/initdb/create-role.sql" "$POSTGRES" 0640 <"$here/create-role.sql"
printf '%s\n' "$all" | write "$volumes/redis/users.acl" "$SERVICE" 0640
printf '%s' "$operator" | write "$volumes/redis/operator-password" "$SERVICE" 0640
printf 'postgres://records:%s@postgres:5432/records' "$database" |
    write "$volumes/urls/database-url" "$SERVICE" 0640
printf 'redis://records:%s@redis:6379' "$records" | write "$volumes/urls/redis-url" "$SERVICE" 0640
