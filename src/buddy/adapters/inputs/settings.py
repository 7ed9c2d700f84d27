"""The settings of a run: flags over environment over `buddy.toml` over defaults, every problem named."""

import json
import math
import os
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from buddy.core import parsing
from buddy.core.planning import MAX_PROBLEMS, named, shown
from buddy.errors import BadConfig
from buddy.model.config import (
    DEFAULT_STRATEGIES,
    FLEET_HEALTH_WEIGHTS,
    HEALTH_WEIGHTS,
    ExecutionConfig,
    SandboxSettings,
)
from buddy.model.conflict import ConflictType, Strategy
from buddy.model.mode import Mode

FILE = "buddy.toml"
PREFIX = "BUDDY_"
NO_SETTINGS = frozenset({"BUDDY_HOME", "BUDDY_DATA"})

MODES = {"mock": "MOCK", "dry-run": "DRY_RUN", "live": "LIVE"}

ALLOWED: dict[ConflictType, tuple[Strategy, ...]] = {
    ConflictType.RESOURCE: (
        Strategy.DELAY,
        Strategy.REASSIGN,
        Strategy.DOWNGRADE,
        Strategy.ABORT,
        Strategy.ALLOW,
    ),
    ConflictType.ORDERING: (Strategy.DELAY, Strategy.DOWNGRADE, Strategy.ABORT),
    ConflictType.RATE_LIMIT: (Strategy.DELAY, Strategy.ALLOW),
    ConflictType.DUPLICATE_ACTION: (Strategy.DOWNGRADE, Strategy.ABORT, Strategy.ALLOW),
    ConflictType.PERMISSION: (Strategy.REASSIGN, Strategy.DOWNGRADE, Strategy.ABORT),
    ConflictType.TIMEOUT: (Strategy.DOWNGRADE, Strategy.ABORT, Strategy.ALLOW),
}
"""Which strategies make sense for which type of conflict."""

MERGED: dict[str, dict[str, Any]] = {
    "conflicts": {kind.value: strategy.value for kind, strategy in DEFAULT_STRATEGIES.items()},
    "health_weights": dict(HEALTH_WEIGHTS),
    "health_score_weights": dict(FLEET_HEALTH_WEIGHTS),
    "sandbox": msgspec.to_builtins(SandboxSettings()),
}
"""Tables of which a layer may give a part, and their defaults."""

_WEIGHTS = {"health_weights": HEALTH_WEIGHTS, "health_score_weights": FLEET_HEALTH_WEIGHTS}
_FLAGS = {
    "output_dir": "--out",
    "deadline_s": "--deadline",
    "num_agents": "--agents",
    "assignment_strategy": "--strategy",
}
_TEXTS = (msgspec.inspect.StrType, msgspec.inspect.EnumType, msgspec.inspect.LiteralType)
_PLAIN = (str, bool, int, float, type(None))
_SUM_TOLERANCE = 1e-9


def _takes_text(kind: msgspec.inspect.Type) -> bool:
    kinds = kind.types if isinstance(kind, msgspec.inspect.UnionType) else (kind,)
    return any(isinstance(one, _TEXTS) for one in kinds)


_about = msgspec.inspect.type_info(ExecutionConfig)
assert isinstance(_about, msgspec.inspect.StructType)
_TEXT_FIELDS = {one.name: _takes_text(one.type) for one in _about.fields}
"""Field -> whether a text given for it is its value; the text of any other is JSON."""


class _Setting(Struct, frozen=True):
    """A value, and where it comes from."""

    place: str
    value: Any


_Layer = dict[str, _Setting]


def load(
    file: Path | None,
    environ: Mapping[str, str],
    flags: Mapping[str, Any],
    pairs: Mapping[str, Any] | None = None,
) -> tuple[ExecutionConfig, list[str]]:
    """Read the settings of a run.

    Args:
        file: a TOML file with the fields of `ExecutionConfig`; `buddy.toml` of the working directory,
            if there is one, where it is left out.
        environ: `BUDDY_<FIELD>`; tables and lists as JSON.
        flags: field -> value; None is a flag that was not given.
        pairs: field -> value, as `--set FIELD=VALUE` gives them; flags of their own come before.

    Returns:
        The settings, and a sentence for each one that the operator should think about again.

    Raises:
        BadConfig: with every problem of all three.
    """
    problems: list[str] = []
    said = (_from_file(file, problems), _from_environ(environ, problems))
    layers = (*said, _from_pairs(pairs or {}), _from_flags(flags))
    merged = _merged(layers, problems)
    values = {name: setting.value for name, setting in merged.items()}
    return msgspec.convert(values, ExecutionConfig), _warnings(merged)


