"""What code sees: a published list of builtins, and modules by their public names only.

It is here so that honest code finds nothing that it must not use, and gets a sentence where it tries; whoever
means harm is held by the kernel. Built once before processes are forked: a run costs a copy of one dict.
"""

import builtins
import sys
from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from types import FrameType, ModuleType
from typing import Any, NoReturn

from buddy.adapters.sandbox.guards import disarm, formats, guarded, system
from buddy.adapters.sandbox.outcome import CODE
from buddy.core.code_rules import (
    BLOCKED_BUILTINS,
    BUILTIN,
    HIDDEN,
    IMPORT,
    PROCESS,
    PROCESS_NAMES,
    SAFE_BUILTINS,
    SUBMODULES,
    UNLISTED,
    builtin_violation,
    import_refusal,
    importable,
    module_violation,
)

FORMATS = " formats"
"""Under this name, which no code can write, the guard of format calls is among the builtins."""

Tell = Callable[[str, str, int | None], None]
"""Takes what was refused: a violation type, a sentence, and the line of the code."""

_OWN_MATTERS = frozenset({"__all__", "__file__", "__path__", "__cached__"})  # the interpreter asks for these
_CONSTANTS = ("None", "True", "False", "Ellipsis", "NotImplemented", "__debug__")


@lru_cache(maxsize=8)
def facades(imports: frozenset[str]) -> "Facades":
    """What code sees that may import these modules.

    Args:
        imports: names of modules; those that are not installed are left out.
    """
    return Facades(imports)


class Facades:
    """Builtins and modules as code sees them."""

    def __init__(self, imports: frozenset[str]) -> None:
        """Imports the modules.

        Args:
            imports: names of modules; those that are not installed are left out.
        """
        self.imports = imports
        self._tell: Tell = _unheard
        self._guarded = guarded(self._refuse)
        self._modules: dict[str, ModuleType] = {}
        for name in ("__future__", *sorted(imports)):
            self._show(name)
            for part in SUBMODULES.get(name, ()):
                self._show(f"{name}.{part}")
        self._builtins = self._shown_builtins()

    def begin(self, tell: Tell) -> dict[str, Any]:
        """The builtins for one run.

        Args:
            tell: is told of what is refused.
        """
        self._tell = tell
        return dict(self._builtins)

    def disarm(self) -> None:
        """Takes from the library what no facade can hide; for processes that are there for code alone."""
        disarm(self._refuse)

    def _shown_builtins(self) -> dict[str, Any]:
        real = vars(builtins)
        shown = {name: real[name] for name in (*_CONSTANTS, *SAFE_BUILTINS)}
        shown |= {name: value for name, value in real.items() if _is_exception(value)}
        shown |= {name: self._refused(name) for name in BLOCKED_BUILTINS if callable(real.get(name))}
        return {
            **shown,
            "__name__": "builtins",
            "__build_class__": real["__build_class__"],
            "__import__": self._import,
            FORMATS: formats(self._refuse),
        }

    def _refused(self, name: str) -> Callable[..., NoReturn]:
        told = f"`{name}` is not available: {BLOCKED_BUILTINS[name]}"

        def refused(*_: Any, **__: Any) -> NoReturn:
            self._tell(builtin_violation(name), told, line())
            raise NameError(told, name=name)

        return refused

    def _refuse(self, told: str) -> NoReturn:
        """For an attribute that was to be reached by its name."""
        self._tell(BUILTIN, told, line())
        raise AttributeError(told)

    def _show(self, name: str) -> None:
        """Makes the facade of a module, and an empty one of the package around it where there is none."""
        try:
            real: Any = system() if name == "sys" else import_module(name)
        except ImportError:
            return
        shown = self._modules.setdefault(name, ModuleType(name))
        root, _, part = name.rpartition(".")
        if root:
            around = self._modules.setdefault(root, ModuleType(root))
            vars(around)[part] = shown
            around.__dict__.setdefault("__getattr__", self._hidden(root))
        names = public_names(name, real)
        stands = self._guarded.get(name, {})
        vars(shown).update({each: stands.get(each, getattr(real, each)) for each in names})
        vars(shown).update({"__all__": names, "__getattr__": self._hidden(name)})

    def _hidden(self, module: str) -> Callable[[str], NoReturn]:
        real = sys.modules[module]

        def hidden(name: str) -> NoReturn:
            """Told of names that the facade lacks; those that the module lacks too are plain mistakes."""
            plain = AttributeError(f"module '{module}' has no attribute '{name}'", name=name)
            value = getattr(real, name, plain)
            kept = name.startswith("_") or isinstance(value, ModuleType) or name in HIDDEN.get(module, ())
            in_part = module == "sys" or module not in self.imports
            if value is plain or name in _OWN_MATTERS or not (kept or in_part):
                raise plain
            told = f"`{module}.{name}` is not available: use what {module} publishes"
            self._tell(_hidden_violation(name, value), told, line())
            # An AttributeError would send `from module import name` on to the real submodule.
            raise ImportError(told, name=module) if f"{module}.{name}" in sys.modules else plain

        return hidden

    def _import(
        self, name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0
    ) -> Any:
        """Stands for `__import__`; `globals` and `locals` are the protocol's and say nothing here."""
        if type(fromlist) is list and name in sys.modules:
            return None  # the interpreter itself asks so, for what it needs, and looks for it elsewhere
        name = str.__str__(name)
        if level:
            told = "there is no package around the code: import modules by their names"
            self._tell(IMPORT, told, line())
            raise ImportError(told)
        if not importable(name, self.imports):
            told = import_refusal(name, self.imports)
            self._tell(module_violation(name), told, line())
            raise ImportError(told, name=name)
        found = self._modules.get(name if fromlist else name.partition(".")[0])
        if found is None or name not in self._modules:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return found


def public_names(name: str, real: Any) -> list[str]:
    """The names that the facade of a module shows.

    Args:
        name: of the module.
        real: the module.
    """
    published = getattr(real, "__all__", None) or [each for each in dir(real) if not each.startswith("_")]
    also = [each for each in UNLISTED.get(name, ()) if hasattr(real, each)]
    hidden = HIDDEN.get(name, frozenset())
    return [
        each
        for each in [*published, *also]
        if each not in hidden and not isinstance(getattr(real, each, real), ModuleType)
    ]


def line() -> int | None:
    """The line of the code that is being run, None where none is."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename != CODE:
        frame = frame.f_back
    return frame.f_lineno if frame is not None else None


def _hidden_violation(name: str, value: Any) -> str:
    if isinstance(value, ModuleType):
        return module_violation(value.__name__)
    if name in PROCESS_NAMES:
        return PROCESS
    return IMPORT if name == "modules" else BUILTIN


def _is_exception(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, BaseException)


def _unheard(kind: str, details: str, line: int | None) -> None:
    """Where nothing runs, nothing is refused."""
