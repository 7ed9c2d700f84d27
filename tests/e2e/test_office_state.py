"""The example office against an independent replayer, on recorded runs of language models."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from buddy import InvalidArguments
from e2e import office_replayer as replayer
from e2e.office_example import SHARED, Office, example

pytestmark = pytest.mark.skipif(not (SHARED / "runs.jsonl").exists(), reason="the shared data is not here")


@pytest.fixture(scope="module")
def start() -> replayer.State:
    return replayer.load(SHARED / "db")


def lines(name: str) -> Iterator[dict[str, Any]]:
    with (SHARED / name).open(encoding="utf-8") as file:
        yield from map(json.loads, file)


def test_replaying_gives_the_labels_of_the_recordings(start: replayer.State) -> None:
    plans = {}
    for plan in lines("plans.jsonl"):
        plans[plan["plan_id"]] = state = replayer.fresh(start)
        assert set(replayer.replay(state, replayer.calls_of(plan))) <= {"ok"}, plan["plan_id"]
    agree: Counter[str] = Counter()
    for run in lines("runs.jsonl"):
        meta, state = run["meta"], replayer.fresh(start)
        kinds = replayer.replay(state, replayer.calls_of(run))
        ran = [kind in replayer.READS_LIKE_AN_ANSWER for kind in kinds]
        plan_state = plans[f"workbench:{meta['domain']}:{meta['task']}"]
        correct, harmful = replayer.judge(start, plan_state, state, meta["error"])
        agree.update(runs=1, correct=correct == meta["correct"], harmful=harmful == meta["harmful"])
        agree.update(calls=len(ran), call_ok=sum(map(bool.__eq__, ran, meta["call_ok"])))
    assert agree["correct"] == agree["harmful"] == agree["runs"] > 0
    assert agree["call_ok"] == agree["calls"]


@pytest.mark.parametrize("name", ["plans.jsonl", "runs.jsonl"])
def test_the_office_answers_and_ends_as_the_replayer_does(
    name: str, start: replayer.State, tmp_path: Path
) -> None:
    reads = example("office").READS
    for plan in lines(name):
        state = replayer.fresh(start)
        office = Office.create(tmp_path / "office.sqlite", SHARED / "db")
        for tool, args in replayer.calls_of(plan):
            expected, kind = None, "ok"
            try:
                expected = replayer.call(state, tool, args)
            except replayer.Refused as refusal:
                expected, kind = [], refusal.kind
            if kind == "unknown":
                continue
            try:
                got = office.call(tool, args)
            except InvalidArguments:
                assert kind not in ("ok", "empty"), (plan["plan_id"], tool, args)
            else:
                assert kind in ("ok", "empty"), (plan["plan_id"], tool, args)
                assert tool not in reads or got == expected, (plan["plan_id"], tool, args)
        ended = office.state()
        assert ended == {table: state[table] for table in ended}, plan["plan_id"]
