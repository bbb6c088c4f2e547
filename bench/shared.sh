# SPDX-License-Identifier: MIT
# What run.sh, profile.sh and features.sh do alike; they read it at their start. They have set `here`, the folder of this file,
# `me`, what their messages begin with, and `synopsis`.

# What is measured comes from the system, not from a wrapper of the same name.
PATH=/usr/bin:/bin:$PATH
export LC_ALL=C
unset LD_PRELOAD DEBUGINFOD_URLS

die() {
    echo "$me: $*" >&2
    exit 1
}

usage() {
    echo "$me: $*" >&2
    echo "usage: $synopsis" >&2
    exit 2
}

# enter_build: `build` becomes absolute, and is known to be of use.
enter_build() {
    build=$(cd "$build" 2>/dev/null && pwd) || die "no build directory; cmake -S . -B build && cmake --build build"
    [ -f "$build/bench/bench_end.so" ] || die "$build/bench is not built"
    case $build in *[\ :]*) die "$build: the loader cannot preload from a path with a space or a colon" ;; esac
    [ -e "$build/lib/libgcalloc.so" ] || die "$build/lib/libgcalloc.so is not built"
}

# choose_rounds WANTED: `rounds`, unless nothing is wanted.
choose_rounds() {
    case $1 in
    *[!0-9]* | 0*) usage "--rounds wants a number from 1 on" ;;
    ?*) rounds=$1 ;;
    esac
}

# library_of ALLOCATOR: its library, or nothing where it is not installed.
library_of() {
    set +f
    case $1 in
    gcalloc) set -- "$build/lib/libgcalloc.so" ;;
    glibc | floor) set -- /lib/*-linux-gnu*/libc.so.6 /usr/lib*/libc.so.6 ;;
    mimalloc) set -- /usr/lib/*-linux-gnu*/libmimalloc.so* /usr/local/lib/libmimalloc.so* ;;
    jemalloc) set -- /usr/lib/*-linux-gnu*/libjemalloc.so* /usr/local/lib/libjemalloc.so* ;;
    tcmalloc) set -- /usr/lib/*-linux-gnu*/libtcmalloc_minimal.so* /usr/local/lib/libtcmalloc_minimal.so* ;;
    libgc) set -- /usr/lib/*-linux-gnu*/libgc.so* /usr/local/lib/libgc.so* ;;
    *) usage "$1: no such peer" ;;
    esac
    set -f
    for file; do
        [ -e "$file" ] && readlink -f "$file" && return
    done
    return 0
}

# make_tmp: `tmp`, which goes when the script ends, and with it the process `measuring`.
make_tmp() {
    tmp=$(mktemp -d "${TMPDIR:-/tmp}/gcalloc-$me.XXXXXX") || exit 1
    measuring=
    trap clean_up EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
}

clean_up() {
    if [ -n "$measuring" ] && kill "$measuring" 2>/dev/null; then
        wait "$measuring" || :
    fi
    rm -rf "$tmp"
}

# machine_line [FIELDS]: the first line of a file of results.
machine_line() {
    processor=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1 | tr -cd '[:alnum:] ()@.-')
    revision=$(git -C "$here" rev-parse --short HEAD 2>/dev/null || echo unknown)
    printf '{"machine": "%s", "processors": %s, "kernel": "%s", "revision": "%s", "rounds": %s, "share": "1/%s"%s}\n' \
        "$processor" "$(nproc)" "$(uname -r)" "$revision" "$rounds" "$share" "${1:+, $1}"
}
