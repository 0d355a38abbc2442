"""The servers that can answer a model's calls: what one is, and the TOML file that names them.

::

    [models."gpt-5-mini"]
    price_in = 0.25                      # US dollars per million tokens; endpoints may have prices of their own
    price_out = 2.0
    substitutes = ["gpt-5-nano"]         # asked only where substitution is allowed
    allow_substitution = false

    [[models."gpt-5-mini".endpoints]]
    name = "main"
    base_url = "https://api.openai.com/v1"
    api_key_env = "OPENAI_API_KEY"       # the variable's name; the key itself stays in the environment
    priority = 1                         # the smallest healthy number is asked
    weight = 2                           # share of calls within a priority
    rpm = 3000
    tpm = 2000000
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from rowsight.core.errors import InputError, nearest

OPENAI = "https://api.openai.com/v1"
USUAL_TIMEOUT = 60.0
_SECRET_HEADERS = {"authorization", "api-key", "x-api-key", "proxy-authorization", "cookie"}
_SECRET_PARAMETER = re.compile(r"[?&][^&=]*(key|token|secret|passw|sig|auth)[^&=]*=|#.", re.IGNORECASE)
_VARIABLE = re.compile(r"\$\{\w+\}")


@dataclass(frozen=True)
class Endpoint:
    """One server of one model.

    model: the model's name there. api_key_env: the environment variable with the key (``None`` sends none). priority: the
    smallest healthy number is asked. weight: share of calls within a priority. rpm, tpm: requests and tokens a minute.
    price_in, price_out: US dollars per million tokens, ``None`` is unknown. timeout: seconds without an answer until a
    call counts as hung. headers: further headers, in which ``${VAR}`` stands for an environment variable. api_version:
    Azure's. substitute: it serves another model than the one asked for. A value that makes no sense is an ``InputError``.
    """

    name: str
    base_url: str
    model: str
    api_key_env: str | None = "OPENAI_API_KEY"
    weight: float = 1.0
    priority: int = 1
    rpm: int | None = None
    tpm: int | None = None
    price_in: float | None = None
    price_out: float | None = None
    timeout: float = USUAL_TIMEOUT
    headers: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)
    api_version: str | None = None
    substitute: bool = False

    def __post_init__(self) -> None:
        _server(self.base_url)
        for name in ("weight", "timeout", "rpm", "tpm"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise InputError(f"endpoint {self.name!r}: {name}={value:g} is not positive; give a number above 0")
        for name in ("price_in", "price_out"):
            value = getattr(self, name)
            if value is not None and not value >= 0:
                raise InputError(
                    f"endpoint {self.name!r}: {name}={value:g} is no price; give dollars per million tokens"
                )
        for name, value in self.headers.items():
            if name.lower() in _SECRET_HEADERS and not _VARIABLE.search(value):
                raise InputError(
                    f"endpoint {self.name!r}: the header {name} would keep a secret in a file; "
                    f'write {name} = "${{VARIABLE}}" and put it in the environment'
                )

    def cost(self, prompt_tokens: int, completion_tokens: int) -> float | None:
        """Return US dollars for these tokens, ``None`` where a price is unknown."""
        if self.price_in is None or self.price_out is None:
            return None
        return (prompt_tokens * self.price_in + completion_tokens * self.price_out) / 1e6


def _server(url: str) -> str:
    """Return the host and port of a base URL; raise ``InputError``, which shows no secret, where it isn't one."""
    server, fault = "", ""
    try:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0:
            server = parts.netloc
    except ValueError as error:
        fault = f" ({error})"
    if "@" in (server or url) or _SECRET_PARAMETER.search(url):
        raise InputError(
            "a base URL holds a password or a key; put it in the environment and name its variable (api_key_env, or "
            "headers in an endpoints file)"
        )
    if not server:
        raise InputError(f"base URL {url!r} isn't one{fault}; write it as in {OPENAI} or http://localhost:8000/v1")
    return server


