import gc
import hashlib
import io
import json
import os
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from buddy.adapters.inputs import plans as inputs
from buddy.adapters.inputs.canonical import line_of
from buddy.adapters.inputs.plans import PlanFiles, PlanObjects, Scan
from buddy.errors import BadInput
from buddy.journal.events import InputDigest
from buddy.model.plan import Plan, PlanDocument, Step, StepDocument

EXPECTED = (
    "expected a file of plans (.json or .jsonl), or a folder of predictions with predicted_tasks.jsonl in it"
)
DATA = Path(__file__).parents[3] / "data"
REAL = Path(os.environ.get("BUDDY_DATA", Path(__file__).parents[5] / "shared" / "data"))


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def line(plan_id: str | None = None, **fields: Any) -> bytes:
    named = {"plan_id": plan_id} if plan_id else {}
    return json.dumps({**named, "steps": {"a": {"agent": "x"}}, **fields}).encode()


def write(name: str, *lines: bytes) -> str:
    Path(name).write_bytes(b"\n".join(lines))
    return name


def ids(source: PlanFiles | PlanObjects) -> list[str]:
    return [plan.plan_id for plan in source.plans()]


def refusal(source: PlanFiles | PlanObjects) -> BadInput:
    with pytest.raises(BadInput) as caught:
        source.scan()
    return caught.value


def test_files_are_counted_digested_and_read_in_order() -> None:
    one, two = write("one.json", line("p1")), write("two.jsonl", line("p2"), line("p3", steps={}))
    source = PlanFiles([two, one])
    assert source.scan() == Scan(
        3,
        2,
        [InputDigest(name, hashlib.sha256(Path(name).read_bytes()).hexdigest()) for name in (two, one)],
    )
    assert ids(source) == ["p2", "p3", "p1"]
    assert ids(source) == ["p2", "p3", "p1"]


def test_plans_scans_where_nobody_has() -> None:
    assert ids(PlanFiles([write("one.json", line("p"))])) == ["p"]
    with pytest.raises(BadInput, match="found nothing there"):
        next(PlanFiles(["gone.json"]).plans())


def test_two_readers_at_once_do_not_disturb_each_other() -> None:
    source = PlanFiles(["-"], io.BytesIO(b"\n".join(line(f"p{number}") for number in range(5))))
    source.scan()
    pairs = list(zip(source.plans(), source.plans(), strict=True))
    assert [one.plan_id for one, _ in pairs] == [f"p{number}" for number in range(5)]
    assert all(one == other for one, other in pairs)


def test_the_shipped_examples_are_read() -> None:
    scan = PlanFiles([str(DATA / "signup.json"), str(DATA / "mails.jsonl")]).scan()
    assert (scan.plans, scan.steps) == (5, 11)


def test_blank_lines_line_ends_of_windows_and_a_byte_order_mark_do_no_harm() -> None:
    name = write("plans.JSONL", b"\xef\xbb\xbf" + line("p1") + b"\r", b"", b" \t\r", line("p2"), b"")
    assert ids(PlanFiles([name])) == ["p1", "p2"]
    assert ids(PlanFiles([write("plan.json", b"\xef\xbb\xbf" + line("p"))])) == ["p"]


def test_a_plan_without_an_id_gets_file_and_line() -> None:
    many = write("night run.jsonl", b"", line(), line("p"), line())
    assert ids(PlanFiles([many, write("one.json", line())])) == ["night run:2", "p", "night run:4", "one:1"]
    assert ids(PlanFiles(["-"], io.BytesIO(line()))) == ["stdin:1"]


def test_a_default_id_can_be_an_id_whatever_the_file_is_called() -> None:
    assert ids(PlanFiles([write("a[1]#\u202e.json", line())])) == ["a_1___:1"]


