import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from buddy.adapters.home import SqliteHome, ledger
from buddy.model.config import Cap
from buddy.ports import Action, Admitted, Earlier, Freed, Refused

Opener = Callable[[], SqliteHome]
DAY = 86_400.0
NOW = 1_000_000_000.0


def action(step: str = "p/1", digest: str = "d1", **fields: Any) -> Action:
    known: dict[str, Any] = {"run_id": "run", "tool": "mail.send", "agent": "a", "writes": True}
    return Action(step=step, digest=digest, **(known | {"resources": ("contact:ada",)} | fields))


def rule(home: SqliteHome, wanted: Action, now: float = NOW, caps: tuple[Cap, ...] = ()) -> str:
    (answer,) = home.admit([wanted], now, DAY, caps)
    return answer.rule if isinstance(answer, Refused) else ""


class TestDuplicates:
    def test_the_same_action_of_another_step_is_refused_and_says_whose(self, home: SqliteHome) -> None:
        assert home.admit([action("p/1")], NOW, DAY, ()) == [Admitted(0, NOW)]
        (answer,) = home.admit([action("q/2", run_id="later")], NOW + 7_200, DAY, ())
        assert isinstance(answer, Refused)
        assert answer.rule == "duplicate"
        for part in ("p/1", "run run", "2 h ago", "repeat"):
            assert part in answer.reason

    def test_the_same_step_again_is_itself(self, home: SqliteHome) -> None:
        assert rule(home, action()) == ""
        assert rule(home, action(), NOW + 1) == ""
        assert rule(home, action("p/2"), NOW + 2) == "duplicate"

    @pytest.mark.parametrize(
        "fields",
        [
            {"repeat": True},
            {"idempotent": True},
            {"ignore_duplicates": True},
            {"writes": False},
            {"ledger": False},
            {"digest": "d2"},
        ],
    )
    def test_what_is_no_duplicate(self, home: SqliteHome, fields: dict[str, Any]) -> None:
        assert rule(home, action()) == ""
        assert rule(home, action("p/2", **fields)) == ""

    @pytest.mark.parametrize("fields", [{"writes": False}, {"ledger": False}])
    def test_what_is_not_in_the_books(self, home: SqliteHome, fields: dict[str, Any]) -> None:
        assert rule(home, action("p/1", **fields)) == ""
        assert rule(home, action("p/2")) == ""

    def test_digests_that_begin_alike_are_two(self, home: SqliteHome) -> None:
        first, second = "0123456789abcdef" * 2, "0123456789abcdee" * 2
        assert rule(home, action("p/1", digest=first)) == ""
        assert rule(home, action("p/2", digest=second)) == ""
        assert [found.step for found in home.earlier(first, "x", "p/9", (), NOW, DAY)] == ["p/1"]
        assert rule(home, action("p/3", digest=second), NOW + 1) == "duplicate"
        assert rule(home, action("p/1", digest=first), NOW + 2) == ""

    @pytest.mark.parametrize("statement", [ledger._SAME, ledger._KNOWN, ledger._OF_STEP])
    def test_no_question_about_a_digest_goes_through_the_whole_ledger(
        self, home: SqliteHome, folder: Path, statement: str
    ) -> None:
        with closing(sqlite3.connect(folder / "buddy.db")) as connection:
            numbered = set(re.findall(r"\?\d", statement))
            number = len(numbered) or statement.count("?")
            plan = connection.execute(f"EXPLAIN QUERY PLAN {statement}", ["[]"] * number).fetchall()
        assert not any(row[3].startswith("SCAN actions") for row in plan)
        assert any("actions_print" in row[3] for row in plan)

    def test_what_meant_to_repeat_is_in_the_books(self, home: SqliteHome) -> None:
        assert rule(home, action("p/1", repeat=True)) == ""
        assert rule(home, action("p/2")) == "duplicate"

    def test_the_window_ends(self, home: SqliteHome) -> None:
        assert rule(home, action("p/1", irreversible=True)) == ""
        assert rule(home, action("p/2"), NOW + DAY) == "duplicate"
        assert rule(home, action("p/3"), NOW + DAY + 1) == ""

    def test_a_clock_that_is_behind_for_a_moment_does_not_end_the_window(self, home: SqliteHome) -> None:
        home.hear(NOW)
        assert rule(home, action("p/1"), 5.0) == ""
        assert rule(home, action("p/2"), 10.0) == "duplicate"
        assert rule(home, action("p/3"), NOW + DAY) == "duplicate"
        assert rule(home, action("p/4"), NOW + DAY + 1) == ""

    def test_a_clock_that_is_behind_counts_for_caps_as_it_is(self, home: SqliteHome) -> None:
        caps = (Cap(calls=1, window_s=60.0),)
        home.hear(NOW)
        assert rule(home, action("p/1", "d1"), 5.0, caps) == ""
        assert rule(home, action("p/2", "d2"), 64.0, caps) == "caps"
        assert rule(home, action("p/3", "d3"), 66.0, caps) == ""

    def test_another_write_between_makes_it_another_action(self, home: SqliteHome) -> None:
        assert rule(home, action("p/1", "on")) == ""
        assert rule(home, action("p/2", "off")) == ""
        assert rule(home, action("p/3", "on")) == ""
        assert rule(home, action("p/4", "on")) == "duplicate"

    def test_only_writes_to_the_same_resources_are_between(self, home: SqliteHome) -> None:
        assert rule(home, action("p/1", "on", resources=("x", "y"))) == ""
        assert rule(home, action("p/2", "off", resources=("z",))) == ""
        assert rule(home, action("p/3", "on", resources=("x", "y"))) == "duplicate"
        assert rule(home, action("p/4", "out", resources=("y",))) == ""
        assert rule(home, action("p/5", "on", resources=("x", "y"))) == ""

    def test_what_had_no_effect_is_not_between(self, home: SqliteHome) -> None:
        assert rule(home, action("p/1", "on")) == ""
        assert rule(home, action("p/2", "off")) == ""
        home.settle("run", [Freed("p/2", "off")])
        assert rule(home, action("p/3", "on")) == "duplicate"

    def test_without_resources_nothing_is_between(self, home: SqliteHome) -> None:
        assert rule(home, action("p/1", "on", resources=())) == ""
        assert rule(home, action("p/2", "off")) == ""
        assert rule(home, action("p/3", "on", resources=())) == "duplicate"

    def test_a_retry_comes_after_what_happened_since(self, home: SqliteHome) -> None:
        assert rule(home, action("p/1", "on")) == ""
        assert rule(home, action("p/2", "off")) == ""
        assert rule(home, action("p/1", "on")) == ""
        assert rule(home, action("p/3", "off")) == ""
        assert rule(home, action("p/4", "on")) == ""

    def test_freed_actions_may_be_made_again(self, home: SqliteHome) -> None:
        assert rule(home, action("p/1")) == ""
        home.settle("other", [Freed("p/1", "d1")])
        home.settle("run", [Freed("p/9", "d1"), Freed("p/1", "d9")])
        home.settle("run", [])
        assert rule(home, action("p/2")) == "duplicate"
        home.settle("run", [Freed("p/1", "d1")])
        assert rule(home, action("p/2")) == ""

    def test_all_of_a_run_is_freed_but_what_may_stand(self, home: SqliteHome) -> None:
        for step in ("p/1", "p/2", "p/3"):
            assert rule(home, action(step, step, resources=())) == ""
        home.settle_all("other", [])
        home.settle_all("run", ["p/2", "p/9"])
        found = [rule(home, action(f"q/{step}", step, resources=())) for step in ("p/1", "p/2", "p/3")]
        assert found == ["", "duplicate", ""]

    def test_within_a_batch_the_first_counts(self, home: SqliteHome) -> None:
        answers = home.admit([action("p/1"), action("p/2"), action("p/3", "d2")], NOW, DAY, ())
        assert [type(answer) for answer in answers] == [Admitted, Refused, Admitted]

    def test_they_are_kept(self, home: SqliteHome, open_home: Opener) -> None:
        assert rule(home, action("p/1")) == ""
        home.close()
        assert rule(open_home(), action("p/2")) == "duplicate"

    def test_a_clock_set_back_is_no_way_around(self, home: SqliteHome) -> None:
        assert rule(home, action("p/1")) == ""
        assert rule(home, action("p/2"), NOW - 3_600) == "duplicate"


