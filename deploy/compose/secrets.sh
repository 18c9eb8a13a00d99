#!/bin/sh
# secrets.sh VOLUMES: makes the passwords of both stores, and gives every container only those that
# it needs. It runs once at each start, in the image of the stores, as root without network. It keeps
# the passwords that it finds, so a second run changes no password.
#
#   VOLUMES/<store>-config    for one store: start-store.sh, redis.conf, users, passwords of users
#   VOLUMES/<store>-data      for one store: its append-only file
#   VOLUMES/<service>-urls    for one service: the URLs of both stores, with its own passwords
set -eu
umask 077

volumes=$1
deploy=$(cd "$(dirname "$0")/.." && pwd)
. "$deploy/passwords.sh"
# The user and group of every other container.
readonly RUN_AS=10001

# store_password STORE USER: prints the password of a user. The container of a store can read only the
# file of the operator's password, which the health check uses. The others are in users.acl.
store_password() {
    mode=0600
    if [ "$2" = operator ]; then mode=0640; fi
    password "$volumes/$1-config/$2-password" "$RUN_AS" "$mode"
}

# Prints sed commands that give the users of a store the further rights for partitions.
partitions() {
    if [ -n "${PARTITIONS:-}" ]; then
        sed -n 's/^user \([a-z]*\) \(.*\)$/s|^user \1 .*|\& \2|/p' "$deploy/acl/partitions.acl"
    fi
}

# Prints the ACL file of a store, with the users of other teams.
store_users() {
    inventory=$(store_password "$1" inventory)
    payments=$(store_password "$1" payments)
    operator=$(store_password "$1" operator)
    own=$(users "$deploy/acl/$1-store.acl" INVENTORY "$inventory" PAYMENTS "$payments" OPERATOR "$operator")
    further=$(partitions)
    printf '%s\n' "$own" | sed "$further"
    readers=$deploy/acl/readers/$1-store.acl
    if [ -f "$readers" ]; then users "$readers"; fi
}

share "$RUN_AS" "$volumes"/*-config "$volumes"/*-urls
for store in inventory payments; do
    config=$volumes/$store-config
    chown "$RUN_AS:$RUN_AS" "$volumes/$store-data"
    # The files are copied and not mounted, so that a checkout works whose files only its owner
    # reads.
    write "$config/redis.conf" "$RUN_AS" 0640 <"$deploy/redis.conf"
    write "$config/start-store.sh" "$RUN_AS" 0640 <"$deploy/start-store.sh"
    all=$(store_users "$store")
    printf '%s\n' "$all" | write "$config/users.acl" "$RUN_AS" 0640
    for service in inventory payments; do
        login=$service:$(store_password "$store" "$service")
        printf 'redis://%s@%s-redis:6379' "$login" "$store" |
            write "$volumes/$service-urls/$store-redis-url" "$RUN_AS" 0640
    done
done
