#!/bin/sh
# Gives both stores their passwords and every container the ones it needs, and only those. Runs once at each start, in the
# image of the stores, as root without network. What it finds it keeps, so a second run changes no password.
#
#   /volumes/<store>-config    for one store: how it starts, redis.conf, its users, the passwords of its users
#   /volumes/<store>-data      for one store: its append-only file
#   /volumes/<service>-urls    for one service: where both stores are, with its own password for each
set -eu
umask 077

# The user and group of every other container.
readonly RUN_AS=10001

# write FILE MODE: the content comes from stdin. The rename at the end leaves the old file or the new one, never half of one.
# Root stays the owner, so the containers read the file through their group and cannot change it.
write() {
    cat >"$1.new"
    chgrp "$RUN_AS" "$1.new"
    chmod "$2" "$1.new"
    mv "$1.new" "$1"
}

# password STORE USER: prints it, and makes it first if there is none. Letters and digits need no quoting in an ACL file or
# a URL. Inside the store's container only the operator's can be read, for the health check; the others stand in users.acl.
password() {
    file=/volumes/$1-config/$2-password
    mode=0600
    if [ "$2" = operator ]; then mode=0640; fi
    if [ ! -s "$file" ]; then
        random=$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')
        test "${#random}" -eq 48
        printf '%s' "$random" | write "$file" "$mode"
    fi
    cat "$file"
}

# The commands for sed that add to the users of a store what they need beside them in one with partitions.
partitions() {
    if [ -n "${PARTITIONS:-}" ]; then
        sed -n 's/^user \([a-z]*\) \(.*\)$/s|^user \1 .*|\& \2|/p' /deploy/acl/partitions.acl
    fi
}

# The templates are commented, and a server accepts no comments in a file of users. The passwords reach sed through stdin
# because arguments are visible in the process list.
users() {
    inventory=$(password "$1" inventory)
    payments=$(password "$1" payments)
    operator=$(password "$1" operator)
    sed -f /dev/stdin "/deploy/acl/$1-store.acl" <<END
/^#/d
/^[[:space:]]*\$/d
s/@INVENTORY_PASSWORD@/$inventory/
s/@PAYMENTS_PASSWORD@/$payments/
s/@OPERATOR_PASSWORD@/$operator/
$(partitions)
END
}

for directory in /volumes/*-config /volumes/*-urls; do
    chgrp "$RUN_AS" "$directory"
    chmod 0750 "$directory"
done

# Each value stands in a variable before it is written: a failure on the left of a pipe would go unnoticed.
for store in inventory payments; do
    chown "$RUN_AS:$RUN_AS" "/volumes/$store-data"
    # A copy, not a mount: a checkout whose files only their owner may read works too.
    write "/volumes/$store-config/redis.conf" 0640 </deploy/redis.conf
    write "/volumes/$store-config/start-store.sh" 0640 </deploy/start-store.sh
    users=$(users "$store")
    printf '%s\n' "$users" | write "/volumes/$store-config/users.acl" 0640
    for service in inventory payments; do
        password=$(password "$store" "$service")
        printf 'redis://%s:%s@%s-redis:6379' "$service" "$password" "$store" |
            write "/volumes/$service-urls/$store-redis-url" 0640
    done
done
