from typing import Any

from buddy.interfaces.cli.requests import MOST_ITEMS, MOST_LINES, approval_lines, preview_lines, request_lines
from buddy.model.approval import Approval, ApprovalState, Vote
from buddy.model.outcome import Change, Preview
from unit.interfaces.cli.asked import request


def shown(preview: Preview) -> str:
    return "\n".join(preview_lines(preview))


def test_a_change_is_a_diff() -> None:
    before, after = {"name": "Ada", "city": "Bern"}, {"name": "Ada", "city": "Rome"}
    text = shown(Preview(changes=[Change("contact:1", before, after)], result={"id": 1}, notes=["Careful."]))
    assert text.splitlines() == [
        "  changes    contact:1",
        "                 name: Ada",
        "               - city: Bern",
        "               + city: Rome",
        "  result     id: 1",
        "  note       Careful.",
    ]


def test_changes_of_any_form_are_shown() -> None:
    text = shown(Preview(changes=[{"resource": "doc:1", "after": "one\ntwo"}, ["free", "form"], {}]))
    assert "+ one" in text
    assert "+ two" in text
    assert '"free",' in text


def test_no_preview_is_not_no_change() -> None:
    assert "unavailable" in shown(Preview(available=False))
    assert shown(Preview()) == "  changes    none"


def test_long_changes_are_cut_and_quick() -> None:
    before = {f"k{place}": place for place in range(5000)}
    lines = list(preview_lines(Preview(changes=[Change("big", before, {**before, "k3": "x"})])))
    assert len(lines) == MOST_LINES + 1
    assert "more lines" in lines[-1]


def test_everything_that_is_asked_is_told() -> None:
    asked = request(
        preview=Preview(changes=[Change("mail:1", None, "hello")]),
        earlier=2,
        quorum=3,
        supersedes="ap0",
        difference=("change 1 differs",),
    )
    text = "\n".join(request_lines(asked))
    for part in ("ap1  mail.send  HIGH risk", "agent1, step p/s of r1", "cannot be undone", "2 times before",
                 "3 different people", "ap0", "change 1 differs", "to: x@y.z", "+ hello"):  # fmt: skip
        assert part in text


def test_a_fan_out_lists_its_items() -> None:
    many: list[Any] = [{"to": f"p{place}@y.z"} for place in range(MOST_ITEMS + 5)]
    asked = request(args=many, items=[Preview() for _ in many])
    text = "\n".join(request_lines(asked))
    assert f"mail.send x {MOST_ITEMS + 5}" in text
    assert "to: p0@y.z" in text
    assert "... and 5 more items" in text


def test_votes_are_shown_with_their_reasons() -> None:
    votes = (
        Vote(by="ada", approve=True, at="t1", edited_args={"to": "a@b.c"}),
        Vote(by="bob", approve=False, at="t2", reason="no"),
    )
    text = "\n".join(approval_lines(Approval(request=request(), state=ApprovalState.DENIED, votes=votes)))
    assert "state      DENIED" in text
    assert "yes by ada, t1" in text
    assert "edited to  to: a@b.c" in text
    assert "no by bob, t2: no" in text
