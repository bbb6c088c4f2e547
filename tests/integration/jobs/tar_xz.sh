# SPDX-License-Identifier: MIT
# tar and xz: pack a generated tree with two threads, list it, unpack it, compare.
needs="tar xz gawk"
torture=50
min_cycles=2
job() {
    mkdir -p tree/d{0..39}/sub
    gawk -v n="$(scale 1500 10000)" 'BEGIN { for (i = 0; i < n; i++) {
        f = "tree/d" i % 40 (i % 3 ? "/" : "/sub/") "file" i
        printf "" >f
        for (k = 0; k < i % 200; k++) print i * k, "some text", k % 7, i % 13 >f
        close(f)
    } }'
    ln -s d1/file1 tree/link
    subject tar --sort=name --mtime=@1000000000 --owner=0 --group=0 --numeric-owner --mode=go-w -cf plain.tar tree
    subject xz -3 -T2 --block-size=262144 -k plain.tar
    subject xz -t plain.tar.xz
    subject tar -tvf plain.tar.xz | cksum
    mkdir out
    subject tar -C out -xJf plain.tar.xz
    diff -r tree out/tree && echo "unpacked tree is the same"
    subject tar --sort=name --mtime=@1000000000 --owner=0 --group=0 --numeric-owner --mode=go-w -cJf other.tar.xz tree
    subject xz -dc other.tar.xz | cksum
    subject xz -6e -c plain.tar | subject xz -d -c -M 64MiB | cksum
    subject xz -l plain.tar.xz
    head -c 5000 plain.tar.xz >cut.xz
    subject xz -dc cut.xz >cut.tar || echo "xz of a cut file: $?"
    cp plain.tar.xz other.tar.xz result/
}