class Where(Protocol):
    """The options that say where a model is served; those of a run fit."""

    @property
    def model(self) -> str: ...  # noqa: D102 - as in RunOptions
    @property
    def base_url(self) -> str | Sequence[str] | None: ...  # noqa: D102
    @property
    def api_key_env(self) -> str: ...  # noqa: D102
    @property
    def endpoints(self) -> Path | None: ...  # noqa: D102
    @property
    def rpm(self) -> int | None: ...  # noqa: D102
    @property
    def tpm(self) -> int | None: ...  # noqa: D102
    @property
    def price_in(self) -> float | None: ...  # noqa: D102
    @property
    def price_out(self) -> float | None: ...  # noqa: D102
    @property
    def timeout(self) -> float: ...  # noqa: D102


def endpoints_of(options: Where, environment: Mapping[str, str]) -> tuple[Endpoint, ...]:
    """Return the endpoints of a run: those of its file, else of its base URLs (``OPENAI_BASE_URL``, else OpenAI).

    Several base URLs make a pool of one model's servers; each may end in ``;weight=2;priority=1``.
    """
    if options.endpoints is not None:
        found = Catalog.read(options.endpoints, timeout=options.timeout).endpoints(options.model)
        return tuple(_with_defaults(e, options) for e in found)
    given = options.base_url or environment.get("OPENAI_BASE_URL") or OPENAI
    urls = [given] if isinstance(given, str) else list(given)
    named = [_with_defaults(_at(url, options), options) for url in urls]
    for repeated in {e.name for e in named if [o.name for o in named].count(e.name) > 1}:
        raise InputError(f"the base URL at {repeated} is given twice; name each server once")
    return tuple(named)


def _at(text: str, options: Where) -> Endpoint:
    """Return the endpoint of ``URL`` or ``URL;weight=2;priority=1``."""
    url, *traits = text.split(";")
    server = _server(url)
    values: dict[str, Any] = {}
    for trait in traits:
        name, equals, value = trait.partition("=")
        if name not in ("weight", "priority") or not equals:
            raise InputError(f"base URL {text!r}: {trait!r} is not weight=NUMBER or priority=NUMBER")
        try:
            values[name] = int(value) if name == "priority" else float(value)
        except ValueError:
            raise InputError(f"base URL {text!r}: {name} is {value!r}; give a number") from None
    return Endpoint(
        name=server,
        base_url=url,
        model=options.model,
        api_key_env=options.api_key_env,
        timeout=options.timeout,
        **values,
    )


def _with_defaults(endpoint: Endpoint, options: Where) -> Endpoint:
    """Fill what the file leaves open with what the options say."""
    given = {name: getattr(options, name) for name in ("rpm", "tpm", "price_in", "price_out")}
    return replace(endpoint, **{n: v for n, v in given.items() if v is not None and getattr(endpoint, n) is None})


def prices(options: Where) -> tuple[float | None, float | None]:
    """Return the prices of a run, per million prompt and completion tokens; the dearest's where several may answer."""
    if options.endpoints is None:
        return options.price_in, options.price_out
    own = endpoints_of(options, {})
    return _dearest([e.price_in for e in own]), _dearest([e.price_out for e in own])


