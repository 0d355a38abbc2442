"""DuckDB's own SQL means the same after it was read, checked and written again."""

import duckdb
import pytest
from sql_reference import Simple, multiset
from sql_tables import notes, tickets

from rowsight.surfaces.sql import connect

QUERIES = [
    "SELECT 7 // 2, 7 / 2, 7 % 3, 2 ** 3, 2 ^ 3, 1_000, 0.5, 0x1F, 5 & 3, 5 | 3, ~5, 1 << 3",
    "SELECT 'a' || 1, e'a\\tb', $$it's$$, 'it''s', concat('a', NULL, 'b'), 'a' || NULL",
    "SELECT [1, 2, 3][1], [1, 2, 3][2:3], [1, 2, 3][-1], {'a': 1}.a, {'a': 1}['a'], MAP {'k': 2}['k']",
    "SELECT list_transform([1, 2], lambda x: x + 1), [x * 2 FOR x IN [1, 2, 3] IF x > 1], list_filter([1, 2], lambda x: x > 1)",
    "SELECT body ILIKE '%LATE%', body LIKE 'p%' ESCAPE '\\', body SIMILAR TO 'p.*', regexp_matches(body, 'l.te'), body GLOB 'p*' FROM tickets",
    "SELECT id IS DISTINCT FROM NULL, id BETWEEN 3 AND 5, topic IN ('money', NULL), NOT topic = 'money' FROM tickets",
    "SELECT CASE id WHEN 1 THEN 'a' END, if(id > 3, 1, 2), ifnull(topic, 'x'), nullif(region, 'north'), coalesce(body, topic) FROM tickets",
    "SELECT CAST('3' AS INTEGER), '3'::INT, TRY_CAST('x' AS INT), '2024-01-31'::DATE + INTERVAL 1 MONTH, DATE '2024-01-31' - 3",
    "SELECT date_diff('day', DATE '2024-01-01', DATE '2024-02-01'), date_trunc('month', TIMESTAMP '2024-02-03 04:05:06'), extract(year FROM DATE '2024-01-01'), strftime(DATE '2024-01-02', '%d.%m.%Y'), strptime('02.01.2024', '%d.%m.%Y'), epoch(TIMESTAMP '2024-01-01')",
    "SELECT TIMESTAMP '2024-01-01 00:00:00' AT TIME ZONE 'UTC', dayofweek(DATE '2024-01-01'), week(DATE '2024-01-01'), last_day(DATE '2024-02-03'), make_date(2024, 2, 3), age(DATE '2024-02-03', DATE '2024-01-01')",
    "SELECT round(2.5), floor(-1.5), ceil(1.2), trunc(1.7), log(100), ln(2.0), sqrt(16), abs(-3), greatest(1, 2), least(1, 2), sign(-2), mod(7, 3), pow(2, 3)",
    "SELECT substr('abcdef', 2, 3), left('abc', 2), right('abc', 2), lpad('a', 3, 'x'), trim('  a '), upper('a'), replace('aba', 'a', 'c'), split_part('a-b', '-', 2), strpos('abc', 'c'), instr('abc', 'b'), length('abc'), reverse('abc'), repeat('a', 3), ascii('a'), chr(65), starts_with('abc', 'a'), contains('abc', 'b'), position('b' IN 'abc'), md5('a'), format('{} {}', 1, 'x'), printf('%d', 3), string_split('a,b', ',')",
    "SELECT regexp_replace('aaa', 'a', 'b'), regexp_replace('aaa', 'a', 'b', 'g'), regexp_extract('a1b2', '(\\d)', 1), regexp_extract_all('a1b2', '\\d')",
    "SELECT '{\"a\": [1, 2]}'::JSON -> 'a' -> 1, '{\"a\": {\"b\": 2}}'::JSON ->> '$.a.b', json_extract_string('{\"a\": 1}', '$.a'), json_array_length('[1, 2]')",
    "SELECT region, count(*), count(DISTINCT topic), sum(id), avg(id), min(id), max(id), median(id), quantile_cont(id, 0.25), stddev(id), bool_and(id > 0), any_value(region), mode(topic) FROM tickets GROUP BY region",
    "SELECT region, string_agg(topic, ',' ORDER BY id), list(id ORDER BY id DESC), first(id ORDER BY id), last(id ORDER BY id), arg_max(id, id), array_agg(DISTINCT region), count(*) FILTER (WHERE id > 3), histogram(topic), approx_count_distinct(id) FROM tickets GROUP BY ALL",
    "SELECT region, topic, count(*), grouping(region) FROM tickets GROUP BY GROUPING SETS ((region), (region, topic), ())",
    "SELECT region, topic, count(*) FROM tickets GROUP BY ROLLUP (region, topic) HAVING count(*) > 1",
    "SELECT region, topic, count(*) FROM tickets GROUP BY CUBE (region, topic)",
    "SELECT id, row_number() OVER w, rank() OVER (ORDER BY region), lag(id, 2, -1) OVER (ORDER BY id), sum(id) OVER (PARTITION BY region ORDER BY id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW), ntile(3) OVER (ORDER BY id), first_value(id IGNORE NULLS) OVER (ORDER BY id) FROM tickets WINDOW w AS (PARTITION BY region ORDER BY id)",
    "SELECT id FROM tickets QUALIFY row_number() OVER (PARTITION BY region ORDER BY id DESC) = 1",
    "SELECT * EXCLUDE (body), * REPLACE (id + 1 AS id) FROM tickets",
    "SELECT COLUMNS('i.*'), tickets.* FROM tickets",
    "FROM tickets SELECT id WHERE id < 3",
    "FROM tickets",
    "SELECT DISTINCT ON (region) region, id FROM tickets ORDER BY region, id DESC",
    "SELECT id FROM tickets ORDER BY topic DESC NULLS LAST, id LIMIT 5 OFFSET 2",
    "SELECT id, topic FROM tickets ORDER BY ALL LIMIT 10%",
    "SELECT id FROM tickets t LEFT JOIN notes n ON n.ticket = t.id WHERE n.note IS NULL",
    "SELECT t.id FROM tickets t SEMI JOIN notes n ON n.ticket = t.id",
    "SELECT t.id FROM tickets t ANTI JOIN notes n ON n.ticket = t.id",
    "SELECT count(*) FROM tickets FULL JOIN notes ON ticket = id",
    "SELECT count(*) FROM tickets CROSS JOIN notes",
    "SELECT count(*) FROM tickets, notes WHERE id = ticket",
    "SELECT t.id, n.note FROM tickets t ASOF JOIN notes n ON t.id >= n.ticket",
    "SELECT * FROM notes POSITIONAL JOIN (SELECT id FROM tickets LIMIT 12) AS s",
    "SELECT id FROM tickets WHERE id IN (SELECT ticket FROM notes) AND EXISTS (SELECT 1 FROM notes WHERE ticket = id)",
    "SELECT id, (SELECT count(*) FROM notes WHERE ticket <= id) AS c FROM tickets",
    "SELECT id FROM tickets WHERE id > ALL (SELECT ticket FROM notes) OR id = ANY (SELECT ticket FROM notes)",
    "SELECT t.id, x.n FROM tickets t, LATERAL (SELECT t.id + 1 AS n) AS x",
    "SELECT id, unnest([1, 2]) AS u FROM tickets",
    "SELECT * FROM unnest([1, 2]) AS u(x), range(3) AS r(y)",
    "SELECT * FROM (VALUES (1, 'a'), (2, 'b')) AS v(x, y)",
    "VALUES (1), (2)",
    "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 5) SELECT * FROM r",
    "WITH a AS MATERIALIZED (SELECT id FROM tickets), b(x) AS (SELECT id FROM a) SELECT count(*) FROM b",
    "SELECT id FROM tickets UNION ALL BY NAME SELECT ticket AS id FROM notes",
    "SELECT id FROM tickets INTERSECT SELECT ticket FROM notes",
    "(SELECT id FROM tickets EXCEPT SELECT ticket FROM notes) ORDER BY id LIMIT 3",
    "SELECT * FROM (PIVOT (SELECT region, topic, id FROM tickets) ON region IN ('north', 'south') USING count(id) GROUP BY topic)",
    'SELECT id AS "select", body AS "a b" FROM tickets ORDER BY "select"',
    "SELECT t.region, sum(t.id)::BIGINT AS s FROM tickets AS t GROUP BY 1 ORDER BY s DESC",
    "SELECT id a, a + 1 b FROM tickets WHERE a > 3",
    "SELECT TRUE AND NULL, NULL OR FALSE, NOT NULL, 1 = 1.0, 'a' < 'b', NULL IS NULL",
    "SELECT 1 -- a comment\n, 2 /* another */",
    "SELECT body COLLATE NOCASE = 'PARCEL 1 WAS LATE' FROM tickets",
    "SELECT 170::UTINYINT, 1::HUGEINT, 1.5::DECIMAL(5, 2), 'x'::BLOB, '12:00'::TIME, [1]::INT[], {'a': 1}::STRUCT(a BIGINT)",
    "SELECT struct_pack(a := 1), struct_extract({'a': 1}, 'a'), list_value(1, 2), len([1, 2]), list_contains([1], 1), array_length([1, 2]), flatten([[1], [2]]), list_sort([2, 1]), list_aggregate([1, 2], 'sum'), generate_series(1, 3), range(3)",
]


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_without_ai_functions_means_what_it_means_to_duckdb(query):
    tables = {"tickets": tickets(), "notes": notes()}
    with duckdb.connect() as plain:
        for name, table in tables.items():
            plain.register(name, table)
        expected = plain.sql(query).to_arrow_table()
    got = connect(oracle=Simple(), tables=tables).sql(query).rows
    assert got.schema.types == expected.schema.types
    assert multiset(got) == multiset(expected)
