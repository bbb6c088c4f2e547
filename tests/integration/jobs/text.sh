# SPDX-License-Identifier: MIT
# grep, sed, gawk, sort and friends over generated text.
needs="gawk grep sed sort"
torture=500
min_cycles=2
job() {
    local lines
    lines=$(scale 100000 1000000)
    gawk -v n="$lines" 'BEGIN { for (i = 0; i < n; i++) { s = (s * 1103515245 + 12345) % 2147483648
        printf "%d user%d %s /path/%d/file%d.txt took=%d.%03d\n",
            i, s % 977, substr("GETPOSTPUT", 1 + s % 7, 3), s % 31, i % 1009, s % 17, i % 1000 } }' >text
    subject grep -c 'took=1[0-5]\.' text
    subject grep -nE 'user(1|2)[0-9]*7 .*file(10|20|30)[0-9]?\.txt' text | cksum
    subject grep -oP '(?<=path/)\d+(?=/file9)' text | subject sort | subject uniq -c
    subject grep -vwiF -f <(printf 'user1\nuser2\nPOS\n') text | cksum
    subject sed -nE 's/^([0-9]+) (user[0-9]+) ([A-Z]+) (.*)$/\3 \4 <\2> \1/; /GET/{h;n;G;s/\n/|/;p}' text | cksum
    subject sed -e '/user5/,/user6/!d' -e 'y/abc/xyz/' -e '$!N' -e 's/\n/ + /' text | cksum
    subject gawk -f "$inputs/job.awk" text
    subject gawk '{ a[NR] = $0 } END { n = asort(a); for (i = 1; i <= n; i += 1000) print a[i] }' text | cksum
    subject gawk '{ line = line $2; if (NR % 50 == 0) { print length(line); line = "" } }' text | cksum
    subject bash -o pipefail -c 'sort -k2,2 -k1,1n text | gawk "{print \$2}" | uniq -c | sort -rn | sed -n "s/^ *//; 1,20p"'
    subject sort --parallel=4 -S 4M -k6 text | cksum
    subject grep x "no such file" || echo "grep $?"
}
