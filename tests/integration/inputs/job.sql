-- SPDX-License-Identifier: MIT
-- Work for sqlite3; @ROWS@ is replaced by the number of rows.
pragma cache_size = -16000;
pragma journal_mode = memory;
pragma synchronous = off;
create table t(id integer primary key, g integer, name text, v real);
begin;
with recursive n(i) as (select 1 union all select i + 1 from n where i < @ROWS@)
insert into t select i, i * 7919 % 1013, printf('name-%d-%s', i * 31 % 9973, hex(i)), i * 0.25 from n;
commit;
create index t_g on t(g);
create index t_name on t(name, v desc);
analyze;
select count(*), sum(g), round(sum(v), 2), min(name), max(name) from t;
select g, count(*) c, round(avg(v), 3), group_concat(substr(name, 6, 3), '')
from t where id < 20000 group by g having g % 200 = 3 order by c desc, g;
begin;
update t set name = upper(name) || '/' || id where g between 100 and 200;
delete from t where g % 17 = 5;
savepoint s;
delete from t;
rollback to s;
commit;
select count(*), sum(length(name)) from t;
select count(distinct name), count(distinct substr(name, 1, 7)) from t;
with ranked as (
    select g, id, row_number() over (partition by g order by v desc) r, sum(v) over (partition by g) s
    from t where g < 60
)
select g, id, s from ranked where r = 2 order by g limit 20;
create virtual table words using fts5(body);
insert into words select replace(name, '-', ' ') || ' common' from t where id % 10 = 0;
select count(*) from words where words match 'name AND common NOT 9972';
select json_group_array(json_object('g', g, 'n', c)) from (select g, count(*) c from t group by g order by g limit 12);
create trigger log after insert on t begin insert into words values (new.name); end;
insert into t(g, name, v) select g, 'copy ' || name, -v from t where g = 77;
select count(*) from words where words match 'copy';
vacuum;
pragma integrity_check;
