from collections.abc import Callable
from typing import Any

import pytest
from msgspec import structs

from buddy.adapters.home import SqliteHome
from buddy.errors import BadInput, HomeUnavailable
from buddy.journal.times import iso
from buddy.model.approval import Approval, ApprovalRequest, ApprovalState, Vote
from buddy.model.mode import Risk
from buddy.model.outcome import Change, Preview
from buddy.ports import Action, Admitted, Refused

Opener = Callable[[], SqliteHome]
NOW = 1_000_000_000.0
EXPIRY = NOW + 1_000


def request(approval_id: str = "appr_1", **fields: Any) -> ApprovalRequest:
    known: dict[str, Any] = {
        "run_id": "run",
        "plan_id": "plan",
        "step_id": "send",
        "tool": "mail.send",
        "agent": "sales",
        "args": {"to": "ada@example.org"},
        "preview": Preview(changes=[{"resource": "mail:1", "after": "sent"}]),
        "risk": Risk.HIGH,
        "reasons": ("the risk is HIGH",),
        "binding": "bound",
        "contract": "c1",
        "requested_at": iso(NOW),
        "expires_at": iso(EXPIRY),
    }
    return ApprovalRequest(approval_id=approval_id, **(known | fields))


def vote(by: str = "bob", approve: bool = True, **fields: Any) -> Vote:
    return Vote(by=by, approve=approve, at=iso(NOW), **fields)


def action(step: str = "plan/send", **fields: Any) -> Action:
    known: dict[str, Any] = {
        "run_id": "run",
        "tool": "mail.send",
        "agent": "sales",
        "digest": step,
        "writes": True,
        "approval": "appr_1",
        "binding": "bound",
    }
    return Action(step=step, **(known | fields))


def refusal(home: SqliteHome, wanted: Action, now: float = NOW) -> str:
    """Why an action may not use its approval, empty where it did."""
    (answer,) = home.admit([wanted], now, 10.0, ())
    if isinstance(answer, Admitted):
        return ""
    assert answer.rule == "approval"
    return answer.reason


def standing(home: SqliteHome, approval_id: str = "appr_1", now: float = NOW) -> ApprovalState:
    approval = home.approval(approval_id, now)
    assert approval is not None
    return approval.state