def check(config: ExecutionConfig) -> list[str]:
    """Check settings that were made in Python, where nothing has checked them.

    Returns:
        As `load`, the sentences.

    Raises:
        BadConfig: with every problem.
    """
    layer = {
        name: _Setting("ExecutionConfig: ", _plain(getattr(config, name)))
        for name in config.__struct_fields__
    }
    return _warnings(_merged((layer,), []))


def _merged(layers: Iterable[_Layer], problems: list[str]) -> _Layer:
    """Lay each layer over those before it, and refuse what is wrong in any."""
    merged: _Layer = {}
    for layer in layers:
        for name, setting in layer.items():
            _put(merged, name, setting, problems)
    if not problems:
        problems += _contradictions(merged)
    if problems:
        raise BadConfig(problems[:MAX_PROBLEMS], len(problems[MAX_PROBLEMS:]))
    return merged


def _from_file(file: Path | None, problems: list[str]) -> _Layer:
    path = file
    if path is None:
        path = Path(FILE)
        if not path.exists():
            return {}
    place = str(path) if str(path).isprintable() else shown(str(path))
    try:
        document = tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except FileNotFoundError:
        problems.append(f"{place}: expected a file of settings, found nothing there")
    except IsADirectoryError:
        problems.append(f"{place}: expected a file of settings, found a folder")
    except UnicodeDecodeError as problem:
        problems.append(f"{place}: expected UTF-8 text, found something else at byte {problem.start:,}")
    except (tomllib.TOMLDecodeError, RecursionError) as problem:
        problems.append(f"{place}: expected TOML, found a syntax error: {problem}")
    except (OSError, ValueError) as problem:
        reason = getattr(problem, "strerror", None) or problem
        problems.append(f"{place}: expected settings that can be read, found that they cannot: {reason}")
    else:
        return {name: _Setting(f"{place}: ", value) for name, value in document.items()}
    return {}


def _from_environ(environ: Mapping[str, str], problems: list[str]) -> _Layer:
    layer: _Layer = {}
    for variable in sorted(environ):
        if not variable.startswith(PREFIX) or variable in NO_SETTINGS:
            continue
        name, place = variable.removeprefix(PREFIX).lower(), f"environment {named(variable)}: "
        text = environ[variable]
        if name in _TEXT_FIELDS and not text.strip():
            problems.append(
                f"{place}{name}: expected a value, found an empty text; unset the variable instead"
            )
        else:
            layer[name] = _Setting(place, _of_text(name, text))
    return layer


def _from_flags(flags: Mapping[str, Any]) -> _Layer:
    layer: _Layer = {}
    for name, value in flags.items():
        if value is not None:
            flag = _FLAGS.get(name, f"--{name.replace('_', '-')}")
            plain = _plain(value)
            layer[name] = _Setting(f"{flag}: ", _of_text(name, plain) if isinstance(plain, str) else plain)
    return layer


def _from_pairs(pairs: Mapping[str, Any]) -> _Layer:
    # The sentence about a field begins with its name, and the one about an unknown name does not.
    return {
        name: _Setting("--set " if name in _TEXT_FIELDS else f"--set {named(name)}: ", value)
        for name, value in pairs.items()
    }


