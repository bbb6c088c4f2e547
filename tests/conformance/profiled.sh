#!/bin/sh
# SPDX-License-Identifier: MIT
# profiled.sh LEVEL PROGRAM...: runs each program with a profile of that level; all of them have to pass, and leave one behind.
set -eu

level=$1
shift
folder=$(mktemp -d "${TMPDIR:-/tmp}/gcalloc-profiled.XXXXXX")
trap 'rm -rf "$folder"' EXIT
failed=0
for program; do
    name=${program##*/}
    code=0
    GCALLOC_PROFILE=$level GCALLOC_PROFILE_FILE=$folder/$name.%p "$program" || code=$?
    set -- "$folder/$name".*
    if [ "$code" -ne 0 ] || [ ! -s "$1" ]; then
        echo "$name: code $code at level $level" >&2
        failed=1
    fi
done
exit $failed