class TestAsking:
    def test_what_is_asked_is_kept(self, home: SqliteHome, open_home: Opener) -> None:
        asked = request(
            items=[Preview(changes=[{"a": 1}]), Preview()], difference=("another amount",), earlier=2
        )
        approval = home.ask(asked)
        assert approval == Approval(request=asked, state=ApprovalState.PENDING)
        home.close()
        assert open_home().approval("appr_1", NOW) == approval
        assert open_home().approval("appr_2", NOW) is None

    def test_the_same_id_again_changes_nothing(self, home: SqliteHome) -> None:
        home.ask(request())
        home.vote("appr_1", vote(), NOW)
        assert home.ask(request(binding="other")).state is ApprovalState.APPROVED
        assert refusal(home, action()) == ""

    def test_typed_changes_come_back_as_plain_ones(self, home: SqliteHome) -> None:
        home.ask(request(preview=Preview(changes=[Change("mail:1", after="sent")])))
        approval = home.approval("appr_1", NOW)
        assert approval is not None
        assert approval.request.preview == Preview(changes=[{"resource": "mail:1", "after": "sent"}])

    def test_one_that_supersedes(self, home: SqliteHome) -> None:
        home.ask(request())
        home.vote("appr_1", vote(), NOW)
        home.ask(request("appr_2", supersedes="appr_1", binding="now"))
        assert standing(home) is ApprovalState.SUPERSEDED
        assert "SUPERSEDED" in refusal(home, action())
        assert standing(home, "appr_2") is ApprovalState.PENDING

    def test_a_denial_is_not_superseded(self, home: SqliteHome) -> None:
        home.ask(request())
        home.vote("appr_1", vote(approve=False), NOW)
        home.ask(request("appr_2", supersedes="appr_1"))
        assert standing(home) is ApprovalState.DENIED

    def test_an_expiry_that_is_no_time(self, home: SqliteHome) -> None:
        with pytest.raises(BadInput, match="expiry"):
            home.ask(request(expires_at="tomorrow"))

    def test_listing(self, home: SqliteHome) -> None:
        for number in range(4):
            home.ask(request(f"appr_{number}", run_id=f"run{number % 2}"))
        home.vote("appr_2", vote(approve=False), NOW)
        home.vote("appr_3", vote(), NOW)

        def ids(**query: Any) -> list[str]:
            return [found.request.approval_id for found in home.approvals(**({"now": NOW} | query))]

        assert ids() == ["appr_0", "appr_1", "appr_2", "appr_3"]
        assert ids(run_id="run0") == ["appr_0", "appr_2"]
        assert ids(state=ApprovalState.PENDING) == ["appr_0", "appr_1"]
        assert ids(state=ApprovalState.APPROVED) == ["appr_3"]
        assert ids(state=ApprovalState.PENDING, run_id="run1") == ["appr_1"]
        assert ids(state=ApprovalState.EXPIRED) == []
        assert ids(now=EXPIRY, state=ApprovalState.EXPIRED) == ["appr_0", "appr_1", "appr_3"]
        assert ids(now=EXPIRY, state=ApprovalState.PENDING) == []

    def test_a_row_that_nobody_wrote(self, home: SqliteHome) -> None:
        home.ask(request())
        with home._database.durable as connection:
            connection.execute("UPDATE approvals SET request = '{}'")
        with pytest.raises(HomeUnavailable, match="not a sound database"):
            home.approval("appr_1", NOW)


