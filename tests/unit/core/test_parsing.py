import json
from typing import Any

import jsonschema_rs
import msgspec
import pytest

from buddy.core import parsing
from buddy.errors import BadInput
from buddy.model.config import ExecutionConfig
from buddy.model.fleet import PredictedTask
from buddy.model.plan import Plan, PlanDocument, Reference, Step, StepDocument


def problems(data: bytes) -> tuple[str, ...]:
    with pytest.raises(BadInput) as caught:
        parsing.plan_document(data, "plan.json")
    told = caught.value.problems
    assert all(one.startswith("plan.json: ") for one in told)
    return tuple(one.removeprefix("plan.json: ") for one in told)


def test_a_plan_is_read() -> None:
    data = b'{"plan_id": "p", "steps": {"a": {"for_each": {"$from": "b", "path": "/x"}}}}'
    document = parsing.plan_document(data, "plan.json")
    assert document == PlanDocument(plan_id="p", steps={"a": StepDocument(for_each=Reference("b", "/x"))})
    assert parsing.known_document(data, "plan.json") == document


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "expected a JSON object, found nothing"),
        (b" \n\t", "expected a JSON object, found nothing"),
        (b'{"a": "\xff"}', "expected UTF-8 text, found byte 0xff at offset 7"),
        (b"{", "expected JSON, found a syntax error at column 2:"),
        (b'{\n"a": x}', "expected JSON, found a syntax error at line 2 column 6: Expecting value"),
        (b"{} {}", "expected JSON, found a syntax error at column 4: Extra data"),
        (b'{"meta": {"a": 1, "a": 2}}', "expected each key once, found 'a' twice in one object"),
        (b'{"meta": {"a": NaN}}', "expected a number, found NaN"),
        (b'{"meta": {"a": -Infinity}}', "expected a number, found -Infinity"),
        (b'{"meta": {"a": 1e999}}', "expected a number of double precision, found '1e999'"),
        (b'{"meta": {"a": %s}}' % (b"9" * 401), "expected a number, found one of 401 digits"),
        (b"[" * 100_000, "expected JSON of reasonable depth, found too many levels"),
    ],
)
def test_text_that_is_not_strict_json_is_refused(data: bytes, sentence: str) -> None:
    (told,) = problems(data)
    assert told.startswith(sentence)


def document(data: bytes) -> PredictedTask:
    return parsing.document_of(data, PredictedTask, "tasks line 1")


def test_an_object_of_any_type_is_read() -> None:
    read = document(b'{"task_id": "t", "priority": 2, "depends_on": ["u"]}')
    assert read == PredictedTask(task_id="t", priority=2.0, depends_on=("u",))


@pytest.mark.parametrize(
    ("data", "sentences"),
    [
        (b"", {"expected a JSON object, found nothing"}),
        (b'{"task_id": "\xff"}', {"expected UTF-8 text, found byte 0xff at offset 13"}),
        (
            b'{"task_id": "t", "task_id": "t"}',
            {"expected each key once, found 'task_id' twice in one object"},
        ),
        (b"[]", {"the document: expected object, found []"}),
        (
            b'{"wave": 0}',
            {"wave: expected at least 1, found 0", "the document: expected the key 'task_id', found none"},
        ),
        (b'{"task_id": "t", "wave": 1.0}', {"wave: expected `int | null`, found `float`"}),
        (
            b'{"task_id": "a \\ud800", "\\udfff": [], "depends_on": ["\\ud83d\\ude00", "\\ude00"]}',
            {
                "task_id: expected Unicode text, found 'a \\ud800', with half of a surrogate pair",
                "key: expected Unicode text, found '\\udfff', with half of a surrogate pair",
                "depends_on[1]: expected Unicode text, found '\\ude00', with half of a surrogate pair",
            },
        ),
    ],
)
def test_an_object_of_another_type_is_refused_with_every_problem(data: bytes, sentences: set[str]) -> None:
    with pytest.raises(BadInput) as caught:
        document(data)
    assert set(caught.value.problems) == {f"tasks line 1: {sentence}" for sentence in sentences}


