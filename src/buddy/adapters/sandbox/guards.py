"""What stands for the public names that reach any attribute by its name, and for `sys`."""

import dataclasses
import functools
import operator
import string
import sys
from abc import ABCMeta
from collections.abc import Callable
from types import BuiltinFunctionType, FunctionType, MethodDescriptorType, SimpleNamespace
from typing import Any, NoReturn, Protocol

from buddy.core.code_rules import closed_attribute, closed_field, closed_part

_METACLASSES = (type, ABCMeta, type(Protocol))

MOST_FRAMES = 5_000
"""Highest recursion limit that code may set; the stack of the process holds it."""

Refuse = Callable[[str], NoReturn]
"""Notes a sentence that says what was refused, and raises it as an AttributeError."""


def guarded(refuse: Refuse) -> dict[str, dict[str, Any]]:
    """Module, then public name, to what stands for it.

    Args:
        refuse: is called where code reaches for what it may not.
    """
    attrgetter, methodcaller = _by_name(refuse)
    return {
        "dataclasses": {"dataclass": dataclass},
        "functools": {"update_wrapper": update_wrapper, "wraps": wraps},
        "operator": {"attrgetter": attrgetter, "methodcaller": methodcaller},
        "string": {"Formatter": _formatter(refuse)},
    }


def _by_name(refuse: Refuse) -> tuple[Callable[..., Any], Callable[..., Any]]:
    def public(path: Any) -> str:
        """A dotted name as exactly the text that was judged."""
        if not issubclass(type(path), str):
            raise TypeError("attribute name must be a string")
        exact = str.__str__(path)
        part = closed_part(exact) or next(
            (p for p in ("format", "format_map") if p in exact.split(".")), None
        )
        if part is not None:
            refuse(f"`{part}` cannot be reached by its name here: write it out")
        return exact

    # Both give closures, because the type of what the real ones give would make more of them.
    def attrgetter(*paths: str) -> Callable[[Any], Any]:
        get = operator.attrgetter(*map(public, paths))
        return lambda value: get(value)

    def methodcaller(name: str, /, *args: Any, **kwargs: Any) -> Callable[[Any], Any]:
        call = operator.methodcaller(public(name), *args, **kwargs)
        return lambda value: call(value)

    return attrgetter, methodcaller


def update_wrapper(wrapper: Any, wrapped: Any) -> Any:
    """As `functools.update_wrapper` without a choice of attributes, which would read and set any.

    Args:
        wrapper: gets the names and the documentation.
        wrapped: has them.
    """
    own = ("__dict__",) if type(wrapper) is FunctionType else ()
    return functools.update_wrapper(wrapper, wrapped, updated=own)


def wraps(wrapped: Any) -> Callable[[Any], Any]:
    """As `functools.wraps` without a choice of attributes.

    Args:
        wrapped: has the names and the documentation.
    """
    return lambda wrapper: update_wrapper(wrapper, wrapped)


def dataclass(cls: Any = None, /, **options: Any) -> Any:
    """As `dataclasses.dataclass`, for classes of the code.

    The methods that it writes see what their class' module sees, so that must be the code; and it writes them
    of the fields' names, so those must be names.

    Args:
        cls: the class, None where the decorator has options.
        options: of the decorator.

    Raises:
        TypeError: the class says that it is another module's, has a metaclass of the code, or its fields have
            no names.
    """

    def decorate(decorated: Any) -> Any:
        if type(decorated) not in _METACLASSES:
            raise TypeError("a dataclass has no metaclass of its own")
        if type(decorated.__module__) is not str or decorated.__module__ != "__main__":
            raise TypeError("a dataclass belongs to the module that it is written in")
        for part in decorated.__mro__:
            if not _has_named_fields(part.__dict__):
                raise TypeError("the fields of a dataclass are names with annotations")
        return dataclasses.dataclass(**options)(decorated)

    return decorate if cls is None else decorate(cls)


