import asyncio
import os
import time
from collections.abc import Iterator
from typing import Any

import pytest

from buddy import wiring
from buddy.interfaces.cli.progress import Bar
from buddy.interfaces.cli.prompts import Prompter
from buddy.interfaces.cli.terminal import TerminalInteraction, at_terminal
from buddy.journal.times import iso
from buddy.model.approval import ApprovalState, Vote
from buddy.ports import HomeStore
from unit.interfaces.cli.asked import request


@pytest.fixture
def keyboard() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    os.close(reading)
    os.close(writing)


def wait_for(home: HomeStore, name: str, state: ApprovalState) -> None:
    deadline = time.monotonic() + 10
    while (found := home.approval(name, time.time())) is None or found.state is not state:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def wait_to_see(capsys: pytest.CaptureFixture[str], text: str, seen: str = "") -> str:
    deadline = time.monotonic() + 10
    while text not in seen:
        assert time.monotonic() < deadline, seen
        seen += capsys.readouterr().err
        time.sleep(0.02)
    return seen


def ask(home: HomeStore, name: str, **more: Any) -> Any:
    asked = request(name, **more)
    home.ask(asked)
    return asked


@pytest.mark.parametrize(
    ("typed", "state"), [(b"y\n", ApprovalState.APPROVED), (b"what\nNO\n", ApprovalState.DENIED)]
)
def test_an_answer_is_a_vote(
    typed: bytes, state: ApprovalState, home: HomeStore, keyboard: tuple[int, int]
) -> None:
    asked = ask(home, "ap1")
    with Bar("x") as bar, Prompter(bar, "ada", wiring.home, keyboard[0]) as prompter:
        prompter.ask(asked)
        os.write(keyboard[1], typed)
        wait_for(home, "ap1", state)
    found = home.approval("ap1", time.time())
    assert found is not None
    assert [vote.by for vote in found.votes] == ["ada"]


def test_questions_come_one_after_another_and_can_be_skipped(
    home: HomeStore, keyboard: tuple[int, int], capsys: pytest.CaptureFixture[str]
) -> None:
    with Bar("x") as bar, Prompter(bar, "ada", wiring.home, keyboard[0]) as prompter:
        interaction = TerminalInteraction(bar, prompter)
        for name in ("ap1", "ap2"):
            interaction.approval_requested(ask(home, name))
        os.write(keyboard[1], b"s\ny\n")
        wait_for(home, "ap2", ApprovalState.APPROVED)
    skipped = home.approval("ap1", time.time())
    assert skipped is not None
    assert skipped.state is ApprovalState.PENDING
    told = capsys.readouterr().err
    assert "left open: `buddy approvals approve ap1`" in told
    assert told.index("ap1  mail.send") < told.index("ap2  mail.send")


def test_who_asks_cannot_answer(
    home: HomeStore, keyboard: tuple[int, int], capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ask(home, "ap1")
    with Bar("x") as bar, Prompter(bar, "agent1", wiring.home, keyboard[0]) as prompter:
        prompter.ask(asked)
        os.write(keyboard[1], b"y\n")
        wait_to_see(capsys, "cannot decide it")
    found = home.approval("ap1", time.time())
    assert found is not None
    assert found.state is ApprovalState.PENDING


def test_a_quorum_needs_others_too(
    home: HomeStore, keyboard: tuple[int, int], capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ask(home, "ap1", quorum=2)
    with Bar("x") as bar, Prompter(bar, "ada", wiring.home, keyboard[0]) as prompter:
        prompter.ask(asked)
        os.write(keyboard[1], b"y\n")
        wait_to_see(capsys, "2 different people have to say yes")


def test_a_question_that_somebody_else_answers_is_withdrawn(
    home: HomeStore, keyboard: tuple[int, int], capsys: pytest.CaptureFixture[str]
) -> None:
    with Bar("x") as bar, Prompter(bar, "ada", wiring.home, keyboard[0]) as prompter:
        prompter.ask(ask(home, "ap1"))
        wait_to_see(capsys, "[y]es")
        home.vote("ap1", Vote(by="bob", approve=True, at=iso(time.time())), time.time())
        prompter.ask(ask(home, "ap2"))
        wait_to_see(capsys, "ap2  mail.send")


def test_the_end_of_a_run_ends_its_questions(home: HomeStore, keyboard: tuple[int, int]) -> None:
    before = time.monotonic()
    with Bar("x") as bar, Prompter(bar, "ada", wiring.home, keyboard[0]) as prompter:
        prompter.ask(ask(home, "ap1"))
        time.sleep(0.1)
    assert time.monotonic() - before < 5


def test_a_keyboard_that_is_gone_asks_no_more(home: HomeStore) -> None:
    reading, writing = os.pipe()
    os.close(writing)
    with Bar("x") as bar, Prompter(bar, "ada", wiring.home, reading) as prompter:
        prompter.ask(ask(home, "ap1"))
        prompter._thread.join(5)
        assert not prompter._thread.is_alive()
    os.close(reading)


def test_without_a_prompter_a_request_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with at_terminal("x", ask=False, person="ada", home=wiring.home) as interaction:
        assert asyncio.run(interaction.decide(request(), 0.9)) is None
        interaction.progress(1, 2)
        interaction.approval_requested(request())
        interaction.alert("tool:t failed 3 times")
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.splitlines() == [
        "approval ap1: mail.send for agent1 (p/s); `buddy approvals approve ap1`",
        "ALERT tool:t failed 3 times",
    ]
