"""Asking a person, and what comes back."""

from msgspec import Struct

from buddy.core.approvals import binding, differences, person
from buddy.core.canonical import canonical
from buddy.engine.plans import PlanState
from buddy.engine.run import Run
from buddy.errors import BadInput
from buddy.journal.events import ApprovalDecided, ApprovalRequested
from buddy.journal.times import iso
from buddy.model.approval import Approval, ApprovalRequest, ApprovalState, Vote
from buddy.model.contract import ToolContract
from buddy.model.outcome import Preview
from buddy.projections.phrases import decision


class Question(Struct, frozen=True, kw_only=True):
    """What a person is asked about.

    Attributes:
        step_id: of the step, or of the whole fan-out.
        contract: of the tool.
        agent: who wants to act.
        args: the arguments; of a fan-out the list of them.
        digest: of the arguments.
        previews: of the call, of every item of a fan-out, or none where nothing can be read before.
        fan_out: it asks for many at once.
        reasons: why a person is asked.
        earlier: identical actions taken before.
        confidence: of the step.
    """

    step_id: str
    contract: ToolContract
    agent: str
    args: object
    digest: str
    previews: tuple[Preview, ...]
    fan_out: bool = False
    reasons: tuple[str, ...]
    earlier: int = 0
    confidence: float | None = None

    def binding(self) -> str:
        """Digest of what a yes would bind."""
        return binding(self.contract, self.digest, self.previews)


class Granted(Struct, frozen=True):
    """A person said yes to exactly this."""

    request: ApprovalRequest


class Edited(Struct, frozen=True):
    """A person said yes to other arguments, which have to be rehearsed and asked about again."""

    args: dict[str, object]


class Waiting(Struct, frozen=True):
    """Nobody decided yet."""

    approval: str
    reason: str


class Refused(Struct, frozen=True):
    """A person said no, or nobody answered in time."""

    reason: str


Answer = Granted | Edited | Waiting | Refused

_FINAL = frozenset({ApprovalState.DENIED, ApprovalState.EXPIRED, ApprovalState.CANCELLED})


async def ask(run: Run, plan: PlanState, question: Question) -> Answer:
    """Ask about an action, or look at what was said about it before.

    A yes holds only for what it was given for: when contract, arguments or previewed changes differ, a
    request with the difference takes its place.
    """
    # What a person is shown may rest on anything that has happened.
    run.flush()
    wanted = question.binding()
    approval = _last(run, plan, question.step_id)
    same = approval is not None and approval.request.agent == question.agent
    if same and approval is not None and approval.request.binding == wanted:
        if approval.state is ApprovalState.PENDING:
            approval = await _asked_again(run, approval, question.confidence)
        return _answer(run, plan, approval)
    if approval is not None and approval.state in _FINAL:
        return _answer(run, plan, approval)
    edited = _edit_in_force(run, approval)
    if edited is not None and canonical(edited) != canonical(question.args) and not question.fan_out:
        plan.edited[question.step_id] = edited
        return Edited(edited)
    request = _request(run, plan, question, wanted, approval)
    vote = await run.interaction.decide(request, question.confidence)
    approval = run.home.ask(request)
    plan.approvals[question.step_id] = request.approval_id
    run.record(ApprovalRequested(request=request))
    if vote is not None:
        approval = _voted(run, approval, vote)
    if approval.state is ApprovalState.PENDING and vote not in approval.votes:
        run.flush()
        run.interaction.approval_requested(request)
        return Waiting(request.approval_id, f"waits for a person: {'; '.join(request.reasons)}")
    return _answer(run, plan, approval)


async def _asked_again(run: Run, approval: Approval, confidence: float | None) -> Approval:
    """Put an open request to a policy or callback that may not have been there when it was filed."""
    vote = await run.interaction.decide(approval.request, confidence)
    if vote is None or person(vote.by) in (person(before.by) for before in approval.votes):
        return approval
    return _voted(run, approval, vote)


def _voted(run: Run, approval: Approval, vote: Vote) -> Approval:
    """Return a request after a vote, or as it stands where the home does not take that.

    Who may not vote on it, or votes when it is decided, is like somebody who has no answer.
    """
    asked, now = approval.request.approval_id, run.clock.now()
    try:
        return run.home.vote(asked, vote, now)
    except BadInput:
        return run.home.approval(asked, now) or approval


def take_up_edit(run: Run, plan: PlanState, step_id: str) -> None:
    """Note the arguments that a person agreed to in place of those of a call that was asked about before.

    Args:
        run: whose home knows the requests.
        plan: of the call.
        step_id: of the call.
    """
    approval = _last(run, plan, step_id)
    edited = _edit_in_force(run, approval)
    # Those of a fan-out are a list, and cannot be edited.
    if edited is not None and approval is not None and isinstance(approval.request.args, dict):
        plan.edited[step_id] = edited


