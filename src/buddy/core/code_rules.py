"""What code in the sandbox may name: modules, builtins, attributes, format fields, and how each is refused.

Only the standard library is imported here: these tables are read inside the sandbox too.
"""

import keyword
import re
from string import Formatter

NETWORK = "NETWORK_ACCESS_ATTEMPT"
PROCESS = "SUBPROCESS_ATTEMPT"
FILES = "FILESYSTEM_ATTEMPT"
IMPORT = "IMPORT_ALLOWLIST_VIOLATION"
BUILTIN = "BUILTIN_VIOLATION"
RESOURCE = "RESOURCE_LIMIT"


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


SAFE_BUILTINS = _words(
    "abs all any ascii bin bool bytearray bytes callable chr classmethod complex dict divmod enumerate "
    "filter float format frozenset hasattr hash hex id int isinstance issubclass iter len list map max min "
    "next object oct ord pow print property range repr reversed round set slice sorted staticmethod str sum "
    "super tuple type zip"
)
"""The builtin functions and types that code sees, besides the exceptions and constants."""

BLOCKED_BUILTINS = {
    "__import__": "use an import statement",
    "__build_class__": "use a class statement",
    "__builtins__": "builtins cannot be reached or changed",
    "__loader__": "the import machinery cannot be reached",
    "__spec__": "the import machinery cannot be reached",
    "aiter": "write a loop",
    "anext": "write a loop",
    "breakpoint": "print what you want to see",
    "compile": "write the code out",
    "delattr": "write `del x.name`",
    "dir": "name what you need",
    "eval": "write the expression out, or read data with json.loads",
    "exec": "write the code out",
    "getattr": "write `x.name`",
    "globals": "name the variable itself",
    "help": "there is nobody to read it",
    "input": "there is no keyboard, pass data in as inputs",
    "locals": "name the variable itself",
    "memoryview": "use bytes or bytearray",
    "open": "there are no files here, pass data in as inputs",
    "setattr": "write `x.name = value`",
    "vars": "name the attribute itself",
}
"""The builtins that code does not see, with what to do instead."""

_NETWORK_MODULES = _words(
    "socket _socket socketserver ssl _ssl http urllib urllib3 requests httpx aiohttp ftplib smtplib smtpd "
    "poplib imaplib nntplib telnetlib xmlrpc asyncio _asyncio asyncore asynchat select selectors websocket "
    "websockets paramiko grpc wsgiref webbrowser pycurl tornado trio anyio boto3"
)
_PROCESS_MODULES = _words(
    "subprocess _posixsubprocess pty multiprocessing _multiprocessing concurrent threading _thread "
    "_threading_local signal _signal pexpect joblib"
)
_FILE_MODULES = _words(
    "os posix nt pathlib shutil glob fnmatch tempfile io _io _pyio fileinput fcntl mmap stat _stat sqlite3 "
    "dbm shelve zipfile tarfile gzip bz2 lzma linecache filecmp posixpath ntpath genericpath mailbox netrc "
    "zipimport"
)

PROCESS_NAMES = _words(
    "system popen fork vfork forkpty fork_exec posix_spawn posix_spawnp startfile Popen check_output "
    "check_call getoutput getstatusoutput execl execle execlp execlpe execv execve execvp execvpe spawnl "
    "spawnle spawnlp spawnlpe spawnv spawnve spawnvp spawnvpe"
)
"""Functions that start programs, whatever module they are taken from."""

SUBMODULES = {"collections": ("abc",)}
"""Submodules that are allowed with their module."""

HIDDEN = {
    "collections": frozenset({"UserString"}),
    "dataclasses": frozenset({"make_dataclass"}),
    "enum": frozenset({"global_enum", "global_enum_repr", "global_flag_repr", "global_str"}),
    "functools": frozenset({"singledispatch", "singledispatchmethod"}),
    "time": frozenset({"clock_settime", "clock_settime_ns", "pthread_getcpuclockid", "tzset"}),
    "typing": frozenset({"ForwardRef", "get_type_hints", "evaluate_forward_ref"}),
}
"""Public names of modules that evaluate text as code, read what a text names, write into modules, or set the
machine's clock."""

MATCHED_WHOLE = _words("bool bytearray bytes dict float frozenset int list set str tuple")
"""Builtin types whose pattern takes the value itself by position; other classes name attributes to read."""

UNLISTED = {"hashlib": ("scrypt",)}
"""Names that modules document and leave out of `__all__`."""

