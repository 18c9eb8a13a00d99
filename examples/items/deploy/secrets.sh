#!/bin/sh
# secrets.sh CONFIG URLS DATA: makes the passwords of the store of items for Compose. It runs once at
# each start, as root without network. It keeps the passwords that it finds, so a second run changes
# no password.
#
#   CONFIG   for the store: start-store.sh, redis.conf, users, the passwords
#   URLS     for the API and the workers: the URL of the store
#   DATA     for the store: its append-only file
set -eu
umask 077

config=$1
urls=$2
data=$3
here=$(cd "$(dirname "$0")" && pwd)
deploy=$here/../../../deploy
. "$deploy/passwords.sh"
# The user and group of every other container.
readonly RUN_AS=10001

share "$RUN_AS" "$config" "$urls"
chown "$RUN_AS:$RUN_AS" "$data"
# The container of the store can read only the password of the operator, which the health check uses.
items=$(password "$config/items-password" "$RUN_AS" 0600)
operator=$(password "$config/operator-password" "$RUN_AS" 0640)
all=$(users "$here/users.acl" ITEMS "$items" OPERATOR "$operator")
printf '%s\n' "$all" | write "$config/users.acl" "$RUN_AS" 0640
# The files are copied and not mounted, so that a checkout works whose files only its owner reads.
write "$config/redis.conf" "$RUN_AS" 0640 <"$deploy/redis.conf"
write "$config/start-store.sh" "$RUN_AS" 0640 <"$deploy/start-store.sh"
printf 'redis://items:%s@redis:6379' "$items" | write "$urls/items-redis-url" "$RUN_AS" 0640
