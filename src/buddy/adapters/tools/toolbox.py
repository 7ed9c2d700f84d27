"""The tools of one world, by name."""

from collections.abc import Iterable

from buddy.adapters.tools.contracted import ContractTool


class Toolbox:
    """Tools by name.

    Args:
        tools: names unique.
    """

    def __init__(self, tools: Iterable[ContractTool] = ()) -> None:
        self._tools = {tool.name: tool for tool in tools}

    def get(self, name: str) -> ContractTool | None:
        """Return the tool, None where no catalogue names it."""
        return self._tools.get(name)

    def names(self) -> Iterable[str]:
        """Every tool's name, in the order of the catalogue."""
        return self._tools.keys()

    def __len__(self) -> int:
        return len(self._tools)