def _dearest(values: list[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return max(known) if known and len(known) == len(values) else None


_MODEL_KEYS: dict[str, type | tuple[type, ...]] = {
    "price_in": (int, float),
    "price_out": (int, float),
    "substitutes": list,
    "allow_substitution": bool,
    "endpoints": list,
}
_ENDPOINT_KEYS: dict[str, type | tuple[type, ...]] = {
    "name": str,
    "base_url": str,
    "model": str,
    "api_key_env": str,
    "weight": (int, float),
    "priority": int,
    "rpm": int,
    "tpm": int,
    "price_in": (int, float),
    "price_out": (int, float),
    "timeout": (int, float),
    "headers": dict,
    "api_version": str,
}
_WORDS = {str: "a text", int: "a whole number", bool: "true or false", list: "a list", dict: "a table"}


@dataclass(frozen=True)
class _Model:
    endpoints: tuple[Endpoint, ...]
    substitutes: tuple[str, ...]
    allow_substitution: bool


@dataclass(frozen=True)
class Catalog:
    """The models of an endpoints file, each with its servers."""

    shown: str
    models: Mapping[str, _Model]

    @classmethod
    def read(cls, path: Path, *, timeout: float = USUAL_TIMEOUT) -> Catalog:
        """Read a TOML file; anything wrong in it is an ``InputError`` that names the place and the nearest valid name.

        ``timeout`` is that of endpoints for which the file gives none.
        """
        try:
            loaded = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise InputError(f"the endpoints file {path} can't be read: {error.strerror}") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise InputError(f"the endpoints file {path} is not TOML: {error}") from error
        return cls.of(loaded, str(path), timeout=timeout)

    @classmethod
    def of(cls, loaded: Mapping[str, Any], shown: str, *, timeout: float = USUAL_TIMEOUT) -> Catalog:
        """Return the catalog of a parsed file, called ``shown`` in errors; ``timeout`` as in ``read``."""
        _check_keys(shown, loaded, {"models": dict})
        if not loaded.get("models"):
            raise InputError(f'{shown} names no model; write [models."NAME"] and [[models."NAME".endpoints]]')
        models = {
            name: _model(f"{shown}, model {name!r}", name, value, timeout) for name, value in loaded["models"].items()
        }
        for name, model in models.items():
            for other in model.substitutes:
                if other not in models:
                    raise InputError(
                        f"{shown}, model {name!r}: the substitute {other!r} is not in the file{nearest(other, models)}"
                    )
        return cls(shown, models)

    def endpoints(self, model: str, *, allow_substitution: bool | None = None) -> tuple[Endpoint, ...]:
        """Return the endpoints of a model, then, where that is allowed, those of its substitutes.

        ``allow_substitution`` is the file's where it is ``None``. A model that isn't there is an ``InputError``.
        """
        if model not in self.models:
            raise InputError(f"{self.shown} has no model {model!r}{nearest(model, self.models)}")
        found = self.models[model]
        allowed = found.allow_substitution if allow_substitution is None else allow_substitution
        others = [self.models[name] for name in found.substitutes] if allowed else []
        return (*found.endpoints, *(replace(e, substitute=True) for other in others for e in other.endpoints))


def _model(where: str, name: str, value: Any, timeout: float) -> _Model:
    if not isinstance(value, dict):
        raise InputError(f"{where} is not a table; write [models.{name!r}]")
    _check_keys(where, value, _MODEL_KEYS)
    entries = value.get("endpoints", [])
    if not entries:
        raise InputError(f"{where} has no endpoint; add one under [[models.{name!r}.endpoints]]")
    shared = {"timeout": timeout} | {key: value[key] for key in ("price_in", "price_out") if key in value}
    endpoints = tuple(_endpoint(f"{where}, endpoint {i}", name, e, shared) for i, e in enumerate(entries, 1))
    names = [e.name for e in endpoints]
    for repeated in {n for n in names if names.count(n) > 1}:
        raise InputError(f"{where}: two endpoints are named {repeated!r}; give each a name of its own")
    substitutes = value.get("substitutes", [])
    if not all(isinstance(s, str) for s in substitutes):
        raise InputError(f"{where}: substitutes is a list of model names")
    return _Model(endpoints, tuple(substitutes), value.get("allow_substitution", False))


def _endpoint(where: str, model: str, value: Any, shared: Mapping[str, Any]) -> Endpoint:
    if not isinstance(value, dict):
        raise InputError(f"{where} is not a table; write [[models.{model!r}.endpoints]]")
    if "api_key" in value:
        raise InputError(f"{where}: a key doesn't belong in a file; write api_key_env and the name of a variable")
    _check_keys(where, value, _ENDPOINT_KEYS)
    if "base_url" not in value:
        raise InputError(f'{where} has no base_url; write base_url = "{OPENAI}"')
    headers = value.get("headers", {})
    if not all(isinstance(v, str) for v in headers.values()):
        raise InputError(f"{where}: every header is a text")
    name = value.get("name") or _server(value["base_url"])
    return Endpoint(**{"model": model, **shared, **value, "name": name})


def _check_keys(where: str, table: Mapping[str, Any], known: Mapping[str, type | tuple[type, ...]]) -> None:
    for key, value in table.items():
        if key not in known:
            raise InputError(f"{where}: there is no key {key!r}{nearest(key, known)}")
        wanted = known[key]
        if not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool):
            words = _WORDS.get(wanted, "a number") if isinstance(wanted, type) else "a number"
            raise InputError(f"{where}: {key} is {value!r}; give {words}")