def refusal(run: Run, plan: PlanState, step_id: str) -> Refused | None:
    """Return why a call that was asked about before need not be looked at any more: a no, or no answer."""
    approval = _last(run, plan, step_id)
    if approval is None or approval.state not in _FINAL:
        return None
    answer = _answer(run, plan, approval)
    return answer if isinstance(answer, Refused) else None


def _last(run: Run, plan: PlanState, step_id: str) -> Approval | None:
    known = plan.approvals.get(step_id)
    return run.home.approval(known, run.clock.now()) if known else None


def _edit_in_force(run: Run, approval: Approval | None) -> dict[str, object] | None:
    """Return the last arguments that people agreed to in place of those that they were asked about."""
    if approval is not None and approval.state is ApprovalState.APPROVED:
        edited = _edit_of(approval)
        if edited is not None:
            return edited
    while approval is not None and approval.request.supersedes is not None:
        approval = run.home.approval(approval.request.supersedes, run.clock.now())
        agreed = approval is not None and len(approval.votes) >= approval.request.quorum
        edited = _edit_of(approval) if approval is not None and agreed else None
        if edited is not None:
            return edited
    return None


def _edit_of(approval: Approval) -> dict[str, object] | None:
    """Return what a request is voted for last that it does not ask for; where there is that, it has no yes.

    Compared as the journal holds it, where 1, 1.0 and true are three values.
    """
    asked = canonical(approval.request.args)
    others = (vote.edited_args for vote in reversed(approval.votes) if vote.edited_args is not None)
    return next((edited for edited in others if canonical(edited) != asked), None)


def _editors(approval: Approval, args: object) -> str:
    """Return who voted for arguments in place of those that a request asks for, empty where nobody did."""
    wanted = canonical(args)
    edits = [(vote.by, vote.edited_args) for vote in approval.votes if vote.edited_args is not None]
    return ", ".join(by for by, edited in edits if canonical(edited) == wanted)


def _answer(run: Run, plan: PlanState, approval: Approval) -> Answer:
    request = approval.request
    if approval.state is ApprovalState.PENDING:
        return Waiting(request.approval_id, f"waits for a person: {'; '.join(request.reasons)}")
    edited = _edit_of(approval) if approval.state is ApprovalState.APPROVED else None
    if edited is not None:
        plan.edited[request.step_id] = edited
        return Edited(edited)
    # One no among yeses denies: those who said yes did not.
    denied = approval.state is ApprovalState.DENIED
    votes = [vote for vote in approval.votes if not (denied and vote.approve)]
    voters = [vote.by for vote in votes]
    said = "; ".join(vote.reason for vote in votes if vote.reason)
    if request.approval_id not in plan.decided:
        plan.decided.add(request.approval_id)
        _record_decision(run, approval, voters, said)
    if approval.state is ApprovalState.APPROVED:
        return Granted(request)
    return Refused(f"approval {request.approval_id} {decision(approval.state, voters, said)}")


def _record_decision(run: Run, approval: Approval, voters: list[str], said: str) -> None:
    request = approval.request
    run.record(
        ApprovalDecided(
            approval=request.approval_id,
            plan=request.plan_id,
            step=request.step_id,
            tool=request.tool,
            state=approval.state,
            by=voters,
            reason=said,
        )
    )


def _request(
    run: Run, plan: PlanState, question: Question, wanted: str, before: Approval | None
) -> ApprovalRequest:
    now = run.clock.now()
    previous = before.request if before is not None else None
    preview = question.previews[0] if question.previews and not question.fan_out else None
    changed: tuple[str, ...] = ()
    if before is not None and previous is not None:
        if canonical(previous.args) != canonical(question.args):
            editors = _editors(before, question.args)
            changed = (f"{editors} edited the arguments" if editors else "the arguments are different",)
        if previous.agent != question.agent:
            changed = (*changed, f"agent {question.agent} is to act instead of {previous.agent}")
        if previous.contract != question.contract.digest:
            changed = (*changed, "the tool's contract is different")
        changed = (*changed, *differences(question.contract, previous.preview, preview))
    return ApprovalRequest(
        approval_id=run.ids.new("ap"),
        run_id=run.run_id,
        plan_id=plan.plan_id,
        step_id=question.step_id,
        tool=question.contract.name,
        agent=question.agent,
        args=question.args,
        preview=preview,
        items=list(question.previews) if question.fan_out else [],
        risk=question.contract.risk,
        reasons=question.reasons,
        earlier=question.earlier,
        binding=wanted,
        contract=question.contract.digest,
        requested_at=iso(now),
        expires_at=iso(now + run.config.approval_expiry_s),
        quorum=run.config.approval_quorum,
        supersedes=previous.approval_id if previous is not None else None,
        difference=changed,
    )
