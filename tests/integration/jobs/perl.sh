# SPDX-License-Identifier: MIT
# perl: hashes, regular expressions, closures, sorting, fork, references that form cycles.
needs="perl"
torture=500
min_cycles=2
job() {
    subject perl -w "$inputs/job.pl" "$(scale 1 10)"
    subject perl -e 'my %h = (1, 2); die "message ", scalar(keys %h), "\n"' || echo "perl $?"
    subject perl -pe 's/(\w+)/\u$1/g' "$inputs/job.lua" | cksum
}
