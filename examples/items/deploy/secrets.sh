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
# The user and group of every other container.
readonly RUN_AS=10001

# write FILE MODE: writes stdin to FILE. A crash leaves the old file or the new one, because the
# rename comes last. Root stays the owner, so the containers can read the file through their group
# and cannot change it.
write() {
    cat >"$1.new"
    chgrp "$RUN_AS" "$1.new"
    chmod "$2" "$1.new"
    mv "$1.new" "$1"
}

# password USER: prints the password, and makes it first if it does not exist. The container of the
# store can read only the password of the operator, which the health check uses.
password() {
    file=$config/$1-password
    mode=0600
    if [ "$1" = operator ]; then mode=0640; fi
    if [ ! -s "$file" ]; then
        random=$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')
        test "${#random}" -eq 48
        printf '%s' "$random" | write "$file" "$mode"
    fi
    cat "$file"
}

for directory in "$config" "$urls"; do
    chgrp "$RUN_AS" "$directory"
    chmod 0750 "$directory"
done
chown "$RUN_AS:$RUN_AS" "$data"

# Each value goes into a variable before it is written, because `sh` ignores a failure on the left
# side of a pipe. The passwords reach sed through stdin, because the process list shows arguments.
items=$(password items)
operator=$(password operator)
users=$(sed -f /dev/stdin /items/users.acl <<END
/^#/d
/^[[:space:]]*\$/d
s/@ITEMS_PASSWORD@/$items/
s/@OPERATOR_PASSWORD@/$operator/
END
)
printf '%s\n' "$users" | write "$config/users.acl" 0640
# The files are copied and not mounted, so that a checkout works whose files only its owner reads.
write "$config/redis.conf" 0640 </deploy/redis.conf
write "$config/start-store.sh" 0640 </deploy/start-store.sh
printf 'redis://items:%s@redis:6379' "$items" | write "$urls/items-redis-url" 0640
