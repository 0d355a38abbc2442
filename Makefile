# Every command of the project; the README names two of them: demo and test.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: charts bench-pii install demo test lint docs validity chaos soak fuzz-sql bench bench-throughput bench-accuracy bench-zones bench-estimates bench-living bench-themes bench-rank bench-summaries promises clean

install: .venv/installed
.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

.venv/developed: .venv/installed
	$(BIN)/python -m pip install --quiet --editable . --group dev
	touch $@

demo: .venv/installed
	$(BIN)/rowsight demo

test: .venv/developed lint
	$(BIN)/python -m pytest -n 2

lint: .venv/developed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: .venv/installed
	$(BIN)/python -m pip install --quiet --group docs
	$(BIN)/mkdocs build --strict

# Breaks runs on purpose, eight scenarios of 20,000 rows, about a quarter of an hour.
chaos: .venv/developed
	$(BIN)/python benchmarks/chaos.py

# 200,000 calls with faults in one process; memory and file descriptors must stay flat.
soak: .venv/developed
	$(BIN)/python benchmarks/soak.py

# Wall time beside the ideal and CPU beside a bare aiohttp loop.
bench-throughput: .venv/developed
	$(BIN)/python benchmarks/throughput.py

# Counts how often a certificate is false, under attack; writes docs/validity.md.
validity: .venv/developed
	$(BIN)/python -m benchmarks.validity
	$(BIN)/python tests/themes/attacks.py 2000

# 5,000 generated queries against a reference that asks every row, 2,000 certified ones against exhaustive evaluation.
fuzz-sql: .venv/developed
	$(BIN)/python benchmarks/fuzz_sql.py 5000
	$(BIN)/python benchmarks/fuzz_sql_certified.py 2000

# Calls that accuracy costs, beside the omniscient threshold (resumes where it stopped).
bench-accuracy: .venv/developed
	$(BIN)/python benchmarks/accuracy_cost.py --seeds 20
	$(BIN)/python benchmarks/accuracy_cost.py --table

# Calls that precision and recall cost, beside the informed limit (hours for all 20 seeds; resumes where it stopped).
bench-zones: .venv/developed
	$(BIN)/python benchmarks/zones_cost.py --seeds 20 --systems ours,limit
	$(BIN)/python benchmarks/zones_cost.py --table

# Beside BERTopic where benchmarks/.envs/bertopic holds it (requirements in benchmarks/rivals/requirements/bertopic.txt).
bench-themes: .venv/developed
	$(BIN)/python benchmarks/themes.py --rows 3000 $(if $(wildcard benchmarks/.envs/bertopic),--rival benchmarks/.envs/bertopic/bin/python)

# nDCG@10 of rankings beside BM25 and asking all, calls by table size (about five minutes).
bench-rank: .venv/developed
	$(BIN)/python benchmarks/rank.py --only rivals rank 'rank noisy' sizes
	$(BIN)/python benchmarks/rank.py --only 'rank certified' 'rank noisy certified' --queries 25

# Summaries by a model that invents facts and rows: what is dropped and kept, calls and CPU by rows.
bench-summaries: .venv/developed
	$(BIN)/python benchmarks/summaries.py

# Calls of a growing table, version by version, followed and otherwise: the table of docs/living-tables.md.
bench-living: .venv/developed
	$(BIN)/python -m benchmarks.living_cost

# What a share to within one per cent costs; writes docs/estimates.md.
bench-estimates: .venv/developed
	$(BIN)/python benchmarks/estimates_cost.py

# Measures, case by case, and writes docs/benchmarks.md; rivals that are installed in benchmarks/.envs run beside Rowsight.
bench: .venv/developed
	$(BIN)/python benchmarks/suite.py
	$(BIN)/python benchmarks/rivals/run.py
	$(BIN)/python benchmarks/report.py

# Twelve promises: what each means, the figure here, the best rival's, the command that measures it.
promises: .venv/developed
	$(BIN)/python benchmarks/promises.py

# Precision and recall of the personal-data finder, beside presidio's pattern recognisers.
bench-pii: .venv/developed
	$(BIN)/python benchmarks/pii.py

# The script that a report draws its charts with, bundled from the npm registry (package-lock.json names each version).
charts:
	cd charts && npm ci && npm run build

clean:
	rm -rf .venv build dist site .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
