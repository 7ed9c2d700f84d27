"""From predictions to a plan: waves, ids and references checked, an agent for every task."""

import heapq
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

from msgspec import Struct
from msgspec.structs import replace

from buddy.core import planning, references
from buddy.core.assignment import Work, Worker, assign
from buddy.core.planning import shown
from buddy.errors import BadInput
from buddy.model.fleet import TASK, AssignmentStrategy, PredictedTask, ScheduledTask
from buddy.model.plan import Agent, Plan, Prediction, ScheduleKind, Step


class Predictions(Struct, frozen=True, kw_only=True):
    """The two files of a folder.

    Attributes:
        label: the folder's name, for errors.
        tasks: line of `predicted_tasks.jsonl` -> what it says.
        schedule: line of `predicted_schedule.jsonl` -> what it says.
    """

    label: str
    tasks: Mapping[int, PredictedTask]
    schedule: Mapping[int, ScheduledTask]


class Crew(Struct, frozen=True, kw_only=True):
    """Who there is to do the work, and by which rules it is shared out.

    Attributes:
        agents: their names.
        strategy: how tasks come to them.
        kind: waves, or continuous.
        capacity: agent -> tasks at once, one where it is left out.
    """

    agents: tuple[str, ...]
    strategy: AssignmentStrategy = AssignmentStrategy.LOAD_BALANCED
    kind: ScheduleKind = "waves"
    capacity: Mapping[str, int] = {}


def rate_of(task: PredictedTask) -> float:
    """Return the predicted success rate of a task that has one, under either of its names."""
    rate = (
        task.predicted_success_rate if task.predicted_success_rate is not None else task.success_probability
    )
    assert rate is not None
    return rate


def plan_of(predictions: Predictions, crew: Crew, plan_id: str) -> Plan:
    """Make the plan of a fleet: tasks in waves, each with an agent for a start.

    Args:
        predictions: as read.
        crew: the agents.
        plan_id: of the plan.

    Raises:
        BadInput: with every problem; the first `MAX_PROBLEMS` are listed.
    """
    _refuse(predictions.label, chain(_task_problems(predictions), _schedule_problems(predictions, crew)))
    scheduled = {entry.task_id: entry for entry in predictions.schedule.values()}
    tasks = {task.task_id: task for task in predictions.tasks.values()}
    needs = {name: _needs(task) for name, task in tasks.items()}
    _refuse(predictions.label, _cycle_problems(needs))
    waves = _waves(tasks, needs, scheduled)
    _refuse(predictions.label, _wave_problems(predictions, needs, waves))
    # In the order of the waves, so that no edge that is added later leads back over a barrier.
    first = sorted(tasks, key=lambda name: (waves[name], -(tasks[name].priority or 0.0)))
    by_wave = {name: needs[name] for name in first}
    steps = [_step(tasks[name], needs[name], waves[name], scheduled.get(name)) for name in _in_order(by_wave)]
    plan = Plan(
        plan_id=plan_id,
        steps=tuple(first_assignment(steps, crew)),
        chain=False,
        agents={name: Agent(capacity=crew.capacity.get(name, 1)) for name in crew.agents},
        fleet=crew.kind,
    )
    return planning.checked(plan, predictions.label)


def first_assignment(steps: Sequence[Step], crew: Crew) -> Iterator[Step]:
    """Yield the steps with agents: those of the schedule, and the rest by strategy, wave by wave."""
    members: dict[int, list[int]] = {}
    for place, step in enumerate(steps):
        members.setdefault(_task(step).wave, []).append(place)
    agents: dict[int, str] = {}
    turn = 0
    for wave in sorted(members):
        workers = [Worker(name) for name in crew.agents]
        by_name = {worker.name: worker for worker in workers}
        works = []
        for place in members[wave]:
            work = work_of(place, steps[place])
            if steps[place].agent:
                by_name[steps[place].agent].take(work)
            else:
                works.append(work)
        agents |= assign(works, workers, crew.strategy, turn=turn)
        turn += len(works)
    for place, step in enumerate(steps):
        yield step if step.agent else replace(step, agent=agents[place])


def work_of(place: int, step: Step, error: float = 0.0) -> Work:
    """Return what assignment has to know of a step.

    Args:
        place: of the step.
        step: of a fleet.
        error: measured on such work so far, mean predicted - mean actual.
    """
    task = _task(step)
    likely = recalibrated(task.rate, error)
    sure = likely if step.confidence is None else recalibrated(step.confidence, error)
    return Work(
        place=place,
        seconds=seconds_of(step),
        confidence=sure,
        hardness=1.0 - likely if task.complexity is None else task.complexity,
        kind=step.tool,
        priority=task.priority or 0.0,
    )


def seconds_of(step: Step) -> float:
    """Return the estimated seconds of a step, one where nobody estimated."""
    return 1.0 if step.estimated_duration_s is None else step.estimated_duration_s


def recalibrated(rate: float, error: float) -> float:
    """Return a predicted rate corrected by the measured error (mean predicted - mean actual), in [0, 1]."""
    return min(1.0, max(0.0, rate - error))


def _task(step: Step) -> Prediction:
    assert step.task is not None, "a step of a fleet has a prediction"
    return step.task


def _needs(task: PredictedTask) -> tuple[str, ...]:
    sources = references.sources(task.args) if task.args else ()
    return tuple(dict.fromkeys((*task.depends_on, *sources)))


