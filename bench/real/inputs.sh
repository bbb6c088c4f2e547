#!/bin/sh
# SPDX-License-Identifier: MIT
# Makes what the real programs of bench/run.sh work on: the same bytes each time, nothing is fetched.
#
#   inputs.sh DIRECTORY SHARE    SHARE: 1 for the full amount of work, N for about an Nth of it
set -eu
export LC_ALL=C

[ $# -eq 2 ] || {
    echo "usage: inputs.sh DIRECTORY SHARE" >&2
    exit 2
}
directory=$1 share=$2
mkdir -p "$directory"

# An Nth of an amount, but never less than LEAST.
amount() {
    part=$(($1 / share))
    [ "$part" -ge "$2" ] || part=$2
    echo "$part"
}

# Rows with text, an index, a join, groups and an ordered result.
sql() {
    cat <<END
.output /dev/null
PRAGMA cache_size = -65536;
CREATE TABLE item(id INTEGER PRIMARY KEY, kind INTEGER, price INTEGER, name TEXT, note TEXT);
CREATE TABLE kind(id INTEGER PRIMARY KEY, title TEXT);
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n LIMIT 1000)
  INSERT INTO kind SELECT i, printf('kind %d of a thousand', i) FROM n;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT $1)
  INSERT INTO item SELECT i, i * 7919 % 1000, i * 104729 % 99991, printf('name-%x', i * 2654435761 % 4294967296),
    substr('the quick brown fox jumps over the lazy dog', 1 + i % 30) FROM n;
CREATE INDEX by_name ON item(name);
CREATE INDEX by_kind ON item(kind, price);
SELECT k.title, count(*), sum(i.price), group_concat(substr(i.name, 6, 2), '') FROM item i JOIN kind k ON k.id = i.kind
  GROUP BY k.id ORDER BY sum(i.price) DESC;
UPDATE item SET note = note || ' ' || upper(name) WHERE price % 3 = 0;
DELETE FROM item WHERE price % 5 = 0;
SELECT a.name, b.name FROM item a JOIN item b ON b.kind = a.kind AND b.price = a.price + 1 ORDER BY a.name, b.name;
SELECT name, note FROM item WHERE note LIKE '%fox%' ORDER BY note, name DESC LIMIT 50000;
END
}

# A program for the compiler: tables, loops, branches and calls, one function like the next but none the same.
c_program() {
    awk -v functions="$1" 'BEGIN {
        print "typedef struct node { struct node *next; int key; double weight; char name[24]; } node;"
        for (f = 0; f < functions; f++) {
            printf "\nstatic int work_%d(node *list, const int *table, int length)\n{\n", f
            printf "    int sum = %d, i, k;\n    node *at;\n", f
            printf "    for (i = 0; i < length; i++) {\n        switch ((table[i] + %d) %% %d) {\n", f % 17, 7 + f % 9
            for (c = 0; c < 7 + f % 9; c++)
                printf "        case %d: sum += table[i] * %d - (sum >> %d); break;\n", c, c * 31 + f, 1 + (c + f) % 7
            print "        default: sum ^= i;\n        }\n    }"
            printf "    for (at = list; at; at = at->next)\n        for (k = 0; k < %d; k++)\n", 4 + f % 13
            printf "            at->name[k] = (char)(at->key * (k + %d) %% 96 + 32), ", f % 5
            printf "at->weight += sum / (k + %d.5);\n", f % 3
            print "    for (i = 1; i < length; i++)\n        if (table[i - 1] > table[i] && sum % 3)"
            printf "            sum += table[i] %% (i + %d);\n", 1 + f % 11
            if (f > 0)
                printf "    return sum %% 2 ? work_%d(list, table, length / 2) : sum;\n}\n", int(f * 7 / 8)
            else
                print "    return sum;\n}"
        }
        print "\nint (*const all_work[])(node *, const int *, int) = {"
        for (f = 0; f < functions; f++)
            printf "    work_%d,\n", f
        print "};"
    }'
}

