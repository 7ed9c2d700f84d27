"""What code says of itself over the channel that its runner reports on: it can claim a value, and no more."""

import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from buddy.adapters.sandbox import Sandbox
from buddy.model.sandbox import Layer, SandboxPolicy, SandboxResult, ViolationType

BARE = SandboxPolicy(imports=("os",), check=False, facades=False)


@pytest.fixture(scope="module")
def bare() -> Iterator[Sandbox]:
    with Sandbox(BARE, workers=1) as one:
        yield one


def said(box: Sandbox, *lines: str) -> SandboxResult:
    """What comes of code that writes lines to the channel and ends before its runner can."""
    text = "".join(f"{line}\n" for line in lines)
    return box.execute("import os\nos.write(3, text.encode())\nos._exit(0)", {"text": text})


@pytest.mark.parametrize("part", ["[", '{"a":'], ids=["lists", "dicts"])
def test_a_value_is_no_deeper_than_a_runner_lets_through(bare: Sandbox, part: str) -> None:
    close = "]" if part == "[" else "}"
    for depth, fits in ((199, True), (900, False)):
        result = said(bare, f'{{"report": {{"value": {part * depth}1{close * depth}}}}}')
        assert result.ok is fits
        assert [one.layer for one in result.violations] == ([] if fits else [Layer.SUPERVISOR])


def test_a_wide_value_is_no_deep_one(bare: Sandbox) -> None:
    assert bare.execute("[[[1], {'a': 2}]] * 500").ok


@pytest.mark.parametrize("layer", ["kernel", "supervisor"])
def test_a_finding_in_the_name_of_the_kernel_is_a_forgery(bare: Sandbox, layer: str) -> None:
    result = said(bare, f'{{"finding": ["TIMEOUT", "x", 1, "{layer}"]}}', '{"report": {}}')
    assert [(one.type, one.layer, one.authoritative) for one in result.violations] == [
        (ViolationType.SYSCALL_DENIED, Layer.SUPERVISOR, True)
    ]


def test_what_code_says_of_itself_is_short_and_on_one_line(bare: Sandbox) -> None:
    long = json.dumps("\x1b[2J\n" + "x" * 300_000)
    result = said(bare, f'{{"finding": ["TIMEOUT", {long}, 1, "facade"]}}', '{"report": {}}')
    (violation,) = result.violations
    assert violation.details.isprintable()
    assert len(violation.details) < 1_000
    result = said(bare, f'{{"report": {{"error": {{"type": {long}, "message": "m"}}}}}}')
    assert result.error is not None
    assert len(result.error.type) <= 200


def test_denied_calls_leave_little_in_the_log(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    code = """
import os
for number in range(99):
    try: os.mkdir(b'%d\\n\\x1b[2J' % number + bytes([255]) * 4080)
    except OSError: pass
"""
    with Sandbox(BARE, workers=1, log=log) as box:
        result = box.execute(code)
    assert len(result.violations) == 99
    assert all(one.details.isprintable() for one in result.violations)
    assert result.violations[7].path.startswith("7\n\x1b[2J\\xff")
    assert log.stat().st_size < 500_000
    assert len(log.read_bytes().splitlines()) == 99
    msgspec.json.encode(result)