def test_names_of_files_are_shown_on_one_line() -> None:
    (told,) = refusal(PlanFiles([write("a\n.json", b"")])).problems
    assert told == "'a\\n.json': expected a JSON object, found nothing"


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("gone.json", f"gone.json: {EXPECTED}, found nothing there"),
        ("folder", f"folder: {EXPECTED}, found a folder without that file"),
        ("folder.json", f"folder.json: {EXPECTED}, found a folder without that file"),
        ("plan.yaml", f"plan.yaml: {EXPECTED}, or - for standard input, found '.yaml'"),
        ("plan", f"plan: {EXPECTED}, or - for standard input, found ''"),
        (
            "pipe.jsonl",
            "pipe.jsonl: expected a file that can be read twice, found a pipe or device; use - instead",
        ),
        (
            "plan/a.json",
            "plan/a.json: expected plans that can be read, found that they cannot: Not a directory",
        ),
        ("a\0.json", "'a\\x00.json': expected plans that can be read, found that they cannot: embedded null"),
        ("empty.json", "empty.json: expected a JSON object, found nothing"),
        ("empty.jsonl", "empty.jsonl: expected at least one plan, found none"),
        ("blank.jsonl", "blank.jsonl: expected at least one plan, found none"),
        ("latin.json", "latin.json: expected UTF-8 text, found byte 0xe9 at offset 10"),
        ("latin.jsonl", "latin.jsonl line 2: expected UTF-8 text, found byte 0xe9 at offset 10"),
        ("two.json", "two.json: expected JSON, found a syntax error at line 2 column 1: Extra data"),
    ],
)
def test_an_input_that_cannot_be_used_is_refused_in_one_sentence(path: str, sentence: str) -> None:
    Path("folder").mkdir()
    Path("folder.json").mkdir()
    os.mkfifo("pipe.jsonl")
    latin = '{"meta":{"é":1}}'.encode("latin-1")
    for name, lines in {
        "plan.yaml": [],
        "plan": [],
        "empty.json": [],
        "empty.jsonl": [],
        "blank.jsonl": [b" ", b"", b"\t"],
        "latin.json": [latin],
        "latin.jsonl": [line("p"), latin],
        "two.json": [line("p"), line("q")],
    }.items():
        write(name, *lines)
    (told,) = refusal(PlanFiles([path])).problems
    assert told.startswith(sentence)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_refused() -> None:
    Path(write("plan.json", line())).chmod(0)
    assert "Permission denied" in str(refusal(PlanFiles(["plan.json"])))


def test_a_disk_that_fails_while_a_file_is_read_is_an_error_of_the_input(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Failing(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise OSError(5, "Input/output error")

    source = PlanFiles([write("plan.json", line())])
    monkeypatch.setattr(Path, "open", lambda *_, **__: Failing())
    assert "plan.json: expected plans that can be read" in str(refusal(source))
    assert "Input/output error" in str(refusal(PlanFiles(["-"], Failing())))


def test_all_problems_of_all_inputs_are_reported_together_in_order() -> None:
    good = write("good.jsonl", line("p"), b"{", line("p"), line("q", colour=1, size=2))
    told = refusal(PlanFiles([good, "gone.json", write("also.json", line("p"))])).problems
    assert told[0].startswith("good.jsonl line 2: expected JSON, found a syntax error at column 2")
    assert told[1:] == (
        "good.jsonl line 3: plan_id: expected an id of its own, found 'p', which good.jsonl line 1 has too",
        "good.jsonl line 4: the document: expected no unknown keys, found 'colour'",
        "good.jsonl line 4: the document: expected no unknown keys, found 'size'",
        f"gone.json: {EXPECTED}, found nothing there",
        "also.json: plan_id: expected an id of its own, found 'p', which good.jsonl line 1 has too",
    )


def test_the_same_file_twice_is_named_as_such() -> None:
    (told,) = refusal(PlanFiles([write("one.json", line("p"))] * 2)).problems
    assert told == "one.json: plan_id: expected an id of its own, found 'p', which one.json has too"


def test_default_ids_are_compared_too() -> None:
    (told,) = refusal(PlanFiles([write("one.json", line()), write("two.json", line("one:1"))])).problems
    assert told == "two.json: plan_id: expected an id of its own, found 'one:1', which one.json has too"


def test_the_first_hundred_problems_of_all_inputs_are_listed() -> None:
    many = write("many.jsonl", *[b'{"a":1,"b":2,"c":3}'] * 50)
    one = write("one.json", json.dumps({"execution_order": [1.5, *range(150)]}).encode())
    refused = refusal(PlanFiles([many, one]))
    assert (len(refused.problems), refused.omitted) == (100, 50 + 151)
    refused = refusal(PlanFiles([one, many]))
    assert (len(refused.problems), refused.omitted) == (100, 150 + 51)


def test_no_input_at_all_is_refused() -> None:
    assert refusal(PlanFiles([])).problems == ("inputs: expected at least one file of plans, found none",)


@pytest.mark.parametrize(
    "text",
    [
        line("p"),
        line("p") + b"\n\n",
        b"\n\n" + line("p"),
        json.dumps(json.loads(line("p")), indent=2).encode(),
        b'\n\n{"plan_id": "p",\n "steps": {"a": {"agent": "x"}}}\n',
        b'{"steps": {"a": {"agent": "x"}}\n, "plan_id": "p"}',
        b"\xef\xbb\xbf{\n" + line("p")[1:],
    ],
)
def test_standard_input_is_a_plan_a_line_or_one_over_several(text: bytes) -> None:
    source = PlanFiles(["-"], io.BytesIO(text))
    assert source.scan() == Scan(1, 1, [InputDigest("stdin", hashlib.sha256(text).hexdigest())])
    assert ids(source) == ["p"]
    assert source.scan().plans == 1


def test_lines_of_standard_input_are_named() -> None:
    source = PlanFiles(["-"], io.BytesIO(b"\n".join([line("p"), b"{]", line("p")])))
    told = refusal(source).problems
    assert told[0].startswith("stdin line 2: expected JSON")
    assert told[1].startswith("stdin line 3: plan_id: expected an id of its own")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"", "stdin: expected at least one plan, found none"),
        (b"\n \n", "stdin: expected at least one plan, found none"),
        (b'{\n"plan_id": 1}', "stdin: plan_id: expected string, found 1"),
        (b"{\n", "stdin: expected JSON, found a syntax error at line 2 column 1"),
    ],
)
def test_standard_input_that_cannot_be_used_is_refused(text: bytes, sentence: str) -> None:
    (told,) = refusal(PlanFiles(["-"], io.BytesIO(text))).problems
    assert told.startswith(sentence)


