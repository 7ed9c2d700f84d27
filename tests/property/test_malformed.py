"""Whatever comes in as a plan is refused in sentences, or is valid for the published schema too."""

import json
import os
import random
from collections import Counter
from pathlib import Path
from typing import Any

import jsonschema_rs
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from buddy.core import parsing, planning
from buddy.errors import BadInput
from buddy.model.plan import Plan, PlanDocument

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "tests" / "data"
REAL = Path(os.environ.get("BUDDY_DATA", ROOT.parent / "shared" / "data"))

MUTATIONS = 48_000  # of our own examples, and as many of real ones where there are any
GENERATED = 2_000
SCHEMA = jsonschema_rs.validator_for(parsing.schema_of(PlanDocument))


def judged(data: bytes) -> Plan | None:
    """The plan, None where it is refused; fails where a refusal says nothing or the schema disagrees."""
    try:
        plan = planning.plan_of(parsing.plan_document(data, "plan.json"), "plan.json", "plan:1")
    except BadInput as problem:
        told = problem.problems
    else:
        told = ()
    if told:
        assert len(told) <= planning.MAX_PROBLEMS
        assert all(one.startswith("plan.json: ") and len(one) > 20 and one.isprintable() for one in told), (
            told
        )
        return None
    assert SCHEMA.is_valid(json.loads(data)), data
    assert msgspec.json.decode(msgspec.json.encode(plan), type=Plan) == plan, data
    return plan


def lines_of(path: Path) -> list[bytes]:
    data = path.read_bytes()
    return [data] if path.suffix == ".json" else [line for line in data.splitlines() if line.strip()]


ours = [line for path in sorted(SHIPPED.glob("*.json*")) for line in lines_of(path)]

TOKENS = [
    *(
        b'"',
        b"{",
        b"}",
        b"[",
        b"]",
        b":",
        b",",
        b"\\",
        b"\\u0000",
        b"\\ud800",
        b"\x00",
        b"\xff",
        b"\xed\xa0\x80",
    ),
    *(
        b"null",
        b"true",
        b"-1",
        b"1e999",
        b"NaN",
        b"-0",
        b"2.0",
        b"9" * 30,
        b"9" * 500,
        b"0.5",
        b'""',
        b"{}",
        b"[]",
    ),
    *(b'"#"', b'"a[0]"', b'"$from"', b'"$item"', b'"path"', b'{"$from":"find","path":"x"}', b'{"$item":1}'),
    *(
        b'"plan_id":"x",',
        b'"steps":{},',
        b'"for_each":null,',
        b'"order":"parallel",',
        b"\n",
        b" ",
        b"\xc2\xa0",
    ),
    *(b"\xe2\x80\xae", b"[" * 120 + b"]" * 120, b"[" * 2000, b'"' + b"n" * 300 + b'"', b"\xef\xbb\xbf"),
]


# Most changes of bytes end at the JSON parser, so those that get past it are tried more often.
CHANGES = ("noise", "cut", "repeat", "token", "splice", *["value"] * 5, *["text"] * 5)


def mutated(draw: random.Random, data: bytes, others: list[bytes]) -> bytes:
    """Return a text with one to four changes."""
    text = bytearray(data)
    for _ in range(draw.choice((1, 1, 1, 2, 3, 4))):
        at = draw.randrange(len(text) + 1)
        end = min(len(text), at + draw.choice((1, 1, 2, 4, 8, 40)))
        match draw.choice(CHANGES):
            case "noise":
                text[at:end] = draw.randbytes(end - at)
            case "cut":
                del text[at:end]
            case "repeat":
                text[at:at] = text[at:end]
            case "token":
                text[at:at] = draw.choice(TOKENS)
            case "value":
                swap_value(draw, text)
            case "text":
                swap_text(draw, text)
            case _:
                other = draw.choice(others)
                start = draw.randrange(len(other))
                text[at:end] = other[start : start + draw.choice((1, 8, 40, 200))]
    return bytes(text)


def swap_value(draw: random.Random, text: bytearray) -> None:
    """Put a token in the place of what follows a colon: syntax survives, types do not."""
    colon = text.find(b":", draw.randrange(len(text) + 1))
    ends = [end for end in (text.find(b",", colon), text.find(b"}", colon)) if end > colon]
    if colon >= 0 and ends:
        text[colon + 1 : min(ends)] = draw.choice(TOKENS)