# Pages with curves, clipped patterns and text in several sizes.
postscript() {
    cat <<'END'
%!PS-Adobe-3.0
/seed 1 def
/random { /seed seed 16807 mul 2147483647 mod cvi def seed exch mod } bind def
/number { seed 48271 mul 65536 mod cvi dup /seed exch 1 add def exch mod } bind def
/flower { gsave 540 number 36 add 700 number 36 add translate 0 1 11 { 12 div dup 1 1 sethsbcolor 360 mul rotate
  newpath 0 0 moveto 30 10 60 number 20 add 60 number 80 40 curveto 20 50 10 30 0 0 curveto closepath
  gsave fill grestore 0 setgray stroke } for grestore } bind def
/words { [/Helvetica /Times-Roman /Courier /Times-Italic] 4 number get findfont 6 14 number add scalefont setfont 0 setgray
  400 number 780 number moveto 60 { 26 number 97 add (x) dup 3 -1 roll 0 exch put show } repeat } bind def
/page { 25 { flower } repeat 60 { words } repeat showpage } bind def
END
    awk -v pages="$1" 'BEGIN { for (p = 1; p <= pages; p++) printf "%%%%Page: %d %d\n%d /seed exch def page\n", p, p, p * 7919 }'
    echo '%%EOF'
}

# Small problems, each in a scope of its own: numbers, arrays, bit vectors, and pigeons that have too few holes.
smt() {
    awk -v problems="$1" 'BEGIN {
        print "(set-option :random-seed 7)"
        for (p = 0; p < problems; p++) {
            print "(push 1)"
            for (v = 0; v < 24; v++)
                printf "(declare-const x%d Int)\n(assert (and (>= x%d 0) (< x%d %d)))\n", v, v, v, 40 + p % 7
            for (v = 0; v < 24; v++)
                printf "(assert (not (= (+ x%d (* %d x%d)) (+ x%d %d))))\n(assert (or (< x%d x%d) (> (+ x%d x%d) %d)))\n",
                    v, 2 + v % 3, (v * 5 + 1) % 24, (v * 7 + p) % 24, p % 13, v, (v * 11 + 3) % 24, v, (v + 1) % 24, 20 + v
            print "(declare-const a (Array Int Int))\n(declare-const b (_ BitVec 12))\n(declare-const c (_ BitVec 12))"
            for (v = 0; v < 12; v++)
                printf "(assert (= (select a x%d) (+ x%d (select a %d))))\n", v, v + 12, v
            printf "(assert (= (bvmul b c) (_ bv%d 12)))\n(assert (bvugt b c))\n(assert (bvugt c (_ bv3 12)))\n", p * 37 % 4096
            print "(check-sat)\n(pop 1)\n(push 1)"
            for (i = 0; i < 7; i++)
                for (h = 0; h < 6; h++)
                    printf "(declare-const p%d_%d Bool)\n", i, h
            for (i = 0; i < 7; i++) {
                printf "(assert (or"
                for (h = 0; h < 6; h++)
                    printf " p%d_%d", i, h
                print "))"
                for (j = 0; j < i; j++)
                    for (h = 0; h < 6; h++)
                        printf "(assert (or (not p%d_%d) (not p%d_%d)))\n", i, h, j, h
            }
            print "(check-sat)\n(pop 1)"
        }
    }'
}

# Text that repeats itself, though not exactly.
text() {
    awk -v lines="$1" 'BEGIN {
        count = split("alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho sigma", word, " ")
        seed = 12345
        for (i = 0; i < lines; i++) {
            line = ""
            for (k = 0; k < 14; k++) {
                seed = (seed * 16807) % 2147483647
                line = line " " (seed % 5 ? word[1 + seed % count] : seed % 100000)
            }
            print i line
        }
    }'
}

sql "$(amount 150000 1000)" >"$directory/job.sql"
c_program "$(amount 100 3)" >"$directory/job.c"
postscript "$(amount 120 1)" >"$directory/job.ps"
smt "$(amount 100 1)" >"$directory/job.smt2"
text "$(amount 45000 2000)" >"$directory/job.txt"
printf '# SPDX-License-Identifier: MIT\nport 0\nsave ""\nappendonly no\nloglevel warning\n' >"$directory/redis.conf"
