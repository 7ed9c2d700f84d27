import errno
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from buddy.adapters.inputs.canonical import StoredPlans, line_of, write_plans
from buddy.errors import BadInput, ClosedStop
from buddy.model.plan import Agent, Claim, Plan, Reference, Step

PLANS = [
    Plan(plan_id="empty"),
    Plan(
        plan_id="full",
        steps=(
            Step(
                step_id="a#2",
                tool="t",
                agent="x",
                args={"z": 1, "a": [None, 10**30, 0.1, "é\u2028\n"]},
                confidence=0.5,
                depends_on=("b",),
                claims=(Claim("page:1", "read"),),
                for_each=Reference("b", "/x"),
                max_items=3,
            ),
        ),
        chain=False,
        agents={"y": Agent(permissions=()), "x": Agent()},
        on_failure="continue",
        meta={"b": {"c": []}},
    ),
]


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "plans.jsonl"
    sha256 = write_plans(path, iter(PLANS))
    assert sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    stored = StoredPlans(path)
    stored.verify(sha256)
    assert list(stored.plans()) == PLANS
    assert list(stored.plans()) == PLANS
    assert list(next(iter(list(stored.plans())[1:])).agents) == ["y", "x"]
    assert path.read_bytes() == b"".join(map(line_of, PLANS))
    assert os.listdir(tmp_path) == ["plans.jsonl"]


def test_no_plans_are_an_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "plans.jsonl"
    StoredPlans(path).verify(write_plans(path, []))
    assert list(StoredPlans(path).plans()) == []


def test_the_file_and_its_name_are_durable_before_the_digest_is_returned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[int, bool]] = []
    path = tmp_path / "plans.jsonl"
    fsync = os.fsync

    def watched(file: int) -> None:
        synced.append((os.fstat(file).st_ino, path.exists()))
        fsync(file)

    monkeypatch.setattr(os, "fsync", watched)
    write_plans(path, PLANS)
    assert synced == [(path.stat().st_ino, False), (tmp_path.stat().st_ino, True)]


def test_a_plan_that_is_refused_on_the_way_leaves_no_file(tmp_path: Path) -> None:
    def plans() -> Iterator[Plan]:
        yield PLANS[0]
        raise BadInput("plan 2: expected better")

    with pytest.raises(BadInput, match="plan 2: expected better"):
        write_plans(tmp_path / "plans.jsonl", plans())
    assert os.listdir(tmp_path) == []


def test_a_failing_disk_is_a_closed_stop_and_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(file: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    path = tmp_path / "plans.jsonl"
    with pytest.raises(ClosedStop) as caught:
        write_plans(path, PLANS)
    assert str(caught.value) == (
        f"{path}: the plans cannot be kept (No space left on device), so the run did not start"
    )
    assert os.listdir(tmp_path) == []


def test_a_folder_that_is_not_there_is_a_closed_stop(tmp_path: Path) -> None:
    with pytest.raises(ClosedStop, match="No such file or directory"):
        write_plans(tmp_path / "gone" / "plans.jsonl", PLANS)


def test_any_changed_byte_is_noticed_by_verify(tmp_path: Path) -> None:
    path = tmp_path / "plans.jsonl"
    sha256 = write_plans(path, PLANS)
    data = path.read_bytes()
    for at in range(0, len(data), 7):
        path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        with pytest.raises(BadInput, match="expected the plans that the run began with"):
            StoredPlans(path).verify(sha256)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (b"{", "line 2: expected a stored plan, found one cut short"),
        (b'{"plan_id":"p"}', "line 2: expected a stored plan, found one cut short"),
        (b"\n", "line 2: expected a stored plan, found damage: "),
        (b'{"plan_id":1}\n', "line 2: expected a stored plan, found damage: "),
        (b'{"plan_id":"\xff"}\n', "line 2: expected a stored plan, found damage: "),
        (
            b'{"plan_id":"p","meta":' + b"[" * 100_000 + b"\n",
            "line 2: expected a stored plan, found damage: ",
        ),
    ],
)
def test_a_damaged_line_is_refused_with_its_number(tmp_path: Path, line: bytes, sentence: str) -> None:
    path = tmp_path / "plans.jsonl"
    path.write_bytes(line_of(PLANS[0]) + line)
    plans = StoredPlans(path).plans()
    assert next(plans) == PLANS[0]
    with pytest.raises(BadInput) as caught:
        next(plans)
    assert str(caught.value).startswith(f"{path} {sentence}")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    stored = StoredPlans(tmp_path / "plans.jsonl")
    with pytest.raises(BadInput, match="cannot be read: No such file"):
        stored.verify("")
    with pytest.raises(BadInput, match="cannot be read: No such file"):
        list(stored.plans())