class TestEarlier:
    def earlier(self, home: SqliteHome, now: float, digest: str = "d1") -> list[str]:
        return [found.step for found in home.earlier(digest, "run", "p/now", ("contact:ada",), now, DAY)]

    def test_newest_first_without_itself(self, home: SqliteHome) -> None:
        for number in range(3):
            rule(home, action(f"p/{number}", repeat=True), NOW + number)
        rule(home, action("p/now", repeat=True), NOW + 4)
        assert self.earlier(home, NOW + 5) == ["p/2", "p/1", "p/0"]
        assert home.earlier("d1", "run", "p/2", (), NOW + 5, DAY)[-1] == Earlier("run", "p/0", NOW, False)

    def test_irreversible_ones_count_at_any_age(self, home: SqliteHome) -> None:
        rule(home, action("p/1", "d1"), NOW)
        rule(home, action("p/2", "d2", irreversible=True, resources=("z",)), NOW)
        later = NOW + 400 * DAY
        assert self.earlier(home, later) == []
        assert home.earlier("d2", "run", "p/now", ("z",), later, DAY) == [Earlier("run", "p/2", NOW, True)]
        assert rule(home, action("p/3", "d2", irreversible=True, resources=("z",)), later) == ""

    def test_a_write_between_hides_all_before_it(self, home: SqliteHome) -> None:
        rule(home, action("p/1", repeat=True))
        rule(home, action("p/2", repeat=True))
        rule(home, action("p/3", "other"))
        assert self.earlier(home, NOW + 1) == []
        rule(home, action("p/4", repeat=True))
        assert self.earlier(home, NOW + 1) == ["p/4"]


