"""One attack: code that tries harm in a way that can be seen from outside, and what has to be noted."""

from enum import Enum

from msgspec import Struct

from buddy.model.sandbox import Layer, ViolationType

NET = ViolationType.NETWORK_ACCESS_ATTEMPT
RUN = ViolationType.SUBPROCESS_ATTEMPT
FILE = ViolationType.FILESYSTEM_ATTEMPT
IMPORT = ViolationType.IMPORT_ALLOWLIST_VIOLATION
BUILTIN = ViolationType.BUILTIN_VIOLATION
LIMIT = ViolationType.RESOURCE_LIMIT
CALL = ViolationType.SYSCALL_DENIED
TIME = ViolationType.TIMEOUT

Types = tuple[ViolationType, ...]

FAILS: Types = ()
"""The code just fails, as a mistake of its own: nothing has to be noted."""


class Setting(Enum):
    """Which layers are on in front of the kernel and the supervisor."""

    AS_IS = "as_is"
    NO_CHECK = "no_check"
    BARE = "bare"


class Attack(Struct, frozen=True, kw_only=True):
    """Code that tries something harmful.

    The code finds these names: CANARY (a file with a secret), MARKER (a path that does not exist), TCP, UDP
    (ports of 127.0.0.1), UNIX, ABSTRACT (sockets that listen), VICTIM, HARNESS (processes), NR (numbers of
    system calls). What it gets hold of it prints after `LEAK:`.

    Attributes:
        name: unique.
        technique: one of `suite.TECHNIQUES`.
        code: what the sandbox is given.
        as_is: any of these types is right with the check and the facades on.
        no_check: the same with the facades alone.
        bare: the same with neither.
        policy: `spec`, `extended`, or `scratch` (an own policy with a scratch folder).
        holds: the layer that has to stop it when nothing is in front.
        escapes: with the facades alone, the code starts from the real builtins, as after a successful escape.
        alone: it succeeds in a Python without a sandbox, and does no lasting harm there.
        timeout_s: deadline, seconds.
        only: the settings that it makes sense in.
        full: it is stopped by full isolation alone.
    """

    name: str
    technique: str
    code: str
    as_is: Types
    no_check: Types
    bare: Types
    policy: str = "spec"
    holds: Layer = Layer.KERNEL
    escapes: bool = False
    alone: bool = False
    timeout_s: float = 2.0
    only: tuple[Setting, ...] = tuple(Setting)
    full: bool = False

    def right(self, setting: Setting) -> Types:
        """The types of which one has to be noted in a setting; none where the code just fails."""
        return {Setting.AS_IS: self.as_is, Setting.NO_CHECK: self.no_check, Setting.BARE: self.bare}[setting]

    def code_in(self, setting: Setting) -> str:
        """The code as it is run in a setting."""
        return ESCAPE.format(code=self.code) if self.escapes and setting is Setting.NO_CHECK else self.code


ESCAPE = """\
def real():
    for kind in ().__class__.__base__.__subclasses__():
        if kind.__name__ == "_wrap_close":
            return kind.__init__.__globals__["__builtins__"]
space = dict(__builtins__=real(), __name__="__main__", CANARY=CANARY, MARKER=MARKER, TCP=TCP, UDP=UDP,
             UNIX=UNIX, ABSTRACT=ABSTRACT, VICTIM=VICTIM, HARNESS=HARNESS, NR=NR)
try:
    real()["exec"]({code!r}, space)
except ModuleNotFoundError as error:
    print("LEAK:", real()["open"]("/usr/lib/python3/" + error.name).read())
"""
"""From within the facades to the real builtins; a module that is not there is looked for in files."""


def gadget(
    name: str,
    technique: str,
    code: str,
    *,
    ends: ViolationType = RUN,
    sees: Types = (BUILTIN,),
    policy: str = "spec",
    alone: bool = True,
    quiet: bool = False,
    only: tuple[Setting, ...] = tuple(Setting),
) -> Attack:
    """A way through the language to something that the kernel has to stop.

    Args:
        name: of the attack.
        technique: of the attack.
        code: of the attack.
        ends: what the kernel has to note where nothing stops it before.
        sees: what the check has to note.
        policy: of the attack.
        alone: of the attack.
        quiet: under the facades what it looks for is not there, so that it fails as by a mistake.
        only: of the attack.
    """
    return Attack(
        name=name,
        technique=technique,
        code=code,
        as_is=(*sees, ends),
        no_check=FAILS if quiet else (*sees, ends),
        bare=(ends,),
        policy=policy,
        alone=alone,
        only=only,
    )


def direct(
    name: str,
    technique: str,
    denied: ViolationType,
    code: str,
    *,
    refused: ViolationType = FILE,
    also: Types = (),
    policy: str = "spec",
    alone: bool = False,
    only: tuple[Setting, ...] = tuple(Setting),
) -> Attack:
    """Something that only the kernel can stop once the modules are there.

    With the facades alone it starts from the real builtins; a module that is not loaded then has to be read,
    which is an attempt on a file.

    Args:
        name: of the attack.
        technique: of the attack.
        denied: what the kernel has to note.
        code: of the attack.
        refused: what the check has to note about the import.
        also: what the kernel may note instead.
        policy: of the attack.
        alone: of the attack.
        only: of the attack.
    """
    return Attack(
        name=name,
        technique=technique,
        code=code,
        as_is=(refused, denied),
        no_check=(denied, *also, FILE),
        bare=(denied, *also),
        policy=policy,
        escapes=True,
        alone=alone,
        only=only,
    )