INTERPRETER = _words(
    "f_back f_builtins f_code f_globals f_lasti f_locals f_trace gi_code gi_frame gi_yieldfrom cr_await "
    "cr_code cr_frame cr_origin ag_await ag_code ag_frame tb_frame tb_lasti tb_next func_code func_globals "
    "co_code co_consts co_names mro"
)
"""Attributes without an underscore that lead from values into the interpreter."""

_OPERATIONS = _words(
    "add sub mul matmul truediv floordiv mod divmod pow lshift rshift and xor or"
)  # also with r and i
OPEN_UNDERSCORES = frozenset(
    {f"__{way}{name}__" for name in _OPERATIONS for way in ("", "r", "i")}
    | {
        f"__{name}__"
        for name in _words(
            "init new post_init init_subclass repr str bytes format bool hash eq ne lt le gt ge len "
            "length_hint iter next reversed contains getitem setitem delitem missing call enter exit int "
            "float complex index round trunc floor ceil abs neg pos invert copy deepcopy name qualname doc "
            "class members cause context notes"
        )
    }
    | {"_asdict", "_replace", "_make", "_fields", "_field_defaults", "_value_", "_name_"}
)
"""Attributes with an underscore that may be read: operators, names, and what namedtuple and Enum publish."""

SETTABLE_UNDERSCORES = frozenset({"__name__", "__qualname__", "__doc__", "_value_", "_name_"})
"""Attributes with an underscore that may be set on anything."""

REACHING_NAMES = frozenset(
    f"__{name}__"
    for name in _words(
        "annotations base bases builtins closure code dict func getattribute globals import loader module "
        "mro reduce reduce_ex self spec subclasses traceback wrapped"
    )
)
"""Names and texts with which code reaches around what it is shown."""

_FIELD_ATTRIBUTE = re.compile(r"\.([^.\[]+)")


def module_violation(name: str) -> str:
    """The type of violation that importing a module is a case of.

    Args:
        name: of the module, dotted or not.
    """
    root = name.partition(".")[0]
    if root in _NETWORK_MODULES:
        return NETWORK
    if root in _PROCESS_MODULES:
        return PROCESS
    return FILES if root in _FILE_MODULES else IMPORT


def importable(name: str, imports: frozenset[str]) -> bool:
    """Whether code may import a module.

    Args:
        name: of the module, dotted or not.
        imports: names that the policy allows.
    """
    if name in imports or name == "__future__":
        return True
    root, _, rest = name.partition(".")
    return rest in SUBMODULES.get(root, ()) and root in imports


def import_refusal(name: str, imports: frozenset[str]) -> str:
    """The sentence that refuses an import.

    Args:
        name: of the module.
        imports: names that the policy allows.
    """
    advice = {
        NETWORK: "there is no network here, pass data in as inputs",
        PROCESS: "no program, process or thread can be started here",
        FILES: "there are no files here, pass data in as inputs",
    }.get(module_violation(name), "this policy allows " + (", ".join(sorted(imports)) or "no module"))
    return f"`{name}` cannot be imported: {advice}"


def may_be_given(name: str) -> bool:
    """Return whether code may find a value under a name: one of a variable, and none of the interpreter's.

    Args:
        name: of an input.
    """
    return name.isidentifier() and not keyword.iskeyword(name) and not name.startswith("__")


def builtin_violation(name: str) -> str:
    """The type of violation that using a blocked builtin is a case of.

    Args:
        name: of the builtin.
    """
    return FILES if name == "open" else BUILTIN


def closed_part(path: str) -> str | None:
    """The first part of a dotted name that is kept from code, None where there is none.

    Args:
        path: as `operator.attrgetter` takes it.
    """
    return next((part for part in path.split(".") if part.startswith("_") or part in INTERPRETER), None)


def closed_field(template: str) -> str | None:
    """The first attribute that the fields of a format template read and may not, None where there is none.

    Args:
        template: as `str.format` takes it; one that does not parse has no fields.
    """
    pending = [template]
    while pending:
        try:
            fields = list(Formatter().parse(pending.pop()))
        except ValueError:
            continue
        for _, name, spec, _ in fields:
            if part := closed_attribute(name or ""):
                return part
            if spec and "{" in spec:
                pending.append(spec)
    return None


def closed_attribute(field: str) -> str | None:
    """The first attribute that one field of a format template reads and may not, None where there is none.

    Args:
        field: what stands before `!` and `:`, as `string.Formatter.get_field` takes it.
    """
    parts = _FIELD_ATTRIBUTE.findall(field)
    return next((part for part in parts if part.startswith("_") or part in INTERPRETER), None)
