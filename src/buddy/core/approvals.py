"""What an approval binds, what changed since, and what a policy file says."""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any, Literal

import msgspec
from msgspec import Struct, field

from buddy.core.canonical import canonical, sha256, without
from buddy.core.planning import TOO_DEEP, is_deep
from buddy.model.contract import ToolContract
from buddy.model.outcome import Preview

MAX_DIFFERENCES = 20


def binding(contract: ToolContract, digest: str, previews: Sequence[Preview]) -> str:
    """Digest of what a person says yes to: contract, arguments, and what would change.

    Args:
        contract: of the tool; its `volatile` pointers are left out of the changes.
        digest: of the arguments.
        previews: of the call, or of every item of a fan-out.
    """
    changes = [without(msgspec.to_builtins(preview.changes), contract.volatile) for preview in previews]
    return sha256([contract.digest, digest, changes])


def differences(contract: ToolContract, before: Preview | None, after: Preview | None) -> tuple[str, ...]:
    """Say what changed between two previews, volatile parts aside, one sentence each."""
    one = _changes(contract, before)
    other = _changes(contract, after)
    found = [
        f"change {place + 1}: was {_short(a)}, is {_short(b)}"
        for place, (a, b) in enumerate(_padded(one, other))
        if a != b
    ]
    return tuple(found[:MAX_DIFFERENCES])


def _changes(contract: ToolContract, preview: Preview | None) -> list[Any]:
    changes: Any = msgspec.to_builtins(preview.changes) if preview is not None else []
    return without(changes, contract.volatile) or []


def _padded(one: list[Any], other: list[Any]) -> list[tuple[Any, Any]]:
    size = max(len(one), len(other))
    return list(
        zip([*one, *[None] * (size - len(one))], [*other, *[None] * (size - len(other))], strict=True)
    )


def _short(value: Any) -> str:
    text = canonical(value).decode()
    return "nothing" if value is None else text if len(text) <= 200 else f"{text[:197]}..."


def person(name: str) -> str:
    """Return who is meant by a name: case and blanks do not make two people of one."""
    return " ".join(name.split()).casefold()


def edit_problem(asked: Any, edited: dict[str, Any]) -> str:
    """Return one sentence on why a person cannot want these arguments instead, or an empty string.

    Args:
        asked: the arguments of the request; of a fan-out the list of them.
        edited: the arguments of a vote.
    """
    if not isinstance(asked, dict):
        return "expected a request for one call, found a fan-out, whose arguments stay as they are"
    try:
        # As they are stored: what made them in Python may have tuples or records among them.
        plain = msgspec.json.decode(msgspec.json.encode(edited))
    except RecursionError:
        return TOO_DEEP
    except (TypeError, ValueError, OverflowError, msgspec.MsgspecError) as problem:
        return f"expected arguments made of JSON values: {problem}"
    if not isinstance(plain, dict):
        return f"expected a JSON object of arguments, found {_short(plain)}"
    return TOO_DEEP if is_deep(plain) else ""


class PolicyRule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One rule of a policy file; all that it names must match.

    Attributes:
        decision: `approve` or `deny`.
        tool: glob over tool names.
        agent: glob over agents.
        args: argument -> glob over its text; an argument that is absent does not match.
        reason: why, for the record.
    """

    decision: Literal["approve", "deny"]
    tool: str = "*"
    agent: str = "*"
    args: dict[str, str] = field(default_factory=dict)
    reason: str = ""


class Policy(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A policy file: rules asked in order, the first that matches decides, the rest waits for a person."""

    rules: tuple[PolicyRule, ...] = ()


def _text(value: Any) -> str:
    return value if isinstance(value, str) else canonical(value).decode()


def matching_rule(policy: Policy, tool: str, agent: str, args: Any) -> PolicyRule | None:
    """Return the first rule that matches a call (of a fan-out: each of its items), None where none does.

    Args:
        policy: the rules.
        tool: name of the tool.
        agent: who asks.
        args: the arguments, or the list of those of every item.
    """
    calls = args if isinstance(args, list) else [args]
    for rule in policy.rules:
        if fnmatchcase(tool, rule.tool) and fnmatchcase(agent, rule.agent):
            matches = [
                all(name in call and fnmatchcase(_text(call[name]), glob) for name, glob in rule.args.items())
                for call in calls
            ]
            if (calls and all(matches)) or (rule.decision == "deny" and any(matches)):
                return rule
    return None
