"""Other processes: signals to them, limits of theirs, their memory."""

from sandbox.attack import CALL, FILE, IMPORT, LIMIT, Attack, direct
from sandbox.attacks.raw import RAW

SIGNALS = (
    direct("kill-a-victim", "signals", CALL, "import os\nos.kill(VICTIM, 15)", alone=True),
    direct(
        "kill-harness",
        "signals",
        CALL,
        r"""
import os, signal
os.kill(HARNESS, 0)
print('LEAK: it is there')
""",
    ),
    direct(
        "kill-everybody",
        "signals",
        CALL,
        r"""
import os
os.kill(-1, 0)
print('LEAK: somebody is there')
""",
    ),
    direct(
        "kill-parent",
        "signals",
        CALL,
        r"""
import os
os.kill(os.getppid(), 0)
print('LEAK: the parent')
""",
    ),
    direct(
        "kill-the-first-process",
        "signals",
        CALL,
        r"""
import os
for pid in (1, 2, 3):
    try:
        os.kill(pid, 0)
        print('LEAK:', pid)
    except OSError:
        pass
""",
    ),
    direct("killpg", "signals", CALL, "import os\nos.killpg(os.getpgid(VICTIM), 15)", alone=False),
    direct(
        "raw-tgkill",
        "signals",
        CALL,
        RAW + "call('tgkill', VICTIM, VICTIM, 15)",
        refused=IMPORT,
        alone=True,
    ),
    direct("raw-tkill", "signals", CALL, RAW + "call('tkill', VICTIM, 15)", refused=IMPORT, alone=True),
    direct(
        "raw-sigqueue",
        "signals",
        CALL,
        RAW
        + r"""
info = (ctypes.c_int * 32)(15, 0, -1)
call('rt_sigqueueinfo', VICTIM, 15, info)
""",
        refused=IMPORT,
        alone=True,
    ),
    direct(
        "pidfd-send-signal",
        "signals",
        CALL,
        r"""
import os, signal
signal.pidfd_send_signal(os.pidfd_open(VICTIM), 15)
""",
        alone=True,
    ),
    direct(
        "fcntl-owner-signal",
        "signals",
        CALL,
        r"""
import fcntl
for fd in range(8):
    try:
        fcntl.fcntl(fd, fcntl.F_SETOWN, VICTIM)
        print('LEAK: signals go to the victim')
    except OSError:
        pass
""",
        refused=FILE,
    ),
    direct(
        "prlimit-of-a-victim",
        "signals",
        CALL,
        r"""
import resource
resource.prlimit(VICTIM, 7, (1, 1))
print('LEAK: limited')
""",
        refused=IMPORT,
        also=(LIMIT,),
    ),
    direct(
        "priority-of-a-victim",
        "signals",
        CALL,
        r"""
import os
os.setpriority(os.PRIO_PROCESS, VICTIM, 19)
print('LEAK: slowed down')
""",
        also=(LIMIT,),
    ),
    direct(
        "affinity-of-a-victim",
        "signals",
        CALL,
        r"""
import os
os.sched_setaffinity(VICTIM, {0})
print('LEAK: moved')
""",
        alone=True,
    ),
    direct(
        "ptrace-attach",
        "ptrace",
        CALL,
        RAW
        + r"""
call('ptrace', 16, VICTIM, 0, 0)
print('LEAK: traced')
import os
os.waitpid(VICTIM, 0)
call('ptrace', 17, VICTIM, 0, 0)
""",
        refused=IMPORT,
        alone=True,
    ),
    direct(
        "ptrace-seize-of-the-parent",
        "ptrace",
        CALL,
        RAW
        + r"""
import os
call('ptrace', 0x4206, os.getppid(), 0, 0)
print('LEAK: seized')
""",
        refused=IMPORT,
    ),
    direct(
        "process-vm-readv",
        "ptrace",
        CALL,
        RAW
        + r"""
import os
space = ctypes.create_string_buffer(64)
ours = (ctypes.c_size_t * 2)(ctypes.addressof(space), 64)
theirs = (ctypes.c_size_t * 2)(ctypes.addressof(space), 64)
call("process_vm_readv", os.getppid(), ours, 1, theirs, 1, 0)
print("LEAK:", space.raw)
""",
        refused=IMPORT,
        alone=False,
    ),
    direct(
        "process-vm-writev",
        "ptrace",
        CALL,
        RAW
        + r"""
import os
space = ctypes.create_string_buffer(b"x" * 8)
part = (ctypes.c_size_t * 2)(ctypes.addressof(space), 8)
call("process_vm_writev", os.getppid(), part, 1, part, 1, 0)
print("LEAK: wrote")
""",
        refused=IMPORT,
    ),
    direct(
        "pidfd-getfd",
        "ptrace",
        CALL,
        RAW
        + r"""
import os
fd = call("pidfd_getfd", call("pidfd_open", HARNESS, 0), 0, 0)
print("LEAK: a descriptor of the harness")
""",
        refused=IMPORT,
        alone=True,
    ),
    direct(
        "memory-of-the-parent",
        "ptrace",
        FILE,
        r"""
import os
with open(f'/proc/{os.getppid()}/maps') as f:
    print('LEAK:', f.read())
""",
        alone=True,
    ),
    direct(
        "be-traced",
        "ptrace",
        CALL,
        RAW
        + r"""
call('ptrace', 0, 0, 0, 0)
print('LEAK: traced by the parent')
""",
        refused=IMPORT,
        alone=True,
    ),
    Attack(
        name="limits-of-other-processes",
        technique="signals",
        code=r"""
import os, resource
for pid in (VICTIM, HARNESS, os.getppid(), 1):
    try:
        print("LEAK:", pid, resource.prlimit(pid, resource.RLIMIT_NOFILE))
    except OSError:
        pass
""",
        as_is=(FILE, IMPORT),
        no_check=(LIMIT, CALL, FILE),
        bare=(LIMIT, CALL),
        escapes=True,
        alone=True,
    ),
)
