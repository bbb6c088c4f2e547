#!/bin/sh
# SPDX-License-Identifier: MIT
# What gcalloc costs a program that does nothing: /bin/true may grow by at most 1 MiB of peak resident size. The time is
# printed, not judged. footprint.sh PEAK LIBRARY; medians of nine runs of each.
set -u
peak=$1 library=$2 bound=1024

# Medians of peak KiB and of microseconds; "bad" when a run fails.
medians() {
    for _ in 1 2 3 4 5 6 7 8 9; do
        LD_PRELOAD=$1 "$peak" /bin/true
    done | awk '$3 != 0 { bad = 1 } { kib[NR] = $1; us[NR] = $2 }
        function median(list, n,    i, k, t) {
            for (i = 2; i <= n; i++)
                for (k = i; k > 1 && list[k - 1] > list[k]; k--) { t = list[k]; list[k] = list[k - 1]; list[k - 1] = t }
            return list[int((n + 1) / 2)]
        }
        END { if (bad || NR != 9) print "bad bad"; else print median(kib, NR), median(us, NR) }'
}

set -- $(medians "") $(medians "$library")
case "$*" in
*bad*) echo "footprint: FAILED, /bin/true did not run"; exit 1 ;;
esac
# A library that cannot be loaded only gets a warning of the dynamic linker: ask the program itself.
if ! LD_PRELOAD=$library grep -q "$(basename "$library")" /proc/self/maps; then
    echo "footprint: FAILED, $library was not loaded"
    exit 1
fi
more=$(($3 - $1))
echo "footprint of /bin/true: $1 KiB and $2 us on the C library, $3 KiB and $4 us with gcalloc:" \
    "$more KiB more, $bound allowed"
[ "$more" -le "$bound" ]