def test_standard_input_can_be_named_once() -> None:
    source = PlanFiles(["-", "-"], io.BytesIO(line("p")))
    assert refusal(source).problems == ("-: expected standard input once, found it twice among the inputs",)


def test_the_process_has_a_standard_input_of_its_own_or_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(line("p"))))
    assert ids(PlanFiles(["-"])) == ["p"]
    monkeypatch.setattr(sys, "stdin", None)
    assert "found it closed" in str(refusal(PlanFiles(["-"])))


def test_what_was_spooled_goes_with_the_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs.tempfile, "tempdir", str(tmp_path))
    source = PlanFiles(["-"], io.BytesIO(line("p")))
    source.scan()
    assert len(os.listdir(tmp_path)) == 1
    del source
    gc.collect()
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("now", "sentence"),
    [
        (line("q"), "plan.jsonl: expected the file as it was checked, found it changed since"),
        (line("p") + b"\n\n", "plan.jsonl: expected the file as it was checked, found it changed since"),
        (b'{"plan_id":1}', "plan.jsonl line 1: plan_id: expected string, found 1"),
        (None, "plan.jsonl: expected plans that can be read, found that they cannot: No such file"),
    ],
)
def test_a_file_that_changed_after_the_scan_is_refused(now: bytes | None, sentence: str) -> None:
    source = PlanFiles([write("plan.jsonl", line("p")), write("other.jsonl", line("o"))])
    source.scan()
    if now is None:
        Path("plan.jsonl").unlink()
    else:
        write("plan.jsonl", now)
    with pytest.raises(BadInput) as caught:
        list(source.plans())
    assert str(caught.value).startswith(sentence)


def test_the_only_plan_is_read_once_whatever_its_file_holds_later() -> None:
    source = PlanFiles([write("plan.jsonl", line("p"))])
    scanned = source.scan()
    write("plan.jsonl", line("q"))
    assert ids(source) == ids(source) == ["p"]
    assert scanned.inputs == [InputDigest("plan.jsonl", hashlib.sha256(line("p")).hexdigest())]
    assert source.scan() != scanned
    assert ids(source) == ["q"]