def _plain(value: Any) -> Any:
    """Return a Python value as TOML would have given it; what it would not is left as it is."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    try:
        return msgspec.to_builtins(value)
    except (TypeError, ValueError, RecursionError):
        return value


def _of_text(name: str, text: str) -> Any:
    """Return the value that a text means for a field; the text itself where it means none."""
    if _TEXT_FIELDS.get(name, True):
        return text
    try:
        return json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        return text


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise ValueError("a key is named twice")
    return table


def _put(merged: _Layer, name: str, setting: _Setting, problems: list[str]) -> None:
    """Check a setting and lay it over what lower layers say."""
    value = setting.value
    if name == "mode" and isinstance(value, str):
        value = MODES.get(value, value)
    found = [f"{setting.place}{sentence}" for sentence in _problems(name, value)]
    problems += found
    if found:
        return
    if name in MERGED:
        below = merged[name].value if name in merged else MERGED[name]
        value = {**below, **value}
    merged[name] = _Setting(setting.place, value)


def _problems(name: str, value: Any) -> Iterator[str]:
    """Yield what is wrong with the value of one field."""
    if name not in _TEXT_FIELDS:
        yield f"expected the name of a setting, found {shown(name)}"
        return
    foreign = list(_foreign(value, name))
    if foreign:
        yield from foreign
        return
    broken = _broken(name, value)
    yield from broken
    if broken:
        return
    if name == "conflicts":
        yield from _strategy_problems(value)
    if name in _WEIGHTS:
        for key in value:
            if key not in _WEIGHTS[name]:
                yield f"{name}: expected one of {', '.join(_WEIGHTS[name])}, found {shown(key)}"


def _foreign(value: Any, place: str) -> Iterator[str]:
    """Yield what TOML, Python or an environment can say and JSON cannot: dates, NaN, bytes in a text."""
    match value:
        case dict():
            for key, item in value.items():
                yield from _foreign(key, f"{place}: key")
                yield from _foreign(item, f"{place}.{named(str(key))}")
        case list() | tuple():
            for index, item in enumerate(value):
                yield from _foreign(item, f"{place}[{index}]")
        case float() if not math.isfinite(value):
            yield f"{place}: expected a finite number, found {value}"
        case str() if any("\ud800" <= one <= "\udfff" for one in value):
            yield f"{place}: expected Unicode text, found {shown(value)}"
        case str() | bool() | int() | float() | None:
            if type(value) not in _PLAIN:
                yield f"{place}: expected a plain value, found {shown(value)} of type {type(value).__name__}"
        case _:
            yield f"{place}: expected a text, number, boolean, list or table, found {shown(value)}"


def _broken(name: str, value: Any) -> list[str]:
    try:
        msgspec.convert({name: value}, ExecutionConfig)
    except (ValueError, RecursionError, msgspec.ValidationError) as problem:
        # The schema tells every problem, but it takes 3 MB to compile, and for it 2.0 is an integer.
        return _by_schema(name, value) or ([] if name == "conflicts" else [parsing.sentence_of(problem)])
    return []


def _by_schema(name: str, value: Any) -> list[str]:
    try:
        return parsing.problems_of({name: value}, ExecutionConfig)
    except (ValueError, RecursionError) as problem:
        return [parsing.sentence_of(problem)]


def _strategy_problems(conflicts: dict[str, str]) -> Iterator[str]:
    kinds = {kind.value: kind for kind in ConflictType}
    for name, strategy in conflicts.items():
        if name not in kinds:
            yield f"conflicts: expected one of {', '.join(kinds)}, found {shown(name)}"
        elif Strategy(strategy) not in ALLOWED[kinds[name]]:
            allowed = ", ".join(one.value for one in ALLOWED[kinds[name]])
            yield f"conflicts.{name}: expected one of {allowed}, found {shown(strategy)}"


def _contradictions(merged: _Layer) -> Iterator[str]:
    """Yield what is wrong with settings that are right one by one."""
    for name in _WEIGHTS:
        weights = merged.get(name)
        total = math.fsum(weights.value.values()) if weights is not None else 1.0
        if weights is not None and abs(total - 1) > _SUM_TOLERANCE:
            yield f"{weights.place}{name}: expected weights that sum to 1, found {total:.10g}"
    clock, mode = merged.get("clock"), merged.get("mode")
    if clock is not None and clock.value == "virtual" and mode is not None and mode.value != Mode.MOCK.value:
        yield (
            f"{clock.place}clock: expected 'real' because the mode is {mode.value}, found 'virtual',"
            " which is for simulations in MOCK"
        )
    box = merged.get("sandbox")
    if box is not None and (found := box.value["timeout_s"]) is not None:
        most = box.value["max_timeout_s"]
        if found > most:
            yield f"{box.place}sandbox.timeout_s: expected at most max_timeout_s ({most:g}), found {found:g}"
    number, named = merged.get("num_agents"), merged.get("agents")
    if number is not None and named is not None and named.value:
        # Where it is what it is by default nobody asked for it.
        expected = (len(named.value), ExecutionConfig().num_agents)
        if number.value not in expected:
            yield (
                f"{number.place}num_agents: expected {len(named.value)}, as many as agents are named, found"
                f" {number.value}"
            )


def _warnings(merged: _Layer) -> list[str]:
    high = merged.get("approval_required_for_high_risk")
    if high is None or high.value:
        return []
    return [
        f"{high.place}approval_required_for_high_risk is false:"
        " tools of HIGH risk act without anybody's approval"
    ]
