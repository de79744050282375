#!/bin/sh
# The script that the demo's tasks run. It does what payload.behaviour in task.json says.
#
# usage: script.sh WORK_DIR ARTIFACT_DIR NOTES_DIR
#   WORK_DIR      where the worker has put task.json
#   ARTIFACT_DIR  whatever is in there at the end is uploaded
#   NOTES_DIR     outside of both: what the demo itself wants to know
set -eu
work=$1 artifacts=$2 notes=$3

: >"$notes/started/$TASK_ID"

# The worker writes task.json with one key per line.
behaviour=$(sed -n 's/^ *"behaviour": "\([a-z-]*\)",\{0,1\}$/\1/p' "$work/task.json")

case $behaviour in
build)
    echo 'building'
    mkdir -p "$artifacts/public/build/deep/down" "$artifacts/private"
    echo 'Built by the demo.' >"$artifacts/public/README.txt"
    echo '{"answer": 42}' >"$artifacts/public/build/info.json"
    echo 'a file deep down' >"$artifacts/public/build/deep/down/nested.txt"
    echo 'not for everybody' >"$artifacts/private/notes.txt"
    # four bytes that are no text, and a mebibyte of zeros
    printf '\377\000\201\376' >"$artifacts/public/build/target.bin"
    head -c 1048576 /dev/zero >>"$artifacts/public/build/target.bin"
    echo 'built' >&2
    ;;
fail)
    echo 'this cannot work' >&2
    exit 1
    ;;
slow)
    # whoever ignores SIGTERM is killed a moment later
    trap '' TERM
    echo 'this takes an hour'
    sleep 3600
    ;;
cancel)
    mkdir -p "$artifacts/public"
    echo 'never to be uploaded' >"$artifacts/public/half-done.txt"
    # a process in the background that ignores SIGTERM: it has to go, too
    (trap '' TERM && exec sleep 3600) &
    echo "$$ $!" >"$notes/cancel.new"
    mv "$notes/cancel.new" "$notes/cancel.pids"
    echo 'ready to be cancelled'
    wait
    ;;
flood)
    # 51200 numbered lines of 1024 bytes: 50 MiB
    seq 100001 151200 | sed "s/\$/ $(printf '%01016d' 0)/"
    ;;
sign)
    # only what was verified is there
    mkdir -p "$artifacts/public/signed"
    (cd "$work/cot" && sha256sum ./*/public/build/*) >"$artifacts/public/signed/SHA256SUMS.txt"
    echo 'signed'
    ;;
retry)
    if [ "$RUN_ID" = 0 ]; then
        echo 'not this time'
        exit 7
    fi
    echo "run $RUN_ID works"
    ;;
*)
    echo "unknown behaviour: '$behaviour'" >&2
    exit 3
    ;;
esac
