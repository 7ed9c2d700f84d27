"""From what a file says to a plan: ids resolved, references checked, every problem found and named."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from buddy.core import references
from buddy.core.canonical import is_pointer
from buddy.errors import BadInput
from buddy.model.plan import Plan, PlanDocument, Step, StepDocument

MAX_PROBLEMS = 100
MAX_STRING = 1_000_000
_FORBIDDEN = frozenset("[]#")
_EMPTY = StepDocument()


def shown(value: object, limit: int = 60) -> str:
    """Return a value for an error sentence, cut short."""
    text = repr(value)
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


def plan_of(document: PlanDocument, place: str, default_id: str) -> Plan:
    """Resolve a plan document.

    Args:
        document: as read.
        place: where it comes from, `plans.jsonl line 3`, for the errors.
        default_id: the plan's name where it has none.

    Raises:
        BadInput: with every problem of the plan.
    """
    problems = list(_document_problems(document))
    declared = _declared(document)
    agents, more = _agents_by_call(document, declared)
    problems += more
    steps: list[Step] = []
    for call_id, name in declared:
        steps.append(_step(document, call_id, name, agents.get(call_id, "")))
    problems += _graph_problems(steps)
    if problems:
        raise BadInput([f"{place}: {problem}" for problem in problems])
    return Plan(
        plan_id=document.plan_id or document.phase21_plan_id or default_id,
        steps=tuple(steps),
        chain=document.order == "strict" and not any(step.depends_on for step in steps),
        agents=document.agents,
        on_failure=document.on_failure,
        validation_results=document.validation_results,
        meta=document.meta,
    )


def _step(document: PlanDocument, call_id: str, name: str, agent: str) -> Step:
    entry = document.steps.get(name, _EMPTY)
    sources = references.sources(entry.args) if entry.args else ()
    if entry.for_each is not None:
        sources = (entry.for_each.source, *sources)
    score = document.confidence_scores.get(name, entry.confidence)
    return Step(
        step_id=call_id,
        tool=entry.tool or name,
        agent=agent,
        args=entry.args,
        confidence=score,
        depends_on=tuple(dict.fromkeys((*entry.depends_on, *sources))) if sources or entry.depends_on else (),
        claims=entry.claims,
        group=entry.group,
        repeat=entry.repeat,
        estimated_duration_s=entry.estimated_duration_s,
        for_each=entry.for_each,
        max_items=entry.max_items,
    )


def _declared(document: PlanDocument) -> list[tuple[str, str]]:
    """Return (call id, name) of every call in order; the k-th call of a bare name is `name#k`."""
    order = list(document.execution_order) if document.execution_order is not None else list(document.steps)
    in_order = Counter(order)
    assigned = Counter(name for names in document.agent_assignments.values() for name in names)
    seen: Counter[str] = Counter()
    calls: list[tuple[str, str]] = []
    for name in order:
        seen[name] += 1
        calls.append((_call_id(name, seen[name]), name))
        if seen[name] == in_order[name] and name not in document.steps:
            for extra in range(seen[name] + 1, assigned[name] + 1):
                calls.append((_call_id(name, extra), name))
    return calls


def _call_id(name: str, occurrence: int) -> str:
    return name if occurrence == 1 else f"{name}#{occurrence}"


def _agents_by_call(document: PlanDocument, calls: list[tuple[str, str]]) -> tuple[dict[str, str], list[str]]:
    assigned: dict[str, list[str]] = {}
    for agent, names in document.agent_assignments.items():
        for name in names:
            assigned.setdefault(name, []).append(agent)
    agents: dict[str, str] = {}
    problems: list[str] = []
    occurrence: Counter[str] = Counter()
    for call_id, name in calls:
        entry = document.steps.get(name)
        candidates = assigned.get(name, [])
        if entry is not None and entry.agent is not None:
            if candidates and candidates != [entry.agent]:
                problems.append(
                    f"steps.{name}.agent: expected the agent of agent_assignments, {shown(candidates[0])},"
                    f" found {shown(entry.agent)}"
                )
            agents[call_id] = entry.agent
        elif candidates:
            agents[call_id] = candidates[min(occurrence[name], len(candidates) - 1)]
        else:
            problems.append(f"step {shown(name)}: expected an agent in agent_assignments, found none")
        occurrence[name] += 1
    return agents, problems


def _document_problems(document: PlanDocument) -> Iterator[str]:
    one, other = document.plan_id, document.phase21_plan_id
    if one and other and one != other:
        yield f"phase21_plan_id: expected the plan_id {shown(one)}, found {shown(other)}"
    yield from _id_problems(document)
    yield from _order_problems(document)
    for name, entry in document.steps.items():
        yield from _entry_problems(name, entry, document.confidence_scores.get(name))


def _order_problems(document: PlanDocument) -> Iterator[str]:
    order = document.execution_order
    known = set(order) if order is not None else set(document.steps)
    if order is not None:
        for name, count in Counter(order).items():
            if count > 1 and name in document.steps:
                yield f"execution_order: step {shown(name)} is listed {count} times, expected once"
        for name in document.steps:
            if name not in known:
                yield f"steps.{name}: expected its id in execution_order, which does not list it"
    for agent, names in document.agent_assignments.items():
        for name in names:
            if name not in known:
                yield f"agent_assignments.{agent}: expected ids of steps, found unknown {shown(name)}"
    for name, count in Counter(n for names in document.agent_assignments.values() for n in names).items():
        if count > 1 and name in document.steps:
            yield f"agent_assignments: step {shown(name)} is assigned {count} times, expected once"
    for table, entries in (
        ("confidence_scores", document.confidence_scores),
        ("validation_results", document.validation_results),
    ):
        for name in entries:
            if name not in known:
                yield f"{table}: expected ids of steps, found unknown {shown(name)}"


def _id_problems(document: PlanDocument) -> Iterator[str]:
    ids = {document.plan_id or "p", document.phase21_plan_id or "p", *document.agent_assignments, *document.agents}
    ids.update(document.steps)
    ids.update(document.execution_order or ())
    for name in ids:
        if _FORBIDDEN.intersection(name) or not name.isprintable():
            yield f"id {shown(name)}: expected no '[', ']', '#' or control characters in an id"


def _entry_problems(name: str, entry: StepDocument, score: float | None) -> Iterator[str]:
    if score is not None and entry.confidence is not None and score != entry.confidence:
        found = f"found {entry.confidence:g}"
        yield f"steps.{name}.confidence: expected the value of confidence_scores, {score:g}, {found}"
    for place, reference in references.find(entry.args) if entry.args else ():
        where = f"steps.{name}.args{place.replace('/', '.')}"
        if "$item" in reference and entry.for_each is None:
            yield f"{where}: expected 'for_each' on a step that uses $item, found none"
        for key in reference:
            value = reference[key]
            if not isinstance(value, str):
                yield f"{where}.{key}: expected a string, found {shown(value)}"
            elif key != "$from" and not is_pointer(value):
                yield f"{where}.{key}: expected a JSON Pointer such as '/contacts/0/email', found {shown(value)}"
    if entry.for_each is not None and not is_pointer(entry.for_each.path):
        yield f"steps.{name}.for_each.path: expected a JSON Pointer, found {shown(entry.for_each.path)}"
    for place, text in _long_strings(entry.args, ""):
        yield f"steps.{name}.args{place}: expected at most {MAX_STRING:,} characters, found {len(text):,}"


def _long_strings(value: Any, place: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        if len(value) > MAX_STRING:
            yield place, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _long_strings(item, f"{place}.{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _long_strings(item, f"{place}[{index}]")


def _graph_problems(steps: list[Step]) -> Iterator[str]:
    known = {step.step_id for step in steps}
    broken = False
    for step in steps:
        for source in step.depends_on:
            if source not in known:
                broken = True
                yield (
                    f"step {shown(step.step_id)}: expected to depend on or take data from known steps,"
                    f" found {shown(source)}, which does not exist"
                )
    if not broken:
        cycle = find_cycle({step.step_id: step.depends_on for step in steps if step.depends_on})
        if cycle:
            yield f"steps: expected no cycle of dependencies, found {' -> '.join(cycle)}"


def find_cycle(edges: dict[str, tuple[str, ...]]) -> list[str]:
    """Return one cycle of a graph (first node repeated at the end), or an empty list.

    Args:
        edges: node -> nodes that it points to.
    """
    done: set[str] = set()
    for root in edges:
        if root in done:
            continue
        on_path: dict[str, None] = {}
        stack: list[tuple[str, Iterator[str]]] = [(root, iter(edges[root]))]
        on_path[root] = None
        while stack:
            node, targets = stack[-1]
            target = next(targets, None)
            if target is None:
                stack.pop()
                on_path.pop(node)
                done.add(node)
            elif target in on_path:
                path = list(on_path)
                return [*path[path.index(target) :], target]
            elif target not in done:
                on_path[target] = None
                stack.append((target, iter(edges.get(target, ()))))
    return []

