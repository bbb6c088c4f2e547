# SPDX-License-Identifier: MIT
# sqlite3: inserts from a recursive query, indexes, transactions, aggregates, full-text search, vacuum.
needs="sqlite3"
torture=500
min_cycles=2
job() {
    sed "s/@ROWS@/$(scale 200000 1000000)/" "$inputs/job.sql" >job.sql
    subject sqlite3 -batch disk.db <job.sql
    subject sqlite3 -batch :memory: <job.sql | cksum
    subject sqlite3 -batch disk.db .dump | cksum
    subject sqlite3 -batch -csv -header disk.db 'select g, count(*), sum(v) from t group by g order by 2 desc limit 5'
    subject sqlite3 -batch disk.db 'select nonsense' || echo "sqlite3 $?"
}
