#!/bin/sh
# secrets.sh DATABASE URLS DATA: makes the password of the database of todos for Compose. It runs once
# at each start, as root without network. It keeps the password that it finds, so a second run changes
# nothing.
#
#   DATABASE   for Postgres: the password
#   URLS       for the API and the consumers: the URL of the database
#   DATA       for Postgres: its data
set -eu
umask 077

database=$1
urls=$2
data=$3
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../../../deploy/passwords.sh"
# The user and group of every other container.
readonly RUN_AS=10001

share "$RUN_AS" "$database" "$urls"
chown "$RUN_AS:$RUN_AS" "$data"
todos=$(password "$database/password" "$RUN_AS" 0640)
printf 'postgres://todos:%s@postgres:5432/todos' "$todos" | write "$urls/database-url" "$RUN_AS" 0640
