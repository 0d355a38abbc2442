"""What a query may read is a security boundary."""

import contextlib
import random

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sql_generated import Writer
from sql_reference import Simple

from rowsight.core.errors import InputError
from rowsight.plan.sql.place import SqlError
from rowsight.plan.sql.safe import checked
from rowsight.plan.sql.spellings import canonical
from rowsight.plan.sql.text import parse
from rowsight.surfaces.sql import connect

ATTACKS = [
    "ATTACH 'secret.duckdb' AS s",
    "INSTALL httpfs",
    "LOAD httpfs",
    "COPY t TO 'out.csv'",
    "COPY t FROM 'secret.csv'",
    "COPY (SELECT * FROM t) TO 'out.csv'",
    "EXPORT DATABASE 'out'",
    "IMPORT DATABASE 'out'",
    "SET enable_external_access = true",
    "RESET lock_configuration",
    "PRAGMA enable_logging",
    "PRAGMA database_list",
    "CALL pragma_version()",
    "CREATE TABLE x AS SELECT 1",
    "CREATE MACRO m(x) AS (SELECT content FROM read_text(x))",
    "CREATE SECRET (TYPE s3)",
    "INSERT INTO t VALUES (1)",
    "UPDATE t SET id = 1",
    "DELETE FROM t",
    "DROP TABLE t",
    "ALTER TABLE t RENAME TO s",
    "VACUUM",
    "CHECKPOINT",
    "DETACH memory",
    "USE memory",
    "BEGIN",
    "COMMIT",
    "PREPARE p AS SELECT 1",
    "EXECUTE p",
    "SHOW TABLES",
    "DESCRIBE t",
    "SUMMARIZE t",
    "EXPLAIN ATTACH 'x'",
    "EXPLAIN ANALYZE COPY t TO 'out.csv'",
    "EXPLAIN EXPLAIN SELECT 1",
    "SELECT 1; SELECT 2",
    "SELECT 1; ATTACH 'x'",
    "SELECT 1 /* ; */ ; COPY t TO 'x'",
    "SELECT * FROM read_text('SECRET')",
    "SELECT * FROM read_blob('SECRET')",
    "SELECT * FROM read_csv('SECRET')",
    "SELECT * FROM read_csv_auto('SECRET')",
    "SELECT * FROM read_json('SECRET')",
    "SELECT * FROM read_ndjson_objects('SECRET')",
    "SELECT * FROM read_parquet('SECRET')",
    "SELECT * FROM parquet_scan('SECRET')",
    "SELECT * FROM parquet_metadata('SECRET')",
    "SELECT * FROM sniff_csv('SECRET')",
    "SELECT * FROM glob('/*')",
    "SELECT * FROM READ_TEXT ('SECRET')",
    "SELECT * FROM \"read_text\"('SECRET')",
    "SELECT * FROM main.read_text('SECRET')",
    "SELECT * FROM system.main.read_text('SECRET')",
    "FROM read_text('SECRET')",
    "FROM t, read_text('SECRET')",
    "FROM t JOIN read_text('SECRET') ON true",
    "SELECT * FROM t, LATERAL read_text('SECRET')",
    "SELECT * FROM t, LATERAL (SELECT * FROM read_text(body))",
    "WITH x AS (SELECT * FROM read_text('SECRET')) SELECT * FROM x",
    "WITH t AS MATERIALIZED (FROM read_text('SECRET')) FROM t",
    "SELECT (SELECT content FROM read_text('SECRET'))",
    "SELECT id FROM t WHERE body IN (SELECT content FROM read_text('SECRET'))",
    "SELECT id FROM t WHERE EXISTS (FROM read_text('SECRET'))",
    "SELECT id FROM t UNION SELECT size FROM read_text('SECRET')",
    "SELECT id FROM t ORDER BY (SELECT size FROM read_text('SECRET'))",
    "SELECT id FROM t LIMIT (SELECT size FROM read_text('SECRET'))",
    "SELECT sum(id) FILTER (WHERE EXISTS (FROM read_text('SECRET'))) FROM t",
    "SELECT AI_FILTER('q', (SELECT content FROM read_text('SECRET')))",
    "SELECT AI_FILTER('q', content) FROM read_text('SECRET')",
    "SELECT AI_COMPLETE('m', getenv('OPENAI_API_KEY'))",
    "SELECT getenv('HOME')",
    "SELECT current_setting('lock_configuration')",
    "SELECT * FROM duckdb_settings()",
    "SELECT * FROM duckdb_secrets()",
    "SELECT * FROM duckdb_functions()",
    "SELECT * FROM pragma_table_info('t')",
    "SELECT * FROM information_schema.tables",
    "SELECT * FROM sqlite_master",
    "SELECT * FROM pg_catalog.pg_class",
    "SELECT * FROM query('SELECT 1')",
    "SELECT * FROM query_table('t')",
    "SELECT * FROM query_table(['t'])",
    "SELECT * FROM arrow_scan(1, 2, 3)",
    "SELECT * FROM pandas_scan(1)",
    "SELECT * FROM test_all_types()",
    "SELECT * FROM repeat_row(1, num_rows = 2)",
    "SELECT * FROM sqlite_scan('SECRET', 't')",
    "SELECT * FROM postgres_query('x', 'y')",
    "SELECT * FROM iceberg_scan('x')",
    "SELECT * FROM json_execute_serialized_sql('x')",
    "SELECT * FROM other",
    "SELECT * FROM frame",
    "SELECT * FROM memory.main.t2",
    "SELECT nextval('s')",
    "SELECT write_log('x')",
    "SELECT t.read_text('SECRET') FROM t",
    "PIVOT read_csv('SECRET') ON a USING sum(b)",
    "SELECT * FROM (PIVOT read_csv('SECRET') ON a USING sum(b))",
    "SELECT * FROM (DESCRIBE t)",
    "SELECT * FROM (SHOW TABLES)",
    "SELECT 1 INTO OUTFILE 'x'",
    "SELECT * INTO x FROM t",
    "SELECT $1",
    "SELECT ?",
    "SELECT __ai_0(body) FROM t",
    "SELECT __known_0(body) FROM t",
    "SELECT * FROM __kept_0",
    "TABLE read_text('SECRET')",
    "VALUES (getenv('HOME'))",
]