def test_a_scan_that_fails_leaves_nothing_of_the_one_before() -> None:
    source = PlanFiles([write("plan.jsonl", line("p"))])
    source.scan()
    write("plan.jsonl", b"{}}")
    refusal(source)
    with pytest.raises(BadInput):
        list(source.plans())


def test_the_first_of_two_plans_is_not_held_while_the_second_is_read() -> None:
    plan = {f"s{number}": {"agent": "x", "args": {"key": f"{number}"}} for number in range(3_000)}
    peaks = []
    for names in (["a"], ["a", "b"]):
        paths = [write(f"{name}.json", line(name, steps=plan)) for name in names]
        tracemalloc.start()
        try:
            PlanFiles(paths).scan()
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert peaks[1] < 1.1 * peaks[0]


def test_many_plans_are_not_held_in_memory() -> None:
    write("many.jsonl", *(line(f"p{number}", meta={"text": "x" * 10_000}) for number in range(500)))
    source = PlanFiles(["many.jsonl"])
    tracemalloc.start()
    try:
        assert source.scan().plans == 500
        assert sum(1 for _ in source.plans()) == 500
        assert tracemalloc.get_traced_memory()[1] < 1_000_000  # the file has 5 MB
    finally:
        tracemalloc.stop()


def test_one_long_plan_takes_less_than_two_kilobytes_a_step() -> None:
    count = 5_000
    steps = {
        f"step_{number}": {
            "tool": "crm.update_contact",
            "agent": "x",
            "args": {"email": f"user{number}@example.com", "field": "status", "value": f"active {number}"},
            "depends_on": [f"step_{number - 1}"] if number else [],
        }
        for number in range(count)
    }
    write("long.jsonl", json.dumps({"steps": steps}).encode())
    del steps
    tracemalloc.start()
    try:
        assert PlanFiles(["long.jsonl"]).scan().steps == count
        assert tracemalloc.get_traced_memory()[1] / count < 2_000
    finally:
        tracemalloc.stop()


def test_real_plans_are_read() -> None:
    files = [str(path) for path in sorted(REAL.glob("*/plans.jsonl"))]
    if not files:
        pytest.skip(f"no real plans in {REAL}")
    source = PlanFiles(files)
    scan = source.scan()
    assert scan.plans == sum(len(Path(name).read_bytes().splitlines()) for name in files)
    assert scan.steps == sum(len(plan.steps) for plan in source.plans())


def test_plans_of_python_come_as_dicts_documents_and_plans() -> None:
    step = StepDocument(agent="x")
    plan = Plan(plan_id="p", steps=(Step(step_id="a[0]", tool="t", agent="x"),))
    source = PlanObjects([json.loads(line("d")), PlanDocument(steps={"a": step}), plan])
    made = list(source.plans())
    digest = hashlib.sha256(b"".join(map(line_of, made))).hexdigest()
    assert [one.plan_id for one in made] == ["d", "plan:2", "p"]
    assert made[2] == plan
    assert source.scan() == Scan(3, 3, [InputDigest("objects", digest)])
    assert list(source.plans()) == made


def test_all_problems_of_plans_of_python_are_reported_together() -> None:
    broken = Plan(plan_id="p", steps=(Step(step_id="a", tool="t", agent="x", depends_on=("b",)),))
    source = PlanObjects(
        [json.loads(line("p")), {"colour": 1}, "plan.json", PlanDocument(plan_id="p"), broken]
    )
    assert refusal(source).problems == (
        "plan 2: the document: expected no unknown keys, found 'colour'",
        "plan 3: the document: expected object, found 'plan.json'",
        "plan 4: plan_id: expected an id of its own, found 'p', which plan 1 has too",
        "plan 5: step 'a': expected to depend on or take data from known steps,"
        " found 'b', which does not exist",
    )
    with pytest.raises(BadInput):
        next(source.plans())


def test_no_plans_of_python_are_no_plans() -> None:
    assert PlanObjects([]).scan().plans == 0
    assert list(PlanObjects([]).plans()) == []


def test_a_plan_of_python_that_changes_after_the_scan_is_run_as_it_was_checked() -> None:
    value = json.loads(line("p"))
    source = PlanObjects([value])
    source.scan()
    value["plan_id"] = "q"
    assert ids(source) == ["p"]