def _step(task: PredictedTask, needs: tuple[str, ...], wave: int, scheduled: ScheduledTask | None) -> Step:
    rate = rate_of(task)
    agent = scheduled.agent_id if scheduled is not None and scheduled.agent_id is not None else ""
    return Step(
        step_id=task.task_id,
        tool=task.tool or TASK,
        agent=agent,
        args=task.args,
        confidence=rate if task.confidence is None else task.confidence,
        depends_on=needs,
        group=task.group or task.task_id,
        estimated_duration_s=task.estimated_duration_s,
        task=Prediction(
            rate=rate,
            wave=wave,
            scheduled=bool(agent),
            complexity=task.complexity,
            priority=task.priority,
            heuristic_id=task.heuristic_id,
            prediction_id=task.prediction_id,
        ),
    )


def _waves(
    tasks: Mapping[str, PredictedTask],
    needs: Mapping[str, tuple[str, ...]],
    scheduled: Mapping[str, ScheduledTask],
) -> dict[str, int]:
    """Return each task's wave: the schedule's, else its own, else one after the last of what it needs."""
    waves: dict[str, int] = {}
    for name in _in_order(needs):
        entry = scheduled.get(name)
        said = entry.wave if entry is not None and entry.wave is not None else tasks[name].wave
        after = 1 + max((waves[source] for source in needs[name]), default=0)
        waves[name] = after if said is None else said
    return waves


def _in_order(needs: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Return the names so that what is needed comes first, as they stand where nothing says otherwise."""
    waiting = {name: len(sources) for name, sources in needs.items()}
    followers: dict[str, list[str]] = {}
    for name, sources in needs.items():
        for source in sources:
            followers.setdefault(source, []).append(name)
    place = {name: number for number, name in enumerate(needs)}
    free = [place[name] for name, count in waiting.items() if not count]
    names = list(needs)
    order = []
    while free:
        name = names[heapq.heappop(free)]
        order.append(name)
        for follower in followers.get(name, ()):
            waiting[follower] -= 1
            if not waiting[follower]:
                heapq.heappush(free, place[follower])
    return order


# what can be wrong


def _refuse(label: str, problems: Iterator[str]) -> None:
    first = next(problems, None)
    if first is not None:
        raise _bad_input(label, chain((first,), problems))


def _bad_input(label: str, problems: Iterator[str]) -> BadInput:
    listed = [f"{label}{problem}" for problem in problems]
    return BadInput(listed[: planning.MAX_PROBLEMS], max(0, len(listed) - planning.MAX_PROBLEMS))


def _task_problems(predictions: Predictions) -> Iterator[str]:
    file = "/predicted_tasks.jsonl"
    if not predictions.tasks:
        yield f"{file}: expected at least one task, found none"
    known = {task.task_id for task in predictions.tasks.values()}
    first: dict[str, int] = {}
    for line, task in predictions.tasks.items():
        at = f"{file} line {line}"
        if task.task_id in first:
            yield (
                f"{at}: task_id: expected an id of its own, found {shown(task.task_id)},"
                f" which line {first[task.task_id]} has too"
            )
        first.setdefault(task.task_id, line)
        one, other = task.predicted_success_rate, task.success_probability
        if one is None and other is None:
            yield f"{at}: expected a predicted_success_rate, found none"
        elif one is not None and other is not None and one != other:
            yield f"{at}: success_probability: expected {one:g}, as predicted_success_rate, found {other:g}"
        problems = list(planning.call_problems(task.task_id, task.args, task.group))
        yield from (f"{at}: {problem}" for problem in problems)
        for source in () if problems else _needs(task):
            if source not in known:
                yield f"{at}: depends_on: expected the id of a task, found {shown(source)}"


def _schedule_problems(predictions: Predictions, crew: Crew) -> Iterator[str]:
    file = "/predicted_schedule.jsonl"
    known = {task.task_id for task in predictions.tasks.values()}
    first: dict[str, int] = {}
    for line, entry in predictions.schedule.items():
        at = f"{file} line {line}"
        if entry.task_id not in known:
            yield f"{at}: task_id: expected a task of predicted_tasks.jsonl, found {shown(entry.task_id)}"
        if entry.task_id in first:
            yield (
                f"{at}: task_id: expected each task once, found {shown(entry.task_id)} as on"
                f" line {first[entry.task_id]}"
            )
        first.setdefault(entry.task_id, line)
        if entry.agent_id is not None and entry.agent_id not in crew.agents:
            named = ", ".join(crew.agents[:8]) + (", ..." if len(crew.agents) > 8 else "")
            yield f"{at}: agent_id: expected one of {named}, found {shown(entry.agent_id)}"


def _cycle_problems(needs: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    circle = planning.find_cycle(dict(needs))
    if circle:
        listed = [shown(one) for one in circle[:10]] + ["..."] * (len(circle) > 10)
        yield f"/predicted_tasks.jsonl: depends_on: expected no cycle, found {' -> '.join(listed)}"


def _wave_problems(
    predictions: Predictions, needs: Mapping[str, tuple[str, ...]], waves: Mapping[str, int]
) -> Iterator[str]:
    for line, task in predictions.tasks.items():
        for source in needs[task.task_id]:
            if waves[source] > waves[task.task_id]:
                yield (
                    f"/predicted_tasks.jsonl line {line}: wave: expected at least {waves[source]}, that of"
                    f" {shown(source)}, which it depends on, found {waves[task.task_id]}"
                )