class TestVoting:
    def test_one_yes_is_enough_where_one_is_asked_for(self, home: SqliteHome) -> None:
        home.ask(request())
        said = vote(reason="fine", edited_args={"to": "eve@example.org"})
        approval = home.vote("appr_1", said, NOW)
        assert approval.state is ApprovalState.APPROVED
        assert approval.votes == (said,)
        assert home.approval("appr_1", NOW) == approval

    def test_a_quorum_is_of_different_people(self, home: SqliteHome) -> None:
        home.ask(request(quorum=3))
        for person in ("bob", "eve"):
            assert home.vote("appr_1", vote(person), NOW).state is ApprovalState.PENDING
        for same in ("bob", "Bob ", " BOB", "eve"):
            with pytest.raises(BadInput, match="already"):
                home.vote("appr_1", vote(same), NOW)
        assert "PENDING" in refusal(home, action())
        assert home.vote("appr_1", vote("joe"), NOW).state is ApprovalState.APPROVED

    def test_one_denial_denies(self, home: SqliteHome) -> None:
        home.ask(request(quorum=2))
        home.vote("appr_1", vote("bob"), NOW)
        assert home.vote("appr_1", vote("eve", approve=False), NOW).state is ApprovalState.DENIED
        with pytest.raises(BadInput, match="DENIED"):
            home.vote("appr_1", vote("joe"), NOW)
        assert "DENIED" in refusal(home, action())

    @pytest.mark.parametrize("person", ["sales", "Sales", " sales "])
    @pytest.mark.parametrize("approve", [True, False])
    def test_the_one_who_asks_cannot_decide(self, home: SqliteHome, person: str, approve: bool) -> None:
        home.ask(request())
        with pytest.raises(BadInput, match="somebody else"):
            home.vote("appr_1", vote(person, approve), NOW)
        assert standing(home) is ApprovalState.PENDING

    def test_nobody_cannot_decide(self, home: SqliteHome) -> None:
        home.ask(request())
        with pytest.raises(BadInput, match="whose"):
            home.vote("appr_1", vote(" "), NOW)

    def test_arguments_that_no_call_could_have(self, home: SqliteHome) -> None:
        home.ask(request())
        deep: Any = "ada@example.org"
        for _ in range(400):
            deep = {"a": deep}
        with pytest.raises(BadInput, match="at most 100 nested levels"):
            home.vote("appr_1", vote(edited_args={"to": deep}), NOW)
        with pytest.raises(BadInput, match="JSON values"):
            home.vote("appr_1", vote(edited_args={"to": object()}), NOW)
        assert standing(home) is ApprovalState.PENDING

    @pytest.mark.parametrize("approve", [False, True])
    def test_other_arguments_for_a_fan_out(self, home: SqliteHome, approve: bool) -> None:
        home.ask(request(args=[{"to": "ada@example.org"}], items=[Preview()]))
        with pytest.raises(BadInput, match="a fan-out, whose arguments stay"):
            home.vote("appr_1", vote(approve=approve, edited_args={"to": "eve@example.org"}), NOW)
        assert standing(home) is ApprovalState.PENDING
        assert home.vote("appr_1", vote(), NOW).state is ApprovalState.APPROVED

    def test_what_is_not_there_or_over(self, home: SqliteHome) -> None:
        with pytest.raises(BadInput, match="no approval request appr_9"):
            home.vote("appr_9", vote(), NOW)
        home.ask(request())
        with pytest.raises(BadInput, match="EXPIRED"):
            home.vote("appr_1", vote(), EXPIRY)
        home.vote("appr_1", vote(), EXPIRY - 1)
        with pytest.raises(BadInput, match="APPROVED"):
            home.vote("appr_1", vote("eve"), NOW)

    def test_cancelling(self, home: SqliteHome) -> None:
        home.ask(request("appr_1"))
        home.ask(request("appr_2"))
        home.ask(request("appr_3", run_id="other"))
        home.vote("appr_2", vote(), NOW)
        assert home.cancel_approvals("run") == 1
        assert home.cancel_approvals("run") == 0
        states = [standing(home, f"appr_{number}") for number in (1, 2, 3)]
        assert states == [ApprovalState.CANCELLED, ApprovalState.APPROVED, ApprovalState.PENDING]


class TestConsuming:
    @pytest.fixture
    def approved(self, home: SqliteHome) -> SqliteHome:
        home.ask(request())
        home.vote("appr_1", vote(), NOW)
        return home

    def test_the_action_itself_and_its_retries(self, approved: SqliteHome, open_home: Opener) -> None:
        assert refusal(approved, action()) == ""
        assert refusal(approved, action(), NOW + 1) == ""
        approved.close()
        again = open_home()
        assert refusal(again, action(), NOW + 2) == ""
        found = again.approval("appr_1", NOW)
        assert found is not None
        assert found.consumed_by == ("plan/send",)

    @pytest.mark.parametrize(
        ("fields", "said"),
        [
            ({"step": "plan/other"}, "covers plan/send"),
            ({"step": "other/send"}, "covers plan/send"),
            ({"step": "plan/send[0]"}, "covers plan/send"),
            ({"run_id": "other"}, "run run"),
            ({"binding": "else"}, "other changes"),
            ({"binding": ""}, "other changes"),
            ({"approval": "appr_9"}, "no approval appr_9"),
        ],
    )
    def test_nothing_else(self, approved: SqliteHome, fields: dict[str, Any], said: str) -> None:
        assert said in refusal(approved, structs.replace(action(), **fields))
        found = approved.approval("appr_1", NOW)
        assert found is not None
        assert found.consumed_by == ()
        assert approved.earlier("plan/send", "x", "y", (), NOW, 10.0) == []

    def test_a_pending_one_lets_nothing_through(self, home: SqliteHome) -> None:
        home.ask(request())
        assert "PENDING" in refusal(home, action())

    def test_an_expired_one_lets_only_retries_through(self, approved: SqliteHome) -> None:
        assert "EXPIRED" in refusal(approved, action(), EXPIRY)
        assert refusal(approved, action(), EXPIRY - 1) == ""
        assert refusal(approved, action(), EXPIRY + 1) == ""
        assert standing(approved, now=EXPIRY + 1) is ApprovalState.APPROVED

    def test_an_unused_one_expires(self, approved: SqliteHome) -> None:
        assert standing(approved, now=EXPIRY - 1) is ApprovalState.APPROVED
        assert standing(approved, now=EXPIRY) is ApprovalState.EXPIRED

    def test_one_that_is_refused_for_something_else_stays_unused(self, approved: SqliteHome) -> None:
        approved.admit([action("q/1", approval=None, digest="same")], NOW, 10.0, ())
        (answer,) = approved.admit([action(digest="same")], NOW, 10.0, ())
        assert isinstance(answer, Refused)
        assert answer.rule == "duplicate"
        found = approved.approval("appr_1", NOW)
        assert found is not None
        assert found.consumed_by == ()

    def test_a_read_needs_it_too(self, approved: SqliteHome) -> None:
        assert refusal(approved, action(writes=False)) == ""
        found = approved.approval("appr_1", NOW)
        assert found is not None
        assert found.consumed_by == ("plan/send",)


