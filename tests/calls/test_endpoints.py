from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from rowsight.calls.endpoints import OPENAI, Catalog, Endpoint, endpoints_of, prices
from rowsight.core.errors import InputError
from rowsight.execution.options import RunOptions

FILE = """
[models."gpt-5-mini"]
price_in = 0.25
price_out = 2.0
substitutes = ["gpt-5-nano"]

[[models."gpt-5-mini".endpoints]]
name = "a"
base_url = "https://a.example/v1"
api_key_env = "A_KEY"
weight = 2
rpm = 3000
tpm = 2000000

[[models."gpt-5-mini".endpoints]]
base_url = "https://b.example/v1"
model = "mini"
priority = 2
price_out = 3.0

[models."gpt-5-nano"]
[[models."gpt-5-nano".endpoints]]
base_url = "https://n.example/v1"
"""


def options(**given):
    names = ("base_url", "endpoints", "rpm", "tpm", "price_in", "price_out")
    defaults = dict.fromkeys(names) | {"model": "gpt-5-mini", "api_key_env": "OPENAI_API_KEY", "timeout": 60.0}
    return SimpleNamespace(**(defaults | given))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "endpoints.toml"
    file.write_text(FILE, encoding="utf-8")
    return file


def test_a_file_names_the_servers_of_a_model(path):
    a, b = Catalog.read(path).endpoints("gpt-5-mini")
    assert a == Endpoint(
        "a", "https://a.example/v1", "gpt-5-mini", "A_KEY", 2, 1, 3000, 2000000, price_in=0.25, price_out=2.0
    )
    assert (b.name, b.model, b.priority, b.price_in, b.price_out) == ("b.example", "mini", 2, 0.25, 3.0)
    assert b.cost(1_000_000, 1_000_000) == 3.25


def test_substitutes_serve_only_where_that_is_allowed(path):
    catalog = Catalog.read(path)
    assert [e.name for e in catalog.endpoints("gpt-5-mini")] == ["a", "b.example"]
    substitute = catalog.endpoints("gpt-5-mini", allow_substitution=True)[-1]
    assert (substitute.name, substitute.model, substitute.substitute) == ("n.example", "gpt-5-nano", True)
    assert substitute.cost(1, 1) is None


def test_prices_are_the_dearest_and_unknown_where_one_is(path):
    assert prices(options(endpoints=path)) == (0.25, 3.0)
    assert prices(options(endpoints=path, model="gpt-5-nano")) == (None, None)
    assert prices(options(endpoints=path, model="gpt-5-nano", price_in=1.0, price_out=2.0)) == (1.0, 2.0)
    assert prices(options(price_in=1.0)) == (1.0, None)


def test_without_a_file_there_is_one_endpoint():
    (endpoint,) = endpoints_of(options(base_url="http://localhost:8000/v1", rpm=5), {})
    assert (endpoint.name, endpoint.rpm) == ("localhost:8000", 5)
    assert endpoints_of(options(), {"OPENAI_BASE_URL": "http://gate/v1"})[0].base_url == "http://gate/v1"
    assert endpoints_of(options(), {})[0].base_url == OPENAI


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('name = "a"', 'nmae = "a"', "model 'gpt-5-mini', endpoint 1: there is no key 'nmae'; did you mean 'name'?"),
        ("price_in = 0.25\n", 'price_in = "0.25"\n', "model 'gpt-5-mini': price_in is '0.25'; give a number"),
        ("weight = 2", "weight = 0", "weight=0 is not positive"),
        ("rpm = 3000", "rpm = true", "rpm is True; give a whole number"),
        ("weight = 2", 'api_key = "sk-x"', "a key doesn't belong in a file"),
        ("weight = 2", 'headers = { Authorization = "Bearer x" }', "would keep a secret in a file"),
        ('base_url = "https://a.example/v1"\n', "", "has no base_url"),
        ("https://a.example/v1", "a.example/v1", "base URL 'a.example/v1' isn't one"),
        ("https://a.example/v1", "https://me:pass@a.example/v1", "holds a password"),
        ('name = "a"', 'name = "b.example"', "two endpoints are named 'b.example'"),
        (
            '["gpt-5-nano"]',
            '["gpt-5-nan"]',
            "the substitute 'gpt-5-nan' is not in the file; did you mean 'gpt-5-nano'?",
        ),
        ('[models."gpt-5-mini"]', '[modles."gpt-5-mini"]', "there is no key 'modles'; did you mean 'models'?"),
        ("price_in = 0.25", "price_in = ", "is not TOML"),
    ],
)
def test_what_is_wrong_is_named_with_the_nearest_valid_name(path, old, new, words):
    path.write_text(FILE.replace(old, new), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        Catalog.read(path).endpoints("gpt-5-mini")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "sk-x" not in str(caught.value)
    assert "pass@" not in str(caught.value)


def test_an_unknown_model_and_a_missing_file(path):
    with pytest.raises(InputError, match="has no model 'gpt-5-mni'; did you mean 'gpt-5-mini'"):
        Catalog.read(path).endpoints("gpt-5-mni")
    with pytest.raises(InputError, match="can't be read: No such file"):
        Catalog.read(path.with_name("none.toml"))


def test_several_base_urls_are_a_pool():
    given = RunOptions(model="m", base_url=["http://a:1/v1;weight=3", "http://b:2/v1;priority=2"])
    first, second = endpoints_of(given, {})
    assert (first.name, first.weight, first.priority) == ("a:1", 3.0, 1)
    assert (second.base_url, second.weight, second.priority) == ("http://b:2/v1", 1.0, 2)


@pytest.mark.parametrize("url", ["http://a/v1;wait=3", "http://a/v1;weight=heavy", "http://a/v1;weight"])
def test_a_base_url_of_unknown_traits_is_refused(url):
    with pytest.raises(InputError, match="weight"):
        endpoints_of(RunOptions(model="m", base_url=[url]), {})


@pytest.mark.parametrize(
    "url",
    [
        "https://me:hunter2@a/v1",
        "https://me:hunter2@a/v1;weight=x",
        "https://me:hunter2/x@a/v1",
        "me:hunter2@a/v1",
        "https://[me:hunter2@a/v1",
        "https://a/v1?api-key=hunter2",
        "https://a/v1#hunter2",
    ],
)
def test_a_secret_in_a_base_url_is_refused_and_not_repeated(url):
    with pytest.raises(InputError) as caught:
        endpoints_of(RunOptions(model="m", base_url=url), {})
    assert "hunter2" not in str(caught.value)
    with pytest.raises(InputError) as caught:
        Endpoint("a", url, "m")
    assert "hunter2" not in str(caught.value)


def test_what_is_no_base_url_is_said():
    for url in ("https://a:99999/v1", "https://[::1/v1", "ftp://a", ""):
        with pytest.raises(InputError, match="isn't one"):
            endpoints_of(RunOptions(model="m", base_url=[url]), {})


def test_a_server_is_named_once():
    with pytest.raises(InputError, match="given twice"):
        endpoints_of(RunOptions(model="m", base_url=["http://a/v1", "http://a/v1"]), {})
