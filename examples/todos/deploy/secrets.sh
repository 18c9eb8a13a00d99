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
# The user and group of every other container.
readonly RUN_AS=10001

# write FILE: writes stdin to FILE. A crash leaves the old file or the new one, because the rename
# comes last. Root stays the owner, so the containers can read the file through their group and
# cannot change it.
write() {
    cat >"$1.new"
    chgrp "$RUN_AS" "$1.new"
    chmod 0640 "$1.new"
    mv "$1.new" "$1"
}

for directory in "$database" "$urls"; do
    chgrp "$RUN_AS" "$directory"
    chmod 0750 "$directory"
done
chown "$RUN_AS:$RUN_AS" "$data"

if [ ! -s "$database/password" ]; then
    random=$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')
    test "${#random}" -eq 48
    printf '%s' "$random" | write "$database/password"
fi
password=$(cat "$database/password")
printf 'postgres://todos:%s@postgres:5432/todos' "$password" | write "$urls/database-url"
