"""How a run is to be carried out."""

from enum import Enum
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from buddy.model.conflict import ConflictType, Strategy
from buddy.model.fleet import AssignmentStrategy
from buddy.model.mode import Mode
from buddy.model.plan import Agent, Duration, Fraction, OnFailure, ScheduleKind

Positive = Annotated[int, Meta(ge=1)]


class RetryStrategy(Enum):
    """How long to wait before the n-th retry."""

    EXPONENTIAL_BACKOFF = "EXPONENTIAL_BACKOFF"
    LINEAR_BACKOFF = "LINEAR_BACKOFF"
    NO_RETRY = "NO_RETRY"


class Cap(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an agent may do with a tool within a window; what is used up holds further steps at MOCK.

    Attributes:
        tool: glob over tool names.
        agent: glob over agents; each agent has its own count.
        window_s: seconds.
        calls: live calls allowed, None is no limit.
        writes: live writes allowed, None is no limit.
        recipients: distinct values of `recipient_arg` allowed, None is no limit.
        recipient_arg: the argument that names the recipient.
    """

    tool: str = "*"
    agent: str = "*"
    window_s: Annotated[float, Meta(gt=0)] = 86_400.0
    calls: Annotated[int, Meta(ge=0)] | None = None
    writes: Annotated[int, Meta(ge=0)] | None = None
    recipients: Annotated[int, Meta(ge=0)] | None = None
    recipient_arg: str = "recipient"


DEFAULT_STRATEGIES: dict[ConflictType, Strategy] = {
    ConflictType.RESOURCE: Strategy.DELAY,
    ConflictType.ORDERING: Strategy.DELAY,
    ConflictType.RATE_LIMIT: Strategy.DELAY,
    ConflictType.DUPLICATE_ACTION: Strategy.DOWNGRADE,
    ConflictType.PERMISSION: Strategy.REASSIGN,
    ConflictType.TIMEOUT: Strategy.DOWNGRADE,
}

HEALTH_WEIGHTS: dict[str, float] = {
    "success_rate": 0.40,
    "rollback_frequency": 0.20,
    "conflict_rate": 0.15,
    "confidence_drift": 0.15,
    "approval_rate": 0.10,
}

FLEET_HEALTH_WEIGHTS: dict[str, float] = {
    "success_rate": 0.40,
    "availability": 0.20,
    "accuracy": 0.20,
    "load_balance": 0.20,
}


class SandboxSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the tool `python.execute` runs code.

    Attributes:
        policy: `spec`, `extended`, or the path of a TOML file with the fields of `SandboxPolicy`.
        require: the least isolation that will do; where it cannot be had the calls fail.
        workers: executions at once.
        timeout_s: seconds that code may run where its call names none; None is what the policy says.
        max_timeout_s: seconds that a call may ask for.
    """

    policy: str = "spec"
    require: Literal["full", "standard"] = "standard"
    workers: Annotated[int, Meta(ge=1, le=64)] = 2
    timeout_s: Annotated[float, Meta(gt=0, le=3600)] | None = None
    max_timeout_s: Annotated[float, Meta(gt=0, le=3600)] = 60.0


class ExecutionConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every setting of a run; `buddy.toml` and `BUDDY_*` use the same names.

    Attributes:
        mode: the highest rung that any step may reach.
        output_dir: the run's folder; `runs/RUN_ID` where it is left out.
        dry_run_only: nothing goes above DRY_RUN whatever `mode` says.
        max_live_escalations: live calls at once.
        approval_required_for_high_risk: False lets HIGH risk go live without a person; it warns.
        approval_required: `risky` (what the rules name) or `all` (everything live).
        confidence_threshold_for_live: floor under every LIVE threshold.
        enable_rollback_on_failure: undo a group's live writes when one of its steps fails for good.
        approvals: `ask` in the terminal, `wait`, `exit` and resume later, or the path of a policy file.
        approval_expiry_s: seconds that a request stays open.
        approval_quorum: distinct approvers needed.
        on_failure: for plans that do not say.
        max_parallel_plans: plans side by side.
        isolate: the plans do not share a world.
        deadline_s: seconds that the run may take, None is no limit.
        retry_strategy: how long to wait between attempts.
        max_retries: retries after the first attempt.
        exponential_base: delays are base^0, base^1, ... seconds.
        linear_base: delays are base, 2 base, ... seconds.
        retry_jitter: draw each delay evenly from 0 to the computed one.
        breaker: hold a tool or agent with an open HIGH anomaly at DRY_RUN.
        breaker_cooldown_s: seconds before a passed DRY_RUN may close a breaker.
        conflicts: what is done about each type of conflict.
        duplicate_window_s: seconds within which the same action again is a duplicate.
        caps: limits on what agents may do.
        agents: the operator's agents; where any are named, only these may act.
        seed: of simulation and jitter.
        clock: `real`, or `virtual` for simulations in MOCK.
        health_weights: of the tool health score, summing to 1.
        num_agents: of a fleet, where `agents` names none.
        assignment_strategy: how the tasks of a fleet come to its agents.
        schedule: `waves` one after another, or `continuous`: a task starts as soon as it can.
        max_parallel_tasks: tasks of a fleet at once; None is 4, or `num_agents` where that is more.
        load_balance_threshold: imbalance of assigned seconds above which pending tasks are rebalanced.
        confidence_threshold: a task below it is not assigned above MOCK.
        anomaly_sensitivity: prediction error of an agent or a wave above which it drifts.
        health_score_weights: of the fleet health score, summing to 1.
        phase16_output_dir, phase18_output_dir, phase20_output_dir: folders that get a copy of what that
            phase is told; the run's folder always has it.
        on_alert: command or URL told of every HIGH anomaly.
        on_approval: command or URL told of every approval request.
        signing_key: file of the private key that signs the run's head whenever it comes to rest; None signs
            nothing.
        sandbox: how the tool `python.execute` runs code.
    """

    mode: Mode = Mode.MOCK
    output_dir: str | None = None
    dry_run_only: bool = False
    max_live_escalations: Positive = 5
    approval_required_for_high_risk: bool = True
    approval_required: Literal["risky", "all"] = "risky"
    confidence_threshold_for_live: Fraction = 0.75
    enable_rollback_on_failure: bool = True
    approvals: str = "exit"
    approval_expiry_s: Annotated[float, Meta(gt=0)] = 7 * 86_400.0
    approval_quorum: Positive = 1
    on_failure: OnFailure = "stop"
    max_parallel_plans: Positive = 4
    isolate: bool = False
    deadline_s: Duration | None = None
    retry_strategy: RetryStrategy = RetryStrategy.EXPONENTIAL_BACKOFF
    max_retries: Annotated[int, Meta(ge=0, le=100)] = 3
    exponential_base: Annotated[float, Meta(gt=0, le=100)] = 2.0
    linear_base: Annotated[float, Meta(gt=0, le=3600)] = 2.0
    retry_jitter: bool = True
    breaker: bool = True
    breaker_cooldown_s: Duration = 60.0
    conflicts: dict[ConflictType, Strategy] = field(default_factory=lambda: dict(DEFAULT_STRATEGIES))
    duplicate_window_s: Duration = 86_400.0
    caps: tuple[Cap, ...] = ()
    agents: dict[str, Agent] = field(default_factory=dict)
    seed: int = 0
    clock: Literal["real", "virtual"] = "real"
    health_weights: dict[str, Fraction] = field(default_factory=lambda: dict(HEALTH_WEIGHTS))
    num_agents: Annotated[int, Meta(ge=1, le=10_000)] = 4
    assignment_strategy: AssignmentStrategy = AssignmentStrategy.LOAD_BALANCED
    schedule: ScheduleKind = "waves"
    max_parallel_tasks: Positive | None = None
    load_balance_threshold: Fraction = 0.30
    confidence_threshold: Fraction = 0.70
    anomaly_sensitivity: Fraction = 0.25
    health_score_weights: dict[str, Fraction] = field(default_factory=lambda: dict(FLEET_HEALTH_WEIGHTS))
    phase16_output_dir: str | None = None
    phase18_output_dir: str | None = None
    phase20_output_dir: str | None = None
    on_alert: str | None = None
    on_approval: str | None = None
    signing_key: str | None = None
    sandbox: SandboxSettings = field(default_factory=SandboxSettings)
