#!/bin/sh
# start-store.sh SERVER FOLDER CONFIG ARGUMENT...: starts the server of a store that keeps its
# append-only file in FOLDER, with the settings of the file CONFIG and of the arguments.
#
# If the machine dies while the server writes a transaction, half of the transaction is left at the
# end of the file. The half was not answered, and the server does not apply it. But Redis (and
# Valkey before 9.1.2) cuts the file behind the last whole command instead of before the
# transaction. The server then appends the next transaction to the half one, and the start after
# that applies both: an order would take its stock twice. So this script removes the half
# transaction before the server sees it.
#
# A crash of this script leaves a file that is cut already, or that is cut at the next start. The
# server judges every other damage. If the very end of the last transaction is damaged, the
# transaction looks half written, and is removed as well. The cut needs no room on the disk. The
# script reads the newest part of the file once at each start.
#
# A server with `appendfsync always` ends at the first change that its disk does not take, and would
# end again at the next one. So this script starts a store with a full disk for reading only: the
# server refuses each change of a client. Once the disk has room, the script starts the server anew,
# for changes too. That does not protect a replica: a replica takes the changes of its primary,
# ends, and is started again until the disk has room.
set -eu

server=$(command -v "$1") || { echo "start-store.sh: there is no program $1" >&2; exit 127; }
folder=$2
shift 2

# A disk is full if it does not take this number of blocks of 64 KiB.
PROBE_BLOCKS=16
# A full disk has room again at this number of free KiB. A starting server reads all its data, so it
# is not started again for a few free bytes.
ROOM_KIB=4096
# Seconds between two looks at the disk.
ROOM_PAUSE=1
# More replicas than any store has: a server with fewer replicas refuses every change (NOREPLICAS)
# and answers every read.
UNREACHABLE=1000

# Prints the newest part of the append-only file. All earlier parts were complete before it began.
newest_part() {
    sed -n 's/^file \([^ ]*\) seq [0-9]* type i.*/\1/p' "$folder/appendonlydir/appendonly.aof.manifest" | tail -n 1
}

# unfinished FILE OFFSET: true if a transaction begins at the offset and does not end. The last line
# of the file may be cut, so it does not count.
unfinished() {
    begins=$(tail -c "+$(($2 + 1))" "$1" | head -c 15 | tr '\r\n' '  ')
    [ "$begins" = '*1  $5  MULTI  ' ] && ! { tail -c "+$(($2 + 1))" "$1"; echo; } | sed '$d' | grep -aqi '^EXEC'
}

mend() {
    part=$folder/appendonlydir/$(newest_part)
    if report=$("$check" "$part"); then return; fi
    whole=$(printf '%s\n' "$report" | sed -n 's/.*ok_up_to=\([0-9]*\),.*/\1/p')
    if [ -n "$whole" ] && unfinished "$part" "$whole"; then
        echo "start-store.sh: an unfinished transaction goes from the end of $part, which is whole up to byte $whole" >&2
        printf 'y\n' | "$check" --fix "$part" >&2
    fi
}

# True if the disk does not take a file of 1 MiB. `df` alone does not tell: quotas, reserved blocks
# and thin volumes have limits of their own. If the folder refuses the file for another reason, the
# server judges it.
is_full() {
    full=
    if ! said=$(LC_ALL=C dd if=/dev/zero of="$folder/room" bs=65536 count="$PROBE_BLOCKS" 2>&1); then
        case $said in *'No space left'* | *[Qq]'uota exceeded'*) full=yes ;; esac
    fi
    rm -f "$folder/room"
    [ "$full" ]
}

# True if the disk has room. It asks `df` first, because the file of `is_full` takes room that other
# programs on a full disk may need.
has_room() {
    free=$(df -Pk "$folder" | sed -n '$s/.* \([0-9][0-9]*\)  *[0-9-]*%.*/\1/p')
    [ "${free:-$ROOM_KIB}" -ge "$ROOM_KIB" ] && ! is_full
}

# Runs the server for reading only until the disk has room. It exits with the server if the server
# ends by itself, or if this script gets a signal to end.
read_until_room() {
    echo "start-store.sh: the disk of $folder is full: it does not take $((PROBE_BLOCKS * 64)) KiB more. The store answers reads" \
        "and refuses changes until there is room" >&2
    config=$1 reader='' pause='' asked=''
    shift
    trap 'asked=yes; kill -TERM $reader $pause 2>/dev/null || true' TERM INT
    # The server reads the configuration from standard input. With the file, CONFIG REWRITE (which
    # Sentinels send) would write the unreachable number into the file for good.
    "$server" - "$@" --min-replicas-to-write "$UNREACHABLE" <"$config" &
    reader=$!
    until [ "$asked" ] || ! kill -0 "$reader" 2>/dev/null || has_room; do
        sleep "$ROOM_PAUSE" &
        pause=$!
        wait "$pause" || true
        pause=''
    done
    room=yes status=0
    kill -TERM "$reader" 2>/dev/null || room=''
    # A signal ends the wait, and not the server.
    until wait "$reader" && status=0 || { status=$? && ! kill -0 "$reader" 2>/dev/null; }; do :; done
    if [ "$asked" ] || [ -z "$room" ]; then exit "$status"; fi
    trap - TERM INT
    echo "start-store.sh: the disk of $folder has room again: the store takes changes" >&2
}

# The server program is also redis-check-aof, if it is started under that name. The link is kept,
# because a full disk may not take a new one.
check=$folder/redis-check-aof
[ "$(readlink "$check")" = "$server" ] || ln -sf "$server" "$check"
if [ -s "$folder/appendonlydir/appendonly.aof.manifest" ]; then
    mend
    if is_full; then read_until_room "$@"; fi
fi
exec "$server" "$@"