@pytest.mark.parametrize(
    ("value", "sentences"),
    [
        ([], {"the document: expected object, found []"}),
        (None, {"the document: expected object, found null"}),
        ({"x": 1}, {"the document: expected no unknown keys, found 'x'"}),
        ({"order": "any"}, {"order: expected one of parallel, strict, found 'any'"}),
        ({"on_failure": "go"}, {"on_failure: expected one of continue, stop, found 'go'"}),
        ({"confidence_scores": {"a": True}}, {"confidence_scores.a: expected number, found true"}),
        ({"confidence_scores": {"a": 2}}, {"confidence_scores.a: expected at most 1, found 2"}),
        ({"execution_order": [1]}, {"execution_order[0]: expected string, found 1"}),
        ({"steps": {"a": {"claims": [{}]}}}, {"steps.a.claims[0]: expected the key 'resource', found none"}),
        (
            {"steps": {"a": {"for_each": {"$from": 3, "z": 1}}}},
            {
                "steps.a.for_each.$from: expected string, found 3",
                "steps.a.for_each: expected no unknown keys, found 'z'",
            },
        ),
        ({"plan_id": "x" * 257}, {f"plan_id: expected at most 256 characters, found '{'x' * 56}..."}),
        (
            {"plan_id": 1, "steps": {"": {}}},
            {
                "plan_id: expected string, found 1",
                "steps: expected at least 1 characters, found ''",
                "steps: expected a text without '[', ']', '#' and control characters, found ''",
            },
        ),
        (
            {"steps": {"a\n": 1}},
            {
                "steps: expected a text without '[', ']', '#' and control characters, found 'a\\n'",
                "steps.'a\\n': expected object, found 1",
            },
        ),
        ({"steps": {"a": {"max_items": 2.0}}}, {"steps[...].max_items: expected `int`, found `float`"}),
    ],
)
def test_every_place_that_breaks_the_schema_is_named(value: Any, sentences: set[str]) -> None:
    assert set(problems(json.dumps(value).encode())) == sentences


def test_the_first_hundred_problems_are_listed_and_the_rest_counted() -> None:
    with pytest.raises(BadInput) as caught:
        parsing.plan_document(json.dumps({"execution_order": [1.5, *range(150)]}).encode(), "plan.json")
    assert len(caught.value.problems) == 100
    assert caught.value.omitted == 51


def test_half_of_a_surrogate_pair_comes_before_what_a_schema_can_look_at() -> None:
    assert problems(b'{"plan_id\\u202e": 1, "meta": {"a": "\\ud800"}}') == (
        "meta.a: expected Unicode text, found '\\ud800', with half of a surrogate pair",
    )


def test_what_a_typed_decode_said_is_printable() -> None:
    said = ValueError("Object contains unknown field `plan_id\u202e`")
    assert parsing.sentence_of(said) == "the document: object contains unknown field `plan_id\\u202e`"


def test_a_very_long_key_is_cut() -> None:
    (told,) = problems(b'{"meta": "\\ud800", "%s": 1}' % (b"x" * 1_000_000))
    assert len(told) <= 300


def test_text_that_changed_since_it_was_accepted_is_refused_by_the_quick_reader_too() -> None:
    with pytest.raises(BadInput, match=r"^plan.json: "):
        parsing.known_document(b'{"plan_id": "\xff"}', "plan.json")
    with pytest.raises(BadInput, match=r"^plan.json: "):
        parsing.known_document(b'{"meta": {"a": ' + b"[" * 100_000, "plan.json")
    with pytest.raises(BadInput, match=r"^plan.json: plan_id: expected string, found 1"):
        parsing.known_document(b'{"plan_id": 1}', "plan.json")


@pytest.mark.parametrize(
    "line",
    ["{", '{"a"', '{"a":', '{"a": 1', '{"a": 1,', '{"a": {"b": 1}', '{"a": [', '{"a": [1, ', "  {  \r\n"],
)
def test_a_line_that_goes_on_is_cut_short(line: str) -> None:
    assert parsing.is_cut_short(line.encode())