def swap_text(draw: random.Random, text: bytearray) -> None:
    """Put one quoted text in the place of another: syntax survives, ids do not."""
    quoted = bytes(text).split(b'"')
    if len(quoted) >= 5:
        source, target = (2 * draw.randrange(len(quoted) // 2) + 1 for _ in range(2))
        quoted[target] = quoted[source]
        text[:] = b'"'.join(quoted)


def mutate(examples: list[bytes], seed: int) -> None:
    draw = random.Random(seed)
    seen: Counter[bool] = Counter()
    for _ in range(MUTATIONS):
        seen[judged(mutated(draw, draw.choice(examples), examples)) is None] += 1
    # Both sides of the question were asked, so that neither answer can be the only one.
    assert min(seen[True], seen[False]) > MUTATIONS // 50, seen


def test_the_examples_themselves_are_accepted() -> None:
    assert len(ours) == 5
    assert all(judged(line) is not None for line in ours)


def test_mutations_of_our_examples_are_refused_in_sentences_or_valid() -> None:
    mutate(ours, seed=20)


def test_mutations_of_real_plans_are_refused_in_sentences_or_valid() -> None:
    files = sorted(path for path in REAL.glob("*/*.jsonl"))
    if not files:
        pytest.skip(f"no real plans in {REAL}")
    real = [line for path in files for line in lines_of(path)[::7] if len(line) < 3_000]
    assert all(judged(line) is not None for line in real)
    mutate(real, seed=21)


ids = st.sampled_from(
    ["find", "fill", "click", "a", "b", "#", "a[0]", "", "x" * 257, "é", "\u202e", "\n", "find#2"]
)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | ids
references = st.fixed_dictionaries({"$from": ids | st.integers()}, optional={"path": ids | st.just("/a")})
values = st.recursive(
    scalars | references | st.fixed_dictionaries({"$item": ids | st.just("/a")}),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(ids, inner, max_size=2),
    max_leaves=4,
)
step_fields: dict[str, st.SearchStrategy[Any]] = {
    "tool": ids,
    "args": st.dictionaries(ids, values, max_size=3),
    "agent": ids,
    "confidence": st.floats(0, 1),
    "depends_on": st.lists(ids, max_size=2),
    "claims": st.lists(st.fixed_dictionaries({"resource": ids}, optional={"access": ids}), max_size=2),
    "group": ids,
    "repeat": st.booleans(),
    "estimated_duration_s": st.floats(0, 9),
    "for_each": references,
    "max_items": st.integers(0, 9),
    "meta": st.dictionaries(ids, values, max_size=2),
}
plan_fields: dict[str, st.SearchStrategy[Any]] = {
    "plan_id": ids,
    "phase21_plan_id": ids,
    "steps": st.dictionaries(
        ids, st.fixed_dictionaries({}, optional={name: one | values for name, one in step_fields.items()})
    ),
    "execution_order": st.lists(ids, max_size=4),
    "order": st.sampled_from(["strict", "parallel", "none"]),
    "agent_assignments": st.dictionaries(ids, st.lists(ids, max_size=4), max_size=2),
    "confidence_scores": st.dictionaries(ids, st.floats(0, 1) | values, max_size=2),
    "agents": st.dictionaries(
        ids,
        st.fixed_dictionaries(
            {}, optional={"permissions": st.lists(ids), "skills": values, "capacity": st.integers(0, 3)}
        ),
        max_size=2,
    ),
    "on_failure": st.sampled_from(["stop", "continue", "go"]),
    "validation_results": st.dictionaries(ids, st.fixed_dictionaries({"passed": st.booleans()}), max_size=2),
    "meta": values,
}
documents = st.fixed_dictionaries({}, optional=plan_fields) | values


@settings(
    max_examples=GENERATED,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(documents)
def test_generated_documents_are_refused_in_sentences_or_valid(document: Any) -> None:
    judged(json.dumps(document).encode())


def test_the_command_line_refuses_them_with_exit_2_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from buddy.interfaces.cli.main import main

    monkeypatch.setenv("BUDDY_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    draw = random.Random(11)
    codes: Counter[int] = Counter()
    for turn in range(200):
        data = mutated(draw, draw.choice(ours), ours)
        source, out = tmp_path / "plan.json", tmp_path / f"out{turn}"
        source.write_bytes(data)
        code = main(["run", str(source), "--out", str(out), "--approvals", "exit"])
        told = capsys.readouterr()
        codes[code] += 1
        assert "Traceback" not in told.out + told.err
        if code == 2:
            assert told.err.startswith("buddy: "), (data, told.err)
            assert not out.exists()
        else:
            assert code in (0, 1, 3), (data, told.err)
            assert (out / "orchestration_summary.json").is_file()
    assert codes[2] > 100, codes