@dataclass
class Books:
    """The duplicate rule as it is told, over a list in the order of writing."""

    rows: list[Action] = field(default_factory=list)
    at: dict[tuple[str, str], float] = field(default_factory=dict)
    latest: float = 0.0

    def admit(self, wanted: Action, now: float, window_s: float) -> bool:
        self.latest = max(self.latest, now)
        for place, row in enumerate(self.rows):
            if (
                row.digest == wanted.digest
                and row.step != wanted.step
                and self.at[row.step, row.digest] >= now - window_s
                and not any(
                    other.digest != row.digest and set(other.resources) & set(wanted.resources)
                    for other in self.rows[place + 1 :]
                )
                and not wanted.repeat
            ):
                return False
        self.rows = [row for row in self.rows if (row.step, row.digest) != (wanted.step, wanted.digest)]
        self.rows.append(wanted)
        self.at[wanted.step, wanted.digest] = self.latest
        return True

    def settle(self, step: str, digest: str) -> None:
        self.rows = [row for row in self.rows if (row.step, row.digest) != (step, digest)]


RESOURCES_OF = {"d1": ("x",), "d2": ("x", "y"), "d3": (), "d4": ("y",)}
STEPS = st.lists(
    st.tuples(
        st.sampled_from("aaas"),
        st.sampled_from(["p/1", "p/2", "p/3", "p/4"]),
        st.sampled_from(sorted(RESOURCES_OF)),
        st.sampled_from([False, False, False, True]),
        st.integers(-40, 60),
    ),
    max_size=30,
)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqliteHome]:
    home = SqliteHome(tmp_path_factory.mktemp("ledger") / "home")
    yield home
    home.close()


@settings(max_examples=120, deadline=None)
@given(steps=STEPS)
def test_it_does_what_the_books_do(shared: SqliteHome, steps: list[tuple[str, str, str, bool, int]]) -> None:
    shared.settle_all("run", [])
    _, now = shared.hear(NOW)
    books = Books(latest=now)
    for what, step, digest, repeat, passed in steps:
        now += passed
        if what == "s":
            shared.settle("run", [Freed(step, digest)])
            books.settle(step, digest)
        else:
            wanted = action(step, digest, repeat=repeat, resources=RESOURCES_OF[digest])
            (answer,) = shared.admit([wanted], now, 100.0, ())
            assert isinstance(answer, Admitted) == books.admit(wanted, now, 100.0)
    with shared._database.reading as connection:
        resources = connection.execute("SELECT count(*) FROM action_resources").fetchone()[0]
    assert resources == sum(len(row.resources) for row in books.rows)


