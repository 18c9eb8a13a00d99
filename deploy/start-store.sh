#!/bin/sh
# start-store.sh SERVER FOLDER ARGUMENT...: starts the server of a store that keeps its append-only file in FOLDER.
#
# A machine that dies while a transaction is written leaves half of it at the end of the file. Nothing in it was answered,
# and the server does not apply it. But Redis (and Valkey before 9.1.2) cuts the file behind the last whole command instead
# of before the transaction: the next transaction is appended to the half one, and the start after that applies both. An
# order would take its stock twice. So the half transaction goes before the server sees it. A crash in here leaves a file
# that is cut already or is cut at the next start; every other damage is left for the server to judge. Where the very end of
# the last transaction is damaged, it looks like one that was half written, and goes as well.
#
# The newest part of the file is read once more for it, at each start.
set -eu

server=$(command -v "$1") || { echo "start-store.sh: there is no program $1" >&2; exit 127; }
folder=$2
shift 2

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
    # The server is this tool too, under this name.
    check=$folder/redis-check-aof
    ln -sf "$server" "$check"
    if report=$("$check" "$part"); then return; fi
    whole=$(printf '%s\n' "$report" | sed -n 's/.*ok_up_to=\([0-9]*\),.*/\1/p')
    if [ -n "$whole" ] && unfinished "$part" "$whole"; then
        echo "start-store.sh: an unfinished transaction goes from the end of $part, which is whole up to byte $whole" >&2
        printf 'y\n' | "$check" --fix "$part" >&2
    fi
}

if [ -s "$folder/appendonlydir/appendonly.aof.manifest" ]; then mend; fi
exec "$server" "$@"
