import json
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buddy.interfaces.cli import printing


@given(st.text())
def test_nothing_that_is_printed_steers_a_terminal(text: str) -> None:
    shown = printing.plain(text)
    assert not any(unicodedata.category(letter) == "Cc" for letter in shown)
    assert not set(shown) & set(
        "\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\u2029\u200e\u200f"
    )


@given(st.text(st.characters(categories=["L", "N", "P", "S"])))
def test_ordinary_text_is_printed_as_it_is(text: str) -> None:
    assert printing.plain(text) == text


def test_a_line_feed_does_not_fake_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    printing.say("one\ntwo\tthree")
    assert capsys.readouterr().out == "one\\ntwo\\tthree\n"


def test_a_table_has_columns_and_cuts_all_but_the_last(capsys: pytest.CaptureFixture[str]) -> None:
    printing.table(("a", "b"), [("x", "y" * 90), ("z" * 90, "")])
    header, first, second = capsys.readouterr().out.splitlines()
    assert header == f"a{' ' * 49}b"
    assert first == f"x{' ' * 49}{'y' * 90}"
    assert second == f"{'z' * 45}..."


def test_a_document_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    printing.emit({"a": [1, None]})
    assert capsys.readouterr().out.split() == ["{", '"a":', "[", "1,", "null", "]", "}"]


def test_columns_stand_under_one_another_whatever_the_script(capsys: pytest.CaptureFixture[str]) -> None:
    printing.table(("a", "b"), [("日本語", "x"), ("e\u0301", "y"), ("🎉", "z"), ("plain", "w")])
    assert capsys.readouterr().out.splitlines() == [
        "a       b", "日本語  x", "e\u0301       y", "🎉      z", "plain   w",
    ]  # fmt: skip


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(JSON, st.sampled_from([-1, 2]))
def test_a_document_steers_no_terminal_and_is_read_back_as_it_was(document: Any, indent: int) -> None:
    shown = printing.json_text(document, indent)
    assert json.loads(shown) == document
    assert printing.plain(shown.replace("\n", "")) == shown.replace("\n", "")
    assert "\n" not in shown or indent == 2


def test_what_json_leaves_as_it_is_is_escaped_as_json_has_it(capsys: pytest.CaptureFixture[str]) -> None:
    printing.emit("\x1b\x7f\x9b\u202e\u061c\u00e9\u65e5")
    assert capsys.readouterr().out == '"\\u001b\\u007f\\u009b\\u202e\\u061c\u00e9\u65e5"\n'


def test_counts() -> None:
    assert (printing.counted(1, "step"), printing.counted(2000, "step")) == ("1 step", "2,000 steps")
