# SPDX-License-Identifier: MIT
# make and gcc: builds a generated C program of more than 10,000 lines; same object code, same output.
needs="gcc make gawk"
torture=2000
limit=400
min_cycles=2
job() {
    local flags
    mkdir src
    gawk -v files=40 -v functions="$(scale 16 60)" -v dir=src -f "$inputs/generate_c.awk"
    echo "lines: $(cat src/*.c | wc -l)"
    for flags in '-O1 -g' "$(scale '' -O3)"; do
        [ -n "$flags" ] || continue
        subject make -s -C src clean
        subject make -s -j2 -C src CFLAGS="$flags -Wall -Wextra"
        (cd src && sha256sum ./*.o program)
        src/program | tail -n 3
    done
    if [ "$slow" = 1 ]; then
        subject gcc -O2 -flto=2 -o lto src/*.c
        ./lto | tail -n 1
    fi
    subject gcc -c src/missing.c || echo "gcc $?"
    subject gcc -c -o bad.o "$inputs/broken.c" || echo "gcc $?"
    cp src/*.o result/
}
