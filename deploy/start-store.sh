#!/bin/sh
# start-store.sh SERVER FOLDER CONFIG ARGUMENT...: starts the server of a store that keeps its append-only file in FOLDER, with
# the settings of the file CONFIG and of the arguments.
#
# A machine that dies while a transaction is written leaves half of it at the end of the file. Nothing in it was answered,
# and the server does not apply it. But Redis (and Valkey before 9.1.2) cuts the file behind the last whole command instead
# of before the transaction: the next transaction is appended to the half one, and the start after that applies both. An
# order would take its stock twice. So the half transaction goes before the server sees it. A crash in here leaves a file
# that is cut already or is cut at the next start; every other damage is left for the server to judge. Where the very end of
# the last transaction is damaged, it looks like one that was half written, and goes as well. The cut needs no room.
#
# The newest part of the file is read once more for it, at each start.
#
# A server with `appendfsync always` ends at the first change that its disk does not take, and would end again at the next
# one. So a store whose disk is full is started for reading only: no change of a client reaches the server's file, and each is
# refused. Once there is room the server is started anew, for changes too. A replica is not protected so: it takes the changes of
# its primary all the same, ends, and is started again until there is room.
set -eu

server=$(command -v "$1") || { echo "start-store.sh: there is no program $1" >&2; exit 127; }
folder=$2
shift 2

# A disk is full that does not take this number of blocks of 64 KiB.
PROBE_BLOCKS=16
# How many KiB have to be free before a full disk counts as one with room: a server that is started reads all its data, so it is
# not done for every few bytes that somebody frees.
ROOM_KIB=4096
# Seconds between two looks.
ROOM_PAUSE=1
# More replicas than anybody has: a server with fewer than this refuses every change (NOREPLICAS) and answers every read.
UNREACHABLE=1000

# The newest part of the append-only file; earlier ones were complete before it was begun.
newest_part() {
    sed -n 's/^file \([^ ]*\) seq [0-9]* type i.*/\1/p' "$folder/appendonlydir/appendonly.aof.manifest" | tail -n 1
}

# unfinished FILE OFFSET: whether a transaction begins there and none ends behind it. The end of a file is no end of a line.
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

# Written and not computed: quotas, reserved blocks and thin volumes have room of their own. A folder that takes nothing for
# another reason is left for the server to judge.
is_full() {
    full=
    if ! said=$(LC_ALL=C dd if=/dev/zero of="$folder/room" bs=65536 count="$PROBE_BLOCKS" 2>&1); then
        case $said in *'No space left'* | *[Qq]'uota exceeded'*) full=yes ;; esac
    fi
    rm -f "$folder/room"
    [ "$full" ]
}

# The probe takes room that the neighbours on a full disk may need, so what the file system says comes first.
has_room() {
    free=$(df -Pk "$folder" | sed -n '$s/.* \([0-9][0-9]*\)  *[0-9-]*%.*/\1/p')
    [ "${free:-$ROOM_KIB}" -ge "$ROOM_KIB" ] && ! is_full
}

# Ends with the reader where that ends by itself, or somebody ends this script.
read_until_room() {
    echo "start-store.sh: the disk of $folder is full: it does not take $((PROBE_BLOCKS * 64)) KiB more. The store answers reads" \
        "and refuses changes until there is room" >&2
    config=$1 reader='' pause='' asked=''
    shift
    trap 'asked=yes; kill -TERM $reader $pause 2>/dev/null || true' TERM INT
    # Without the file itself: CONFIG REWRITE, which Sentinels ask for, would write the unreachable number into it for good.
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

# The server is this tool too, under this name. The link is kept: a full disk may not take another one.
check=$folder/redis-check-aof
[ "$(readlink "$check")" = "$server" ] || ln -sf "$server" "$check"
if [ -s "$folder/appendonlydir/appendonly.aof.manifest" ]; then
    mend
    if is_full; then read_until_room "$@"; fi
fi
exec "$server" "$@"
