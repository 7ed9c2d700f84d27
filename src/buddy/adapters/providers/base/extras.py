"""Parts that need packages which the default install has not."""

from importlib import import_module
from types import ModuleType

from buddy.adapters.providers.base.errors import ExtraMissing


def part(name: str, who: str, extra: str) -> ModuleType:
    """Import a part of a provider.

    Args:
        name: of the module.
        who: needs it, for the error.
        extra: of this package, which brings what the module imports.

    Raises:
        ExtraMissing: a package that it imports is not installed.
    """
    try:
        return import_module(name)
    except ModuleNotFoundError as problem:
        if (problem.name or "").startswith("buddy"):
            raise
        raise ExtraMissing(
            f"{who} needs the package {problem.name}; install it with `pip install 'buddy-control[{extra}]'`"
        ) from problem
