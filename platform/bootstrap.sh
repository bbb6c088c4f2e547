#!/bin/sh
# SPDX-License-Identifier: MIT
# From a bare Debian 12 to a result, in one command:
#   sh platform/bootstrap.sh demo    build, and show a real program that leaks, with malloc and with gcalloc
#   sh platform/bootstrap.sh test    build, and run every test
#   sh platform/bootstrap.sh bench   build, and measure against other allocators; takes the arguments of bench/run.sh
#   sh platform/bootstrap.sh build   build only
#   sh platform/bootstrap.sh deps    install the packages that building and testing need
set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
build=${GCALLOC_BUILD_DIR:-$top/build}
unset GCALLOC_BUILD_DIR # no option of the library's, which says so of such names

# Compiler and libraries; what the demo shows; what the tests check with; the programs that the integration tests run.
demo_packages="gcc g++ make cmake pkg-config libc6-dev libatomic-ops-dev libdw-dev zlib1g-dev jq"
packages="$demo_packages check python3-minimal python3
  clang clang-format clang-tidy libclang-rt-14-dev mandoc valgrind strace gdb procps file
  dpkg-dev lintian golang-go chromium
  bash grep sed gawk tar xz-utils git sqlite3 lua5.4 perl redis-server redis-tools nginx-light apache2-utils curl"
# What only the benchmarks need: the other allocators, more programs to run with them, charts.
bench_packages="libmimalloc2.0 libjemalloc2 libtcmalloc-minimal4 libgc-dev libglib2.0-dev ghostscript z3
  gnuplot-nox heaptrack zstd"

# Readers of exported profiles come by npm. A nodejs from elsewhere may bring its own, beside which Debian's cannot be.
command -v npm >/dev/null || packages="$packages nodejs npm"

die() {
    echo "bootstrap: $*" >&2
    exit 1
}

is_installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

deps() {
    missing=
    for package in $packages; do
        is_installed "$package" || missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    [ "$(id -u)" = 0 ] || die "not root, so these packages must be installed by hand:$missing"
    command -v apt-get >/dev/null || die "no apt-get here; install what corresponds to:$missing"
    # Servers are only started by the tests themselves, never by their packages.
    policy=/usr/sbin/policy-rc.d policy_made=
    if [ ! -e $policy ]; then
        policy_made=1
        printf '#!/bin/sh\nexit 101\n' >$policy
        chmod 755 $policy
        trap 'rm -f /usr/sbin/policy-rc.d' EXIT
    fi
    export DEBIAN_FRONTEND=noninteractive
    apt-get -qq update
    # shellcheck disable=SC2086
    apt-get -qq install -y --no-install-recommends $missing >/dev/null
    if [ -n "$policy_made" ]; then
        rm -f $policy # not left to the trap: exec does not run it
        trap - EXIT
    fi
}

build() {
    cmake -S "$top" -B "$build" -DCMAKE_BUILD_TYPE=Release "$@"
    cmake --build "$build" -j "$(nproc)"
}

case "${1:-}" in
deps)
    deps
    ;;
build)
    deps
    build -DGCALLOC_BUILD_TESTS=ON -DGCALLOC_BUILD_BENCH=ON
    ;;
test)
    deps
    build -DGCALLOC_BUILD_TESTS=ON -DGCALLOC_BUILD_BENCH=ON
    cd "$build"
    exec ctest --output-on-failure --label-exclude slow -j "$(nproc)"
    ;;
bench)
    shift
    packages="$packages $bench_packages"
    deps
    build -DGCALLOC_BUILD_BENCH=ON
    exec sh "$top/bench/run.sh" --build "$build" "$@"
    ;;
demo)
    packages=$demo_packages # and nothing else is built either, where nothing has been built yet
    deps
    [ -e "$build/CMakeCache.txt" ] || set -- demo -DGCALLOC_BUILD_TESTS=OFF -DGCALLOC_BUILD_BENCH=OFF
    shift
    build "$@"
    exec sh "$top/tests/integration/demo.sh" "$build"
    ;;
*)
    sed -n '3,9s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac
