"""Programs for seccomp: a filter over the number and the arguments of a system call, as classic BPF."""

import struct
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from buddy.adapters.sandbox.kernel.abi import Abi

KILL = 0x80000000
NOTIFY = 0x7FC00000
ALLOW = 0x7FFF0000
X32 = 0x40000000

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCH, _ARGS = 0, 4, 16


def refuse(errno: int) -> int:
    """Return the action that lets a call fail with an error number."""
    return 0x00050000 | errno


class Test(NamedTuple):
    """A question about one half of one argument.

    Attributes:
        arg: 0 to 5.
        high: the upper 32 bits instead of the lower ones.
        value: to compare with.
        bits: ask whether any bit of `value` is set, instead of whether both are equal.
    """

    arg: int
    value: int
    high: bool = False
    bits: bool = False


class Rule(NamedTuple):
    """What is done with a call: `action` where all tests hold (or, with `negate`, where none does).

    Attributes:
        call: its name.
        action: where the tests say yes.
        tests: no tests say yes.
        otherwise: where they say no.
        negate: turn each test's answer around.
    """

    call: str
    action: int = ALLOW
    tests: tuple[Test, ...] = ()
    otherwise: int = NOTIFY
    negate: bool = False


def program(abi: Abi, rules: Sequence[Rule], default: int) -> bytes:
    """Return a filter: foreign architectures are killed, calls without a rule get `default`.

    Args:
        abi: of the machine.
        rules: in the order in which they are asked; several for one call ask one after another, and the
            `otherwise` of the last counts. A call that the machine has not is passed over.
        default: the action for every other call.
    """
    code = [
        _jump(_LOAD, _ARCH),
        _jump(_EQUAL, abi.audit, yes=1),
        _jump(_RETURN, KILL),
        _jump(_LOAD, _NUMBER),
    ]
    if abi.x32:
        code += [_jump(_AT_LEAST, X32, no=1), _jump(_RETURN, KILL)]
    for name in dict.fromkeys(rule.call for rule in rules):
        if name not in abi.numbers:
            continue
        body = _body([rule for rule in rules if rule.call == name])
        code += [_jump(_EQUAL, abi.numbers[name], no=len(body)), *body]
    return b"".join((*code, _jump(_RETURN, default)))


def _body(rules: Sequence[Rule]) -> list[bytes]:
    body: list[bytes] = []
    for rule in rules:
        body += _asked(rule)
    if rules[-1].tests:
        body.append(_jump(_RETURN, rules[-1].otherwise))
    return body


def _asked(rule: Rule) -> list[bytes]:
    """Return the tests of a rule; a no falls through to what comes after its return."""
    lines: list[bytes] = []
    left = len(rule.tests)
    for test in rule.tests:
        left -= 1
        away = 2 * left + 1  # over the tests that follow and the return
        kind = _ANY_BIT if test.bits else _EQUAL
        yes, no = (away, 0) if rule.negate else (0, away)
        lines += [_jump(_LOAD, _ARGS + 8 * test.arg + 4 * test.high), _jump(kind, test.value, yes=yes, no=no)]
    return [*lines, _jump(_RETURN, rule.action)]


def _jump(code: int, value: int, *, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("=HBBI", code, yes, no, value)


def allow(calls: Iterable[str]) -> list[Rule]:
    """Return rules that let calls through whatever their arguments are."""
    return [Rule(call) for call in calls]
