"""Processes, programs, threads and signals, asked of the kernel by every door that it has."""

from sandbox.attack import CALL, FILE, IMPORT, LIMIT, RUN, direct

RAW = r"""
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
def call(name, *args):
    wide = [ctypes.c_long(arg) if isinstance(arg, int) else arg for arg in args]
    got = libc.syscall(ctypes.c_long(NR[name]), *wide)
    if got < 0:
        raise OSError(ctypes.get_errno(), name)
    return got
"""

CHILD = r"""
if pid == 0:
    os.close(os.open(MARKER, os.O_CREAT | os.O_WRONLY))
    os._exit(0)
os.waitpid(pid, 0)
"""

PROCESSES = (
    direct("os-fork", "fork", RUN, "import os\npid = os.fork()" + CHILD, alone=True),
    direct("os-forkpty", "fork", RUN, "import os\npid, fd = os.forkpty()" + CHILD, also=(FILE,), alone=True),
    direct(
        "libc-fork", "fork", RUN, RAW + "import os\npid = libc.fork()" + CHILD, refused=IMPORT, alone=True
    ),
    direct("raw-fork", "fork", RUN, RAW + "import os\npid = call('fork')" + CHILD, refused=IMPORT),
    direct("raw-vfork", "vfork", RUN, RAW + "import os\npid = call('vfork')" + CHILD, refused=IMPORT),
    direct(
        "popen-by-vfork",
        "vfork",
        RUN,
        "import subprocess\nsubprocess.Popen(['touch', MARKER]).wait()",
        refused=RUN,
        alone=True,
    ),
    direct(
        "raw-clone",
        "clone3",
        RUN,
        RAW + "import os\npid = call('clone', 17, 0, 0, 0, 0)" + CHILD,
        refused=IMPORT,
        alone=True,
    ),
    direct(
        "raw-clone3",
        "clone3",
        RUN,
        RAW
        + r"""
import os, struct
args = ctypes.create_string_buffer(struct.pack("=8Q", 0, 0, 0, 0, 17, 0, 0, 0))
try:
    pid = call("clone3", args, 64)
except OSError:
    pid = call("clone", 17, 0, 0, 0, 0)
"""
        + CHILD,
        refused=IMPORT,
        alone=True,
    ),
    direct(
        "raw-clone-of-a-namespace",
        "clone3",
        RUN,
        RAW + "import os\npid = call('clone', 0x10000000 | 0x20000000 | 17, 0, 0, 0, 0)" + CHILD,
        refused=IMPORT,
    ),
    direct(
        "posix-spawn",
        "posix_spawn",
        RUN,
        "import os\nos.waitpid(os.posix_spawn('/usr/bin/touch', ['touch', MARKER], {}), 0)",
        alone=True,
    ),
    direct(
        "posix-spawnp",
        "posix_spawn",
        RUN,
        "import os\nos.waitpid(os.posix_spawnp('touch', ['touch', MARKER], {'PATH': '/usr/bin:/bin'}), 0)",
        alone=True,
    ),
    direct("os-system", "posix_spawn", RUN, "import os\nos.system('touch ' + MARKER)", alone=True),
    direct("os-popen", "posix_spawn", RUN, "import os\nos.popen('touch ' + MARKER).read()", alone=True),
    direct(
        "os-spawn",
        "posix_spawn",
        RUN,
        "import os\nos.spawnlp(os.P_WAIT, 'touch', 'touch', MARKER)",
        alone=True,
    ),
    direct(
        "posixsubprocess-fork-exec",
        "posix_spawn",
        RUN,
        r"""
import os, _posixsubprocess, inspect
end, start = os.pipe()
args = [[b"touch", MARKER.encode()], [b"/usr/bin/touch"], True, (), None, None, -1, -1, -1, -1, -1, -1, end, start,
        False, False, -1, None, None, None, -1, None, True]
try:
    pid = _posixsubprocess.fork_exec(*args)
except TypeError:
    pid = _posixsubprocess.fork_exec(*args[:-1])
os.waitpid(pid, 0)
""",
        refused=IMPORT,
    ),
    direct(
        "subprocess-shell",
        "posix_spawn",
        RUN,
        "import subprocess\nsubprocess.check_output('touch ' + MARKER, shell=True)",
        refused=RUN,
        alone=True,
    ),
    direct(
        "libc-system",
        "ctypes",
        RUN,
        RAW + "libc.system(b'touch ' + MARKER.encode())",
        refused=IMPORT,
        alone=True,
    ),
    direct(
        "libc-popen",
        "ctypes",
        RUN,
        RAW + "libc.popen.restype = ctypes.c_void_p\nlibc.pclose(ctypes.c_void_p("
        "libc.popen(b'touch ' + MARKER.encode(), b'r')))",
        refused=IMPORT,
        also=(CALL,),
        alone=True,
    ),
    direct("os-execv", "exec", RUN, "import os\nos.execv('/usr/bin/touch', ['touch', MARKER])", alone=True),
    direct(
        "os-execvpe",
        "exec",
        RUN,
        "import os\nos.execvpe('touch', ['touch', MARKER], {'PATH': '/usr/bin'})",
        alone=True,
    ),
    direct(
        "raw-execve",
        "exec",
        RUN,
        RAW
        + r"""
argv = (ctypes.c_char_p * 3)(b"touch", MARKER.encode(), None)
call("execve", b"/usr/bin/touch", argv, None)
""",
        refused=IMPORT,
        alone=True,
    ),
    direct(
        "raw-execveat",
        "exec",
        RUN,
        RAW
        + r"""
argv = (ctypes.c_char_p * 3)(b"touch", MARKER.encode(), None)
call("execveat", -100, b"/usr/bin/touch", argv, None, 0)
""",
        refused=IMPORT,
        alone=True,
    ),
    direct(
        "fexecve-of-a-descriptor",
        "exec",
        RUN,
        RAW + "for fd in range(8):\n    try:\n        call('execveat', fd, b'', None, None, 0x1000)\n"
        "    except OSError:\n        pass\nraise OSError('none')",
        refused=IMPORT,
    ),
    direct(
        "pty-spawn",
        "fork",
        RUN,
        "import pty\npty.spawn(['touch', MARKER])",
        refused=RUN,
        also=(FILE,),
        alone=False,
    ),
    direct(
        "multiprocessing-fork",
        "fork",
        RUN,
        r"""
import multiprocessing, os
made = multiprocessing.get_context("fork").Process(target=os.mkdir, args=(MARKER,))
made.start()
made.join()
""",
        refused=RUN,
        also=(FILE, CALL),
        alone=True,
    ),
    direct(
        "threading",
        "threads",
        RUN,
        r"""
import threading
def late():
    print("LEAK: a thread runs")
made = threading.Thread(target=late)
made.start()
made.join()
""",
        refused=RUN,
        also=(CALL,),
    ),
    direct(
        "low-level-thread",
        "threads",
        RUN,
        r"""
import _thread, time
_thread.start_new_thread(print, ("LEAK: a thread runs",))
time.sleep(0.2)
""",
        refused=RUN,
        also=(CALL, IMPORT),
    ),
    direct(
        "thread-pool",
        "threads",
        RUN,
        "from concurrent.futures import ThreadPoolExecutor\n"
        "ThreadPoolExecutor(2).submit(print, 'LEAK: a thread').result(0.5)",
        refused=RUN,
        also=(CALL, IMPORT),
    ),
    direct(
        "raw-clone-thread",
        "threads",
        RUN,
        RAW
        + r"""
stack = ctypes.create_string_buffer(65536)
flags = 0x100 | 0x200 | 0x400 | 0x800 | 0x10000 | 0x40000
call("clone", flags | 0x80000000, ctypes.addressof(stack) + 65000, 0, 0, 0)
""",
        refused=IMPORT,
    ),
    direct("kill-a-victim", "signals", CALL, "import os\nos.kill(VICTIM, 15)", alone=True),
    direct(
        "kill-harness", "signals", CALL, "import os, signal\nos.kill(HARNESS, 0)\nprint('LEAK: it is there')"
    ),
    direct("kill-everybody", "signals", CALL, "import os\nos.kill(-1, 0)\nprint('LEAK: somebody is there')"),
    direct("kill-parent", "signals", CALL, "import os\nos.kill(os.getppid(), 0)\nprint('LEAK: the parent')"),
    direct(
        "kill-the-first-process",
        "signals",
        CALL,
        "import os\nfor pid in (1, 2, 3):\n    try:\n        os.kill(pid, 0)\n        print('LEAK:', pid)\n"
        "    except OSError:\n        pass",
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
        RAW + "info = (ctypes.c_int * 32)(15, 0, -1)\ncall('rt_sigqueueinfo', VICTIM, 15, info)",
        refused=IMPORT,
        alone=True,
    ),
    direct(
        "pidfd-send-signal",
        "signals",
        CALL,
        "import os, signal\nsignal.pidfd_send_signal(os.pidfd_open(VICTIM), 15)",
        alone=True,
    ),
    direct(
        "fcntl-owner-signal",
        "signals",
        CALL,
        "import fcntl\nfor fd in range(8):\n    try:\n        fcntl.fcntl(fd, fcntl.F_SETOWN, VICTIM)\n"
        "        print('LEAK: signals go to the victim')\n    except OSError:\n        pass",
        refused=IMPORT,
    ),
    direct(
        "prlimit-of-a-victim",
        "signals",
        CALL,
        "import resource\nresource.prlimit(VICTIM, 7, (1, 1))\nprint('LEAK: limited')",
        refused=IMPORT,
        also=(LIMIT,),
    ),
    direct(
        "priority-of-a-victim",
        "signals",
        CALL,
        "import os\nos.setpriority(os.PRIO_PROCESS, VICTIM, 19)\nprint('LEAK: slowed down')",
        also=(LIMIT,),
    ),
    direct(
        "affinity-of-a-victim",
        "signals",
        CALL,
        "import os\nos.sched_setaffinity(VICTIM, {0})\nprint('LEAK: moved')",
        alone=True,
    ),
    direct(
        "ptrace-attach",
        "ptrace",
        CALL,
        RAW + "call('ptrace', 16, VICTIM, 0, 0)\nprint('LEAK: traced')\nimport os\nos.waitpid(VICTIM, 0)\n"
        "call('ptrace', 17, VICTIM, 0, 0)",
        refused=IMPORT,
        alone=True,
    ),
    direct(
        "ptrace-seize-of-the-parent",
        "ptrace",
        CALL,
        RAW + "import os\ncall('ptrace', 0x4206, os.getppid(), 0, 0)\nprint('LEAK: seized')",
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
        "import os\nwith open(f'/proc/{os.getppid()}/maps') as f:\n    print('LEAK:', f.read())",
        alone=True,
    ),
    direct(
        "be-traced",
        "ptrace",
        CALL,
        RAW + "call('ptrace', 0, 0, 0, 0)\nprint('LEAK: traced by the parent')",
        refused=IMPORT,
        alone=True,
    ),
    direct(
        "unshare-a-user-namespace",
        "namespaces",
        CALL,
        RAW + "call('unshare', 0x10000000)\nprint('LEAK: root of its own')",
        refused=IMPORT,
        alone=False,
    ),
    direct(
        "setns",
        "namespaces",
        CALL,
        RAW + "for fd in range(64):\n    try:\n        call('setns', fd, 0)\n        print('LEAK:', fd)\n"
        "    except OSError:\n        pass",
        refused=IMPORT,
    ),
    direct("setsid", "namespaces", CALL, "import os\nos.setsid()\nprint('LEAK: own session')", alone=False),
    direct(
        "setuid-back",
        "namespaces",
        CALL,
        "import os\nos.setresuid(0, 0, 0)\nprint('LEAK: root')",
    ),
    direct(
        "death-signal-cleared",
        "namespaces",
        CALL,
        RAW + "call('prctl', 1, 0, 0, 0, 0)\nprint('LEAK: outlives the zygote')",
        refused=IMPORT,
        alone=True,
    ),
    direct(
        "keyring",
        "namespaces",
        CALL,
        RAW + "call('keyctl', 0, -3, 0)\nprint('LEAK: a keyring')",
        refused=IMPORT,
        alone=True,
    ),
    direct("raw-bpf", "odd system calls", CALL, RAW + "call('bpf', 0, None, 0)", refused=IMPORT),
    direct(
        "raw-userfaultfd",
        "odd system calls",
        CALL,
        RAW + "call('userfaultfd', 1)\nprint('LEAK: x')",
        refused=IMPORT,
    ),
    direct(
        "raw-perf",
        "odd system calls",
        CALL,
        RAW + "space = ctypes.create_string_buffer(128)\ncall('perf_event_open', space, 0, -1, -1, 0)",
        refused=IMPORT,
    ),
    direct(
        "second-filter",
        "odd system calls",
        CALL,
        RAW + "call('prctl', 22, 2, None, 0, 0)\ncall('seccomp', 1, 0, None)",
        refused=IMPORT,
    ),
    direct(
        "kernel-log",
        "odd system calls",
        CALL,
        RAW + "space = ctypes.create_string_buffer(4096)\nprint('LEAK:', call('syslog', 3, space, 4096))",
        refused=IMPORT,
        alone=True,
    ),
    direct(
        "system-v-shared-memory",
        "residue",
        CALL,
        RAW
        + "key = call('shmget', 0x6275, 4096, 0o1666)\nprint('LEAK: a shared segment', key)\ncall('shmctl', key, 0, None)",
        refused=IMPORT,
        alone=True,
    ),
    direct(
        "system-v-message-queue",
        "residue",
        CALL,
        RAW
        + "key = call('msgget', 0x6275, 0o1666)\nprint('LEAK: a queue', key)\ncall('msgctl', key, 0, None)",
        refused=IMPORT,
        alone=True,
    ),
    direct(
        "io-uring",
        "io_uring",
        CALL,
        RAW
        + r"""
space = ctypes.create_string_buffer(120)
print("LEAK: a ring", call("io_uring_setup", 8, space))
""",
        refused=IMPORT,
        alone=True,
    ),
    direct(
        "io-uring-on-any-descriptor",
        "io_uring",
        CALL,
        RAW + "for fd in range(16):\n    try:\n        call('io_uring_enter', fd, 1, 0, 0, None, 0)\n"
        "        print('LEAK:', fd)\n    except OSError:\n        pass",
        refused=IMPORT,
    ),
    direct(
        "old-aio",
        "io_uring",
        CALL,
        RAW + "ring = ctypes.c_ulong(0)\ncall('io_setup', 8, ctypes.byref(ring))\nprint('LEAK: a ring')",
        refused=IMPORT,
        alone=True,
    ),
    direct(
        "memfd",
        "memfd and RWX pages",
        CALL,
        "import os\nfd = os.memfd_create('x')\nprint('LEAK: a file in memory', fd)",
        alone=True,
    ),
    direct(
        "memfd-then-exec",
        "memfd and RWX pages",
        CALL,
        r"""
import os
fd = os.memfd_create("x", 0)
os.write(fd, b"#!/bin/sh\ntouch " + MARKER.encode())
os.execve(fd, ["x"], {"PATH": "/usr/bin:/bin"})
""",
        alone=True,
    ),
    direct(
        "rwx-mapping",
        "memfd and RWX pages",
        CALL,
        "import mmap\nmmap.mmap(-1, 4096, prot=7)\nprint('LEAK: pages to write programs to')",
        refused=IMPORT,
        alone=True,
    ),
    direct(
        "mprotect-to-executable",
        "memfd and RWX pages",
        CALL,
        RAW
        + r"""
import mmap
pages = mmap.mmap(-1, 4096)
place = ctypes.addressof(ctypes.c_char.from_buffer(pages))
call("mprotect", place, 4096, 5)
print("LEAK: pages that run")
""",
        refused=IMPORT,
        alone=True,
    ),
    direct(
        "pkey-mprotect",
        "memfd and RWX pages",
        CALL,
        RAW
        + r"""
import mmap
pages = mmap.mmap(-1, 4096)
place = ctypes.addressof(ctypes.c_char.from_buffer(pages))
call("pkey_mprotect", place, 4096, 5, -1)
print("LEAK: pages that run")
""",
        refused=IMPORT,
        alone=True,
    ),
    direct(
        "personality-read-implies-exec",
        "memfd and RWX pages",
        CALL,
        RAW + "call('personality', 0x0400000)\nprint('LEAK: what is read may run')",
        refused=IMPORT,
        alone=True,
    ),
    direct(
        "system-v-executable-segment",
        "memfd and RWX pages",
        CALL,
        RAW + "key = call('shmget', 0, 4096, 0o1700)\ncall('shmctl', key, 0, None)\nprint('LEAK: a segment')",
        refused=IMPORT,
        alone=True,
    ),
    direct(
        "other-numbers-of-calls", "ctypes", CALL, RAW + "NR['x'] = 0x40000000 + 39\ncall('x')", refused=IMPORT
    ),
)
