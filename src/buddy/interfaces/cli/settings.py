"""The configuration that flags, environment and file say together."""

import argparse
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from buddy.model.config import ExecutionConfig

FLAGS = {
    "mode": "mode",
    "out": "output_dir",
    "isolate": "isolate",
    "deadline": "deadline_s",
    "on_failure": "on_failure",
    "agents": "num_agents",
    "strategy": "assignment_strategy",
    "schedule": "schedule",
    "clock": "clock",
    "seed": "seed",
    "approvals": "approvals",
}
"""Flag -> key of the configuration."""

_WORD = re.compile(r"[A-Za-z_][\w.-]*")


def chosen(args: argparse.Namespace) -> "ExecutionConfig":
    """Return the configuration in force; warnings go to stderr.

    Raises:
        BadInput: a setting cannot be used.
    """
    from pathlib import Path

    from buddy import wiring
    from buddy.interfaces.cli.printing import warn

    flags = {key: getattr(args, flag) for flag, key in FLAGS.items() if getattr(args, flag, None) is not None}
    config, warnings = wiring.settings(
        Path(args.config) if args.config else None, flags, settings_of(args.set)
    )
    warn(*(f"warning: {sentence}" for sentence in warnings))
    return config


def says(args: argparse.Namespace, key: str) -> bool:
    """Whether a flag or the environment says what a setting is; a file is not looked into."""
    import os

    by_flag = any(getattr(args, flag, None) is not None for flag, it in FLAGS.items() if it == key)
    return by_flag or key in settings_of(args.set) or f"BUDDY_{key.upper()}" in os.environ


def settings_of(pairs: list[str]) -> dict[str, Any]:
    """Read `KEY=VALUE` pairs, the value as TOML; a bare word is a text.

    Raises:
        BadInput: with everything that is wrong with them.
    """
    import tomllib

    from buddy.errors import BadInput

    found: dict[str, Any] = {}
    problems = []
    for pair in pairs:
        key, equals, value = (part.strip() for part in pair.partition("="))
        if not equals or not key or not value or "\n" in pair:
            problems.append(f"--set: expected KEY=VALUE, found {pair!r}")
            continue
        text = (
            f'"{value}"' if _WORD.fullmatch(value) and value not in ("true", "false", "inf", "nan") else value
        )
        try:
            _merge(found, tomllib.loads(f"{key} = {text}"))
        except (tomllib.TOMLDecodeError, RecursionError) as problem:
            problems.append(f"--set {key}: expected a value in TOML, found {value!r}: {problem}")
    if problems:
        raise BadInput(problems)
    return found


def _merge(into: dict[str, Any], more: dict[str, Any]) -> None:
    for key, value in more.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value
