"""A tool that is known by its contract alone: it can be rehearsed in MOCK and nowhere else."""

from typing import Any, NoReturn

import msgspec
from msgspec import Struct

from buddy.core import references, schemas, simulation
from buddy.core.canonical import canonical
from buddy.errors import IllegalMove
from buddy.model.contract import ToolContract
from buddy.model.outcome import Call, Preview, Restored
from buddy.ports import CallContext

_SECRET = {"type": "object", "properties": {"$secret": {"type": "string"}}, "required": ["$secret"]}


class NotJson(Struct, frozen=True):
    """Stands for a result that JSON has no form for; `check_result` says so.

    Attributes:
        not_json: why, in words.
    """

    not_json: str


class ContractTool:
    """One tool without handlers.

    Args:
        contract: what it promises.
        seed: of results made up from its output schema.

    Attributes:
        contract: what it promises.
        sync: a live call or its undo runs in a thread.
    """

    def __init__(self, contract: ToolContract, seed: int = 0) -> None:
        self.contract = contract
        self.sync = False
        self._seed = seed
        self._check_args: schemas.Checker | None = None
        self._check_output: schemas.Checker | None = None

    @property
    def name(self) -> str:
        """The tool's name."""
        return self.contract.name

    @property
    def handlers(self) -> frozenset[str]:
        """Which of `live`, `preview`, `mock`, `undo`, `probe` it has."""
        return frozenset()

    def check(self, args: dict[str, Any]) -> str:
        """One sentence on what is wrong with the arguments, or an empty string.

        Secret arguments are looked at as the plan has them: `{"$secret": ...}`, and never as a value.
        What a rehearsal cannot know yet (`references.UNKNOWN`) fits everywhere.
        """
        contract = self.contract
        for name in contract.secret_args:
            if name in args and not _is_secret(args[name]):
                return f'/{name}: expected a secret as {{"$secret": "env:NAME"}}, found something else'
        if self._check_args is None:
            self._check_args = schemas.checker(_with_secrets(contract))
        problem = self._check_args(args)
        return self._check_known(args) if problem and references.has_unknown(args) else problem

    def check_result(self, result: Any) -> str:
        """One sentence on what is wrong with a result, or an empty string."""
        if type(result) is NotJson:
            return f"expected a result that JSON has a form for, found {result.not_json}"
        if self._check_output is None:
            self._check_output = schemas.checker(self.contract.output)
        return self._check_output(result)

    def acts(self, key: str) -> bool:
        """Whether a handler still runs in a thread for the call with this idempotency key: there is none."""
        return False

    async def live(self, args: dict[str, Any], ctx: CallContext) -> Any:
        """Never acts: there is nothing that could.

        Raises:
            IllegalMove: always.
        """
        self._refuse("live")

    async def preview(self, args: dict[str, Any], ctx: CallContext) -> Preview:
        """Say that nothing can be found out."""
        return Preview(available=False, notes=[f"preview unavailable: {self.name} has no handler for it"])

    async def mock(self, args: dict[str, Any], ctx: CallContext) -> Any:
        """Give the contract's example, or a value made from its output schema by seed, step and arguments."""
        contract = self.contract
        if contract.example is not msgspec.UNSET:
            return contract.example
        if contract.output is None:
            return None
        known = {name: value for name, value in args.items() if not references.has_unknown(value)}
        key = (contract.name, ctx.step_id, canonical(known).decode())
        return simulation.value_from_schema(contract.output, self._seed, *key)

    async def undo(self, call: Call, result: Any) -> Restored:
        """Never acts: there is nothing that could.

        Raises:
            IllegalMove: always.
        """
        self._refuse("undo")

    async def probe(self, call: Call) -> bool | None:
        """Answer that nobody can tell."""
        return None

    def _check_known(self, args: dict[str, Any]) -> str:
        schema = _with_secrets(self.contract) or {}
        if schema.keys() & {"$ref", "allOf", "anyOf", "oneOf", "not", "if"}:
            return ""  # what these ask of the known arguments may hang on the unknown ones
        properties = dict(schema.get("properties", {}))
        unknown = [name for name, value in args.items() if references.has_unknown(value)]
        properties |= {name: True for name in unknown if name in properties}
        return schemas.checker(schema | {"properties": properties})(args | dict.fromkeys(unknown))

    def _refuse(self, what: str) -> NoReturn:
        raise IllegalMove(f"{self.name} has no {what} handler; the gate must not let it come this far")


def _is_secret(value: Any) -> bool:
    return type(value) is dict and len(value) == 1 and isinstance(value.get("$secret"), str)


def _with_secrets(contract: ToolContract) -> dict[str, Any] | None:
    """Give the input schema with references in place of the secrets."""
    schema = contract.input
    if schema is None or not contract.secret_args:
        return schema
    return schema | {
        "properties": schema.get("properties", {}) | dict.fromkeys(contract.secret_args, _SECRET)
    }