@pytest.mark.parametrize(
    "line",
    [
        "{}",
        '{"a": 1}',
        '{"a" 1}',
        '{"a": "x',
        "{} {",
        '{"b": {"a": 1, "a": 2}',
        '{"a": NaN',
        "[" * 100_000,
        "\xff}",
        "",
        " \n",
    ],
)
def test_a_line_that_is_whole_or_wrong_is_not_cut_short(line: str) -> None:
    assert not parsing.is_cut_short(line.encode("latin-1"))


def test_a_dict_and_a_document_are_read_as_a_file_is() -> None:
    value = {"plan_id": "p", "steps": {"a": {"depends_on": ("b",), "for_each": {"$from": "b"}}}}
    document = parsing.plan_from_object(value, "plan 1")
    assert document == parsing.plan_document(json.dumps(value).encode(), "plan.json")
    assert parsing.plan_from_object(document, "plan 1") == document
    mixed = {"steps": {"a": StepDocument(for_each=Reference("b"), depends_on=("b",))}}
    assert parsing.plan_from_object(mixed, "plan 1").steps == document.steps


LOOP: dict[str, Any] = {}
LOOP["meta"] = LOOP


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ({"meta": {"a": float("nan")}}, "Out of range float values are not JSON compliant"),
        ({"meta": {"a": {1, 2}}}, "found {1, 2} of type set"),
        ({"meta": {"a": b"x"}}, "found b'x' of type bytes"),
        (LOOP, "Circular reference detected"),
        ("plan.json", "the document: expected object, found 'plan.json'"),
        ({"plan_id": "\ud800"}, "plan_id: expected Unicode text"),
        (PlanDocument(plan_id=5), "plan_id: expected string, found 5"),  # type: ignore[arg-type]
    ],
)
def test_an_object_that_is_no_plan_in_json_is_refused(value: Any, found: str) -> None:
    with pytest.raises(BadInput) as caught:
        parsing.plan_from_object(value, "plan 1")
    assert str(caught.value).startswith("plan 1: ")
    assert found in str(caught.value)


def test_a_plan_made_in_python_is_read_again() -> None:
    plan = Plan(
        plan_id="p", steps=(Step(step_id="a", tool="t", agent="x", for_each=None, args={"v": (1, 2)}),)
    )
    again = parsing.plan_from_plan(plan, "plan 1")
    assert again.steps[0].args == {"v": [1, 2]}
    assert parsing.plan_from_plan(again, "plan 1") == again


@pytest.mark.parametrize(
    "plan",
    [
        Plan(plan_id=5),  # type: ignore[arg-type]
        Plan(plan_id="p", meta={"a": float("inf")}),
        Plan(plan_id="p", meta={"a": object()}),
        Plan(plan_id="", meta={}),
        Plan(plan_id="\ud800"),
    ],
)
def test_a_bad_plan_made_in_python_is_refused(plan: Plan) -> None:
    with pytest.raises(BadInput, match=r"^plan 1: "):
        parsing.plan_from_plan(plan, "plan 1")


@pytest.mark.parametrize("kind", [PlanDocument, ExecutionConfig])
def test_a_schema_is_a_valid_one_and_made_once(kind: type[Any]) -> None:
    schema = parsing.schema_of(kind)
    jsonschema_rs.meta.validate(schema)
    assert parsing.schema_of(kind) is schema


class Even(msgspec.Struct):
    number: int


def test_a_value_that_fits_has_no_problems_and_one_that_does_not_has() -> None:
    assert parsing.problems_of({"number": 2}, Even) == []
    assert parsing.problems_of({"number": "2"}, Even) == ["number: expected integer, found '2'"]


def test_a_keyword_without_words_of_its_own_is_named() -> None:
    class Many(msgspec.Struct):
        items: set[int]
        share: msgspec.UnsetType | int = msgspec.UNSET
        half: float = 0

    schema = parsing.schema_of(Many)
    properties = schema["$defs"]["Many"]["properties"] if "$defs" in schema else schema["properties"]
    properties["half"]["multipleOf"] = 0.5
    told = parsing.problems_of({"items": [], "half": 0.75}, Many)
    assert told == ["half: expected what 'multipleOf' of the schema asks for, found 0.75"]