@settings(max_examples=120, deadline=None)
@given(batches=st.lists(STEPS, max_size=5))
def test_actions_of_one_batch_are_taken_one_after_another(
    shared: SqliteHome, batches: list[list[tuple[str, str, str, bool, int]]]
) -> None:
    shared.settle_all("run", [])
    _, began = shared.hear(NOW)
    books = Books(latest=began)
    for number, batch in enumerate(batches):
        now = began + 30 * number
        wanted = [
            action(step, digest, repeat=repeat, resources=RESOURCES_OF[digest])
            for _, step, digest, repeat, _ in batch
        ]
        answers = shared.admit(wanted, now, 100.0, ())
        assert [isinstance(answer, Admitted) for answer in answers] == [
            books.admit(one, now, 100.0) for one in wanted
        ]
    with shared._database.reading as connection:
        resources = connection.execute("SELECT count(*) FROM action_resources").fetchone()[0]
    assert resources == sum(len(row.resources) for row in books.rows)


class TestCaps:
    def call(
        self, home: SqliteHome, number: int, caps: tuple[Cap, ...], now: float = NOW, **fields: Any
    ) -> str:
        return rule(home, action(f"p/{number}", f"d{number}", **fields), now, caps)

    def test_calls(self, home: SqliteHome) -> None:
        caps = (Cap(calls=2),)
        assert self.call(home, 1, caps) == ""
        assert self.call(home, 2, caps, writes=False) == ""
        assert self.call(home, 3, caps) == "caps"
        assert self.call(home, 3, caps, agent="b") == ""
        assert self.call(home, 3, (Cap(calls=3),)) == ""

    def test_the_sentence_names_the_cap(self, home: SqliteHome) -> None:
        caps = (Cap(tool="mail.*", calls=0, window_s=3_600.0),)
        said = home.used_up(caps, "a", "mail.send", True, None, NOW)
        for part in ("agent a", "0 calls", "mail.*", "1 h"):
            assert part in said
        assert home.used_up(caps, "a", "crm.send", True, None, NOW) == ""
        assert home.used_up((), "a", "mail.send", True, None, NOW) == ""

    def test_writes_are_counted_apart(self, home: SqliteHome) -> None:
        caps = (Cap(writes=1),)
        assert self.call(home, 1, caps) == ""
        assert self.call(home, 2, caps, writes=False) == ""
        assert self.call(home, 3, caps) == "caps"
        assert self.call(home, 4, caps, writes=False) == ""

    def test_distinct_recipients(self, home: SqliteHome) -> None:
        caps = (Cap(recipients=2),)
        assert self.call(home, 1, caps, recipient="ada") == ""
        assert self.call(home, 2, caps, recipient="bob") == ""
        assert self.call(home, 3, caps, recipient="ada") == ""
        assert self.call(home, 4, caps) == ""
        assert self.call(home, 5, caps, recipient="eve") == "caps"

    def test_recipients_over_several_tools_are_counted_once(self, home: SqliteHome) -> None:
        caps = (Cap(tool="mail.*", recipients=2),)
        assert self.call(home, 1, caps, recipient="ada", tool="mail.send") == ""
        assert self.call(home, 2, caps, recipient="ada", tool="mail.reply") == ""
        assert self.call(home, 3, caps, recipient="bob", tool="mail.reply") == ""
        assert self.call(home, 4, caps, recipient="eve", tool="mail.send") == "caps"
        assert self.call(home, 5, caps, recipient="bob", tool="mail.send") == ""

    def test_the_window_moves_on(self, home: SqliteHome) -> None:
        caps = (Cap(calls=2, recipients=1, window_s=100.0),)
        assert self.call(home, 1, caps, NOW, recipient="ada") == ""
        assert self.call(home, 2, caps, NOW + 50, recipient="ada") == ""
        assert self.call(home, 3, caps, NOW + 99.9, recipient="ada") == "caps"
        assert self.call(home, 3, caps, NOW + 100, recipient="ada") == ""
        assert self.call(home, 4, caps, NOW + 149, recipient="ada") == "caps"
        assert self.call(home, 4, caps, NOW + 250, recipient="bob") == ""

    def test_recipients_leave_the_window_too(self, home: SqliteHome) -> None:
        caps = (Cap(recipients=1, window_s=100.0),)
        assert self.call(home, 1, caps, NOW, recipient="ada") == ""
        assert self.call(home, 2, caps, NOW + 99.9, recipient="bob") == "caps"
        assert self.call(home, 2, caps, NOW + 100, recipient="bob") == ""

    def test_tools_and_agents_are_patterns(self, home: SqliteHome) -> None:
        caps = (Cap(tool="mail.*", agent="sales-*", calls=1),)
        assert self.call(home, 1, caps, agent="sales-1", tool="mail.send") == ""
        assert self.call(home, 2, caps, agent="sales-1", tool="mail.draft") == "caps"
        assert self.call(home, 3, caps, agent="sales-1", tool="crm.find") == ""
        assert self.call(home, 4, caps, agent="sales-2", tool="mail.draft") == ""
        assert self.call(home, 5, caps, agent="ops", tool="mail.draft") == ""
        assert self.call(home, 6, caps, agent="ops", tool="mail.draft") == ""

    def test_every_cap_counts(self, home: SqliteHome) -> None:
        caps = (Cap(calls=10), Cap(tool="mail.send", calls=1))
        assert self.call(home, 1, caps) == ""
        assert self.call(home, 2, caps) == "caps"

    def test_without_caps_nothing_is_counted(self, home: SqliteHome) -> None:
        assert self.call(home, 1, ()) == ""
        assert self.call(home, 2, (Cap(calls=1),)) == ""

    def test_what_is_refused_is_not_counted(self, home: SqliteHome) -> None:
        caps = (Cap(calls=2),)
        assert self.call(home, 1, caps) == ""
        assert rule(home, action("q/1", "d1"), NOW, caps) == "duplicate"
        assert self.call(home, 2, caps) == ""

    def test_a_clock_set_back_frees_nothing(self, home: SqliteHome) -> None:
        caps = (Cap(calls=2, window_s=100.0),)
        assert self.call(home, 1, caps, NOW) == ""
        assert self.call(home, 2, caps, NOW - 1_000) == ""
        assert self.call(home, 3, caps, NOW + 50) == "caps"

    @settings(max_examples=60, deadline=None)
    @given(
        calls=st.lists(
            st.tuples(
                st.integers(0, 30),
                st.sampled_from(["m.a", "m.b", "c"]),
                st.booleans(),
                st.sampled_from("xyz"),
            ),
            max_size=25,
        )
    )
    def test_it_counts_as_one_would_by_hand(
        self, shared: SqliteHome, calls: list[tuple[int, str, bool, str]]
    ) -> None:
        with shared._database.durable as connection:
            for table in ("tallies", "usage", "recipients"):
                connection.execute(f"DELETE FROM {table}")
        caps = (Cap(tool="m.*", window_s=60.0, calls=4, writes=3, recipients=2),)
        now, made = NOW, list[tuple[float, bool, str]]()
        for passed, tool, writes, recipient in calls:
            now += passed
            wanted = action("p/1", "d", tool=tool, writes=writes, recipient=recipient, ledger=False)
            recent = [call for call in made if call[0] > now - 60.0]
            allowed = tool == "c" or (
                len(recent) < 4
                and (not writes or sum(call[1] for call in recent) < 3)
                and len({call[2] for call in recent} | {recipient}) <= 2
            )
            assert bool(shared.used_up(caps, "a", tool, writes, recipient, now)) is not allowed
            assert rule(shared, wanted, now, caps) == ("" if allowed else "caps")
            if allowed and tool != "c":
                made.append((now, writes, recipient))


def test_it_is_cheap(home: SqliteHome) -> None:
    home._database.durable._connection.execute("PRAGMA synchronous=OFF")
    best = float("inf")
    for batch in range(10):
        wanted = [
            action(f"p/{batch}/{number}", f"{batch}.{number}", resources=(f"contact:{batch}.{number}",))
            for number in range(64)
        ]
        began = time.perf_counter()
        answers = home.admit(wanted, NOW, DAY, ())
        best = min(best, time.perf_counter() - began)
        assert all(isinstance(answer, Admitted) for answer in answers)
    # Measured: 10 microseconds an action without the fsync; the bound is for slow machines.
    assert best / 64 < 150e-6
