"""All attacks, and the techniques that they have to cover."""

from sandbox.attack import Attack
from sandbox.attacks.files import FILES
from sandbox.attacks.forgery import FORGERY
from sandbox.attacks.frames import FRAMES
from sandbox.attacks.imports import IMPORTS
from sandbox.attacks.kernel import KERNEL
from sandbox.attacks.layers import LAYERS
from sandbox.attacks.limits import LIMITS
from sandbox.attacks.names import NAMES
from sandbox.attacks.network import NETWORK
from sandbox.attacks.processes import PROCESSES
from sandbox.attacks.scratch import SCRATCH
from sandbox.attacks.signals import SIGNALS
from sandbox.attacks.strings import STRINGS
from sandbox.attacks.syntax import SYNTAX
from sandbox.attacks.walks import WALKS

ATTACKS: tuple[Attack, ...] = (
    *WALKS,
    *FRAMES,
    *STRINGS,
    *IMPORTS,
    *SYNTAX,
    *PROCESSES,
    *SIGNALS,
    *KERNEL,
    *NETWORK,
    *FILES,
    *NAMES,
    *SCRATCH,
    *LIMITS,
    *LAYERS,
    *FORGERY,
)

TECHNIQUES = {
    "subclasses walk",
    "__globals__",
    "f_back",
    "gi_frame",
    "tb_frame",
    "AttributeError.obj",
    "format gadget",
    "attrgetter",
    "eval and exec",
    "builtins by name",
    "imports",
    "module attributes of modules",
    "BuiltinImporter",
    "__builtins__ mutation",
    "metaclass and decorator calls",
    "match-class",
    "__code__.replace",
    "unicode identifiers",
    "pickle and copyreg",
    "ctypes",
    "fork",
    "vfork",
    "clone3",
    "posix_spawn",
    "exec",
    "threads",
    "signals",
    "namespaces",
    "odd system calls",
    "sockets",
    "io_uring",
    "memfd and RWX pages",
    "ptrace",
    "files",
    "/proc/self/environ",
    "stat oracles",
    "symlink and hard link",
    "..",
    "chmod",
    "raising rlimits",
    "9**9**9",
    "ReDoS",
    "hangs",
    "sleep with signals ignored",
    "memory flood",
    "disk flood",
    "inode flood",
    "output flood",
    "violation flood",
    "deep recursion",
    "inherited descriptors",
    "forged results",
    "residue",
    "parser bombs",
}
"""What attackers of sandboxes for Python are known to try."""


def named(*names: str) -> list[Attack]:
    """Return attacks by their names."""
    by_name = {attack.name: attack for attack in ATTACKS}
    return [by_name[name] for name in names]