@pytest.fixture
def secret(tmp_path):
    path = tmp_path / "secret.txt"
    path.write_text("TOPSECRET", encoding="utf-8")
    return path


@pytest.fixture
def con():
    frame = pa.table({"id": [1]})  # a variable that SQL must not find
    assert frame.num_rows
    return connect(oracle=Simple(), tables={"t": pa.table({"id": [1], "body": ["x"]})})


@pytest.mark.parametrize("attack", ATTACKS)
def test_attacks_are_refused_with_a_place(con, secret, attack):
    with pytest.raises(InputError) as refused:
        con.sql(attack.replace("SECRET", str(secret)))
    assert "TOPSECRET" not in str(refused.value)


def test_files_named_in_from_are_read_and_only_those(con, tmp_path):
    path = tmp_path / "a b.csv"
    path.write_text("x,y\n1,2\n", encoding="utf-8")
    assert con.sql(f"SELECT x + y FROM '{path}'").fetchall() == [(3,)]
    assert con.sql(f"SELECT \"a b\".x FROM '{path}'").fetchall() == [(1,)]
    with pytest.raises(InputError):
        con.sql(f"SELECT x FROM '{path}' UNION ALL SELECT x FROM read_csv('{path}')")


def test_a_view_of_a_database_cannot_reach_a_file_that_was_not_named(tmp_path, secret):
    path = tmp_path / "shop.duckdb"
    with duckdb.connect(str(path)) as made:
        made.execute(f"CREATE VIEW leak AS SELECT content FROM read_text('{secret}')")
        made.execute("CREATE TABLE fine AS SELECT 7 AS x")
    con = connect(path, oracle=Simple())
    assert con.sql("SELECT x FROM fine").fetchall() == con.sql("SELECT x FROM shop.main.fine").fetchall() == [(7,)]
    with pytest.raises(InputError):
        con.sql("SELECT * FROM leak")


def test_allow_lets_other_statements_run(tmp_path):
    con = connect(allow=True, oracle=Simple())
    con.sql(f"COPY (SELECT 1 AS x) TO '{tmp_path / 'x.csv'}'")
    assert (tmp_path / "x.csv").read_text(encoding="utf-8") == "x\n1\n"
    script = f"ATTACH '{tmp_path / 'y.duckdb'}' AS y; CREATE TABLE y.main.t AS SELECT 'a' AS b; SELECT AI_FILTER('q', b) IS NULL FROM y.main.t;"
    assert len(con.sql(script)) == 1
    with pytest.raises(InputError, match="--out"):
        con.sql("COPY (SELECT AI_FILTER('q', 'x')) TO 'z.csv'")


def test_allow_lets_functions_read(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("x\n1\n", encoding="utf-8")
    assert connect(allow=True).sql(f"SELECT x FROM read_csv('{path}')").fetchall() == [(1,)]


SEEDS = [*ATTACKS, *(Writer(seed).query().text for seed in range(60))]
PIECES = [
    "'",
    '"',
    "(",
    ")",
    ";",
    "--",
    "/*",
    "$$",
    "::",
    ":",
    "[",
    "{",
    "\x00",
    "\\",
    "é",
    "AI_FILTER(",
    " FROM ",
    "0",
    ".",
    "AI.",
    " WITH GUARANTEE (",
]


def mutated(text, draw):
    for _ in range(draw.randrange(1, 6)):
        at, upto = sorted((draw.randrange(len(text) + 1), draw.randrange(len(text) + 1)))
        text = draw.choice(
            [
                text[:at] + text[upto:],
                text[:at] + draw.choice(PIECES) + text[at:],
                text[:upto] + text[at:upto] + text[upto:],
            ]
        )[:3000]
    return text


def checks(text):
    """Read and check a query; every complaint is an ``InputError`` of one line."""
    try:
        parsed = parse(text)
        checked(parsed, ["t", "u"])
        canonical(parsed)
    except InputError as error:
        return error
    return None


def test_mutated_queries_crash_nothing():
    draw = random.Random(5)
    complaints = [checks(mutated(draw.choice(SEEDS), draw)) for _ in range(10_000)]
    assert all(c is None or (str(c).strip() and "\n" not in str(c)) for c in complaints)
    placed = [c for c in complaints if isinstance(c, SqlError) and c.place is not None]
    assert len(placed) > 0.9 * sum(c is not None for c in complaints)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=80))
def test_any_text_is_read_or_refused(text):
    checks(text)


@settings(max_examples=60, deadline=None)
@given(st.randoms(use_true_random=False))
def test_mutated_queries_run_or_are_refused(draw):
    con = connect(oracle=Anything(), tables={"t": pa.table({"id": [1], "body": ["x"], "topic": ["y"], "m": [1]})})
    with contextlib.suppress(InputError):
        con.sql(mutated(draw.choice(SEEDS), draw))


class Anything(Simple):
    """An oracle for queries whose questions nobody foresaw."""