class TestFanOut:
    @pytest.fixture
    def approved(self, home: SqliteHome) -> SqliteHome:
        home.ask(request(items=[Preview()] * 11))
        home.vote("appr_1", vote(), NOW)
        return home

    def test_each_item_once(self, approved: SqliteHome) -> None:
        for number in (10, 0, 2, 0):
            assert refusal(approved, action(f"plan/send[{number}]")) == ""
        found = approved.approval("appr_1", NOW)
        assert found is not None
        assert found.consumed_by == ("plan/send[10]", "plan/send[0]", "plan/send[2]")

    @pytest.mark.parametrize(
        "step",
        ["", "[11]", "[-1]", "[01]", "[]", "[1", "1]", "[\N{SUPERSCRIPT ONE}]", "[1][1]", "#2[1]", "[1 ]"],
    )
    def test_only_its_items(self, approved: SqliteHome, step: str) -> None:
        assert "covers 11 items" in refusal(approved, action(f"plan/send{step}"))

    def test_what_is_left_expires(self, approved: SqliteHome) -> None:
        assert refusal(approved, action("plan/send[0]")) == ""
        assert standing(approved, now=EXPIRY) is ApprovalState.EXPIRED
        assert "EXPIRED" in refusal(approved, action("plan/send[1]"), EXPIRY)
        assert refusal(approved, action("plan/send[0]"), EXPIRY) == ""

    def test_when_all_are_used_nothing_expires(self, approved: SqliteHome) -> None:
        for number in range(11):
            assert refusal(approved, action(f"plan/send[{number}]")) == ""
        assert standing(approved, now=EXPIRY) is ApprovalState.APPROVED


def test_the_version_moves_with_every_change_and_with_nothing_else(
    home: SqliteHome, open_home: Opener
) -> None:
    other = open_home()
    seen = [home.approvals_version()]

    def changed() -> bool:
        versions = {home.approvals_version(), other.approvals_version()}
        assert len(versions) == 1
        seen.append(versions.pop())
        return seen[-1] != seen[-2]

    other.ask(request())
    assert changed()
    other.ask(request())
    assert not changed()
    home.vote("appr_1", vote(), NOW)
    assert changed()
    assert refusal(other, action()) == ""
    assert changed()
    assert refusal(other, action()) == ""
    assert not changed()
    home.set_lock(True, "ada", "cleaning", NOW)
    home.approvals(NOW)
    assert not changed()
    home.ask(request("appr_2"))
    assert changed()
    other.cancel_approvals("run")
    assert changed()
    assert seen == sorted(seen)