def _has_named_fields(own: Any) -> bool:
    """Whether what a class says of its fields is what a class statement and `dataclass` would have said."""
    annotations, fields = own.get("__annotations__", {}), own.get("__dataclass_fields__", {})
    return (
        type(annotations) is type(fields) is dict
        and all(type(name) is str and name.isidentifier() for name in (*annotations, *fields))
        and all(type(one) is dataclasses.Field and one.name is name for name, one in fields.items())
    )


def _formatter(refuse: Refuse) -> type:
    class Formatter:
        """As `string.Formatter`; its methods are borrowed, not inherited, so that `super()` leads nowhere."""

        format = string.Formatter.format
        vformat = string.Formatter.vformat
        _vformat = string.Formatter._vformat
        parse = string.Formatter.parse
        get_value = string.Formatter.get_value
        check_unused_args = string.Formatter.check_unused_args
        format_field = string.Formatter.format_field
        convert_field = string.Formatter.convert_field

        def get_field(self, field_name: str, args: Any, kwargs: Any) -> Any:
            exact = str.__str__(field_name)
            part = closed_attribute(exact)
            if part is not None:
                refuse(_unread(part))
            return string.Formatter.get_field(self, exact, args, kwargs)  # type: ignore[arg-type]

    return Formatter


def formats(refuse: Refuse) -> type:
    """What code reads `x.format` and `x.format_map` from, given x: what x has, but guarded where x is text.

    Args:
        refuse: is called where a template reads what it may not.
    """

    class Formats:
        __slots__ = ("_value",)

        def __init__(self, value: Any) -> None:
            self._value = value

        @property
        def format(self) -> Any:
            return _guarded_format(self._value.format, refuse)

        @property
        def format_map(self) -> Any:
            return _guarded_format(self._value.format_map, refuse)

    return Formats


def _guarded_format(method: Any, refuse: Refuse) -> Any:
    bound = type(method) is BuiltinFunctionType and issubclass(type(method.__self__), str)
    if not bound and not (type(method) is MethodDescriptorType and method.__objclass__ is str):
        return method

    def formatted(*args: Any, **kwargs: Any) -> Any:
        text: Any = method.__self__ if bound else next(iter(args), None)
        if issubclass(type(text), str) and str.__contains__(text, "."):  # no dot, no attribute
            part = closed_field(str.__str__(text))
            if part is not None:
                refuse(_unread(part))
        return method(*args, **kwargs)

    return formatted


def _unread(part: str) -> str:
    return f"a format field may not read `{part}`: format the value itself"


class _Output:
    """Standard output as code sees it: what can be written, and nothing of what is behind it."""

    __slots__ = ()
    encoding = "utf-8"

    def write(self, text: str) -> int:
        return sys.stdout.write(text)

    def writelines(self, lines: Any) -> None:
        for each in lines:
            sys.stdout.write(each)

    def flush(self) -> None:
        sys.stdout.flush()

    def isatty(self) -> bool:
        return False


class _Input:
    """Standard input as code sees it: at its end."""

    __slots__ = ()
    encoding = "utf-8"

    def read(self, size: int = -1) -> str:
        return ""

    def readline(self, size: int = -1) -> str:
        return ""

    def readlines(self, hint: int = -1) -> list[str]:
        return []

    def __iter__(self) -> Any:
        return iter(())

    def isatty(self) -> bool:
        return False


def _exit(status: Any = None, /) -> NoReturn:
    raise SystemExit(status)


def _setrecursionlimit(limit: int, /) -> None:
    sys.setrecursionlimit(min(operator.index(limit), MOST_FRAMES))


_SYSTEM = (
    "byteorder float_info getrecursionlimit getsizeof hash_info int_info intern maxsize maxunicode platform "
    "version version_info"
)


def system() -> SimpleNamespace:
    """What `sys` is to code."""
    output = _Output()
    shown = {name: getattr(sys, name) for name in _SYSTEM.split()}
    shown |= {"stdin": _Input(), "stdout": output, "stderr": output, "argv": []}
    return SimpleNamespace(**shown, exit=_exit, setrecursionlimit=_setrecursionlimit)
