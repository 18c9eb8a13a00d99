#!/bin/sh
# Makes the passwords of both stores, and gives every container only those that it needs. It runs
# once at each start, in the image of the stores, as root without network. It keeps the passwords
# that it finds, so a second run changes no password.
#
#   /volumes/<store>-config    for one store: start-store.sh, redis.conf, users, passwords of users
#   /volumes/<store>-data      for one store: its append-only file
#   /volumes/<service>-urls    for one service: the URLs of both stores, with its own passwords
set -eu
umask 077

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

# password STORE USER: prints the password, and makes it first if it does not exist. Letters and
# digits need no quoting in an ACL file or a URL. The container of a store can read only the file of
# the operator's password, which the health check uses. The others are in users.acl.
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

# Prints sed commands that give the users of a store the further rights for partitions.
partitions() {
    if [ -n "${PARTITIONS:-}" ]; then
        sed -n 's/^user \([a-z]*\) \(.*\)$/s|^user \1 .*|\& \2|/p' /deploy/acl/partitions.acl
    fi
}

# Prints the ACL file of a store. It removes the comments of the template, because a server refuses
# them. The passwords reach sed through stdin, because the process list shows arguments.
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

# Each value goes into a variable before it is written, because `sh` ignores a failure on the left
# side of a pipe.
for store in inventory payments; do
    chown "$RUN_AS:$RUN_AS" "/volumes/$store-data"
    # The files are copied and not mounted, so that a checkout works whose files only its owner
    # reads.
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
