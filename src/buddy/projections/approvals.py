"""What was asked of people, what they said, and where that is at odds with the confidence."""

from msgspec import Struct

from buddy.core.gate import THRESHOLDS
from buddy.journal.events import ApprovalDecided
from buddy.model.approval import ApprovalRequest, ApprovalState
from buddy.model.mode import Mode, Risk
from buddy.projections.metrics import ratio

EVIDENCE = 20
"""Journal lines listed as evidence at most."""

SURE = THRESHOLDS[Risk.HIGH][Mode.LIVE]
"""Confidence that nothing asks more than: below it a yes says that the person is surer than the planner."""


class Judgement(Struct, kw_only=True):
    """How people decided about one tool, against the confidence of the steps they decided about.

    Attributes:
        decided: approved or denied, where the confidence is known.
        approved, denied: of those.
        approved_unsure: approved though the confidence is below `SURE`.
        denied_sure: denied though the confidence reaches the tool's threshold for LIVE.
        approved_confidence, denied_confidence: sums.
        threshold: for LIVE, as it was at the last decision.
        evidence: seqs of the first mismatches.
    """

    decided: int = 0
    approved: int = 0
    denied: int = 0
    approved_unsure: int = 0
    denied_sure: int = 0
    approved_confidence: float = 0.0
    denied_confidence: float = 0.0
    threshold: float = 0.0
    evidence: list[int] = []

    @property
    def mismatches(self) -> int:
        """Decisions at odds with the confidence."""
        return self.approved_unsure + self.denied_sure


class Approvals:
    """The approval requests of a run.

    Attributes:
        requested: how many.
        approved, denied: decisions, whatever became of the request later.
        by_state: requests by where they stand now.
        judgements: by tool.
    """

    def __init__(self) -> None:
        self.requested = 0
        self.approved = 0
        self.denied = 0
        self.by_state = dict.fromkeys(ApprovalState, 0)
        self.judgements: dict[str, Judgement] = {}
        self._states: dict[str, ApprovalState] = {}

    @property
    def rate(self) -> float | None:
        """Approved / decided."""
        return ratio(self.approved, self.approved + self.denied)

    def request(self, request: ApprovalRequest) -> None:
        """Take in that a person was asked; the same id again changes nothing."""
        if request.approval_id not in self._states:
            self.requested += 1
            self._move(request.approval_id, ApprovalState.PENDING)
        earlier = self._states.get(request.supersedes or "")
        if request.supersedes and earlier in (ApprovalState.PENDING, ApprovalState.APPROVED):
            self._move(request.supersedes, ApprovalState.SUPERSEDED)

    def decide(self, event: ApprovalDecided, seq: int, confidence: float | None, threshold: float) -> None:
        """Take in that a request came to its end.

        Args:
            event: what was decided.
            seq: of its record.
            confidence: of the step, None where nobody said.
            threshold: confidence that the tool needs for LIVE.
        """
        if event.approval not in self._states:
            self.requested += 1
        elif self._states[event.approval] is event.state:
            return
        self._move(event.approval, event.state)
        yes, no = event.state is ApprovalState.APPROVED, event.state is ApprovalState.DENIED
        self.approved += yes
        self.denied += no
        if confidence is not None and (yes or no):
            judgement = self.judgements.setdefault(event.tool, Judgement())
            _judge(judgement, yes, seq, confidence, threshold)

    def _move(self, approval: str, state: ApprovalState) -> None:
        before = self._states.get(approval)
        if before is not None:
            self.by_state[before] -= 1
        self._states[approval] = state
        self.by_state[state] += 1


def _judge(judgement: Judgement, yes: bool, seq: int, confidence: float, threshold: float) -> None:
    before = judgement.mismatches
    judgement.decided += 1
    judgement.threshold = threshold
    if yes:
        judgement.approved += 1
        judgement.approved_confidence += confidence
        judgement.approved_unsure += confidence < SURE
    else:
        judgement.denied += 1
        judgement.denied_confidence += confidence
        judgement.denied_sure += confidence >= threshold
    if judgement.mismatches > before and len(judgement.evidence) < EVIDENCE:
        judgement.evidence.append(seq)
