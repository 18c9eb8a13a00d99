# passwords.sh: what the scripts share that make passwords. They read this file with `.`.
#
# A caller puts each value into a variable before it writes the value, because `sh` ignores a failure
# on the left side of a pipe. Passwords reach other programs through stdin, because the process list
# shows arguments.

# Prints a new password: 48 hex digits. They need no quoting in an ACL file or a URL.
new_password() {
    random=$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')
    test "${#random}" -eq 48
    printf '%s' "$random"
}

# write FILE GROUP MODE: writes stdin to FILE, for this group. A crash leaves the old file or the new
# one, because the rename comes last. The owner stays root, so the containers that read the file
# through their group cannot change it.
write() {
    cat >"$1.new"
    chgrp "$2" "$1.new"
    chmod "$3" "$1.new"
    mv "$1.new" "$1"
}

# password FILE GROUP MODE: prints the password in FILE, and makes it first if it does not exist.
password() {
    if [ ! -s "$1" ]; then
        made=$(new_password)
        printf '%s' "$made" | write "$1" "$2" "$3"
    fi
    cat "$1"
}

# share GROUP FOLDER...: lets a group read these folders.
share() {
    group=$1
    shift
    chgrp "$group" "$@"
    chmod 0750 "$@"
}

# users TEMPLATE [NAME PASSWORD]...: prints the ACL file of a server: the users of a template without
# its comments, which a server refuses, and with this password in the place of `@NAME_PASSWORD@`.
users() {
    template=$1
    shift
    {
        printf '/^#/d\n/^[[:space:]]*$/d\n'
        while [ "$#" -gt 0 ]; do
            printf 's/@%s_PASSWORD@/%s/\n' "$1" "$2"
            shift 2
        done
    } | sed -f /dev/stdin "$template"
}

# secret NAMESPACE NAME: prints the beginning of a secret of Kubernetes. `field` prints what follows.
secret() {
    printf -- '---\napiVersion: v1\nkind: Secret\nmetadata:\n  name: %s\n  namespace: %s\ntype: Opaque\ndata:\n' "$2" "$1"
}

# field NAME VALUE: prints a field of a secret.
field() {
    encoded=$(printf '%s' "$2" | base64)
    test -n "$encoded"
    printf '  %s: %s\n' "$1" "$(printf '%s' "$encoded" | tr -d '\n')"
}
