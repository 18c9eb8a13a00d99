#!/bin/sh
# secrets.sh: makes the passwords of records for Compose, in the volumes below /volumes. It runs once
# at each start, as root without network. It keeps the passwords that it finds, so a second run
# changes no password.
#
#   passwords   for this script alone
#   postgres    for the database: the passwords of its owner and of the service
#   redis       for the cache: its users, and the password of its health check
#   urls        for the service: the URLs of both
#   data        for the database: its files
set -eu
umask 077

# The groups of the containers that read the files, and the user of the database.
readonly SERVICE=10001
readonly POSTGRES=999

# write FILE GROUP: writes stdin to FILE, for this group. A crash leaves the old file or the new one,
# because the rename comes last. Root stays the owner, so the containers cannot change it.
write() {
    cat >"$1.new"
    chgrp "$2" "$1.new"
    chmod 0640 "$1.new"
    mv "$1.new" "$1"
}

# password NAME: prints the password, and makes it first if it does not exist.
password() {
    file=/volumes/passwords/$1
    if [ ! -s "$file" ]; then
        random=$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')
        test "${#random}" -eq 48
        printf '%s' "$random" | write "$file" 0
    fi
    cat "$file"
}

for directory in redis urls; do
    chgrp "$SERVICE" "/volumes/$directory"
    chmod 0750 "/volumes/$directory"
done
chgrp "$POSTGRES" /volumes/postgres
chmod 0750 /volumes/postgres
chown "$POSTGRES:$POSTGRES" /volumes/data

# Each value goes into a variable before it is written, because `sh` ignores a failure on the left
# side of a pipe. The passwords reach sed through stdin, because the process list shows arguments.
owner=$(password owner)
database=$(password database)
records=$(password records)
operator=$(password operator)
users=$(sed -f /dev/stdin /deploy/users.acl <<END
/^#/d
/^[[:space:]]*\$/d
s/@RECORDS_PASSWORD@/$records/
s/@OPERATOR_PASSWORD@/$operator/
END
)
printf '%s' "$owner" | write /volumes/postgres/password "$POSTGRES"
printf '%s' "$database" | write /volumes/postgres/records-password "$POSTGRES"
printf '%s\n' "$users" | write /volumes/redis/users.acl "$SERVICE"
printf '%s' "$operator" | write /volumes/redis/operator-password "$SERVICE"
printf 'postgres://records:%s@postgres:5432/records' "$database" | write /volumes/urls/database-url "$SERVICE"
printf 'redis://records:%s@redis:6379' "$records" | write /volumes/urls/redis-url "$SERVICE"
