"""Less common parts of the kernel: namespaces, rings, shared memory, pages that run."""

from sandbox.attack import CALL, FILE, IMPORT, direct
from sandbox.attacks.raw import RAW

KERNEL = (
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
        RAW
        + r"""
for fd in range(64):
    try:
        call('setns', fd, 0)
        print('LEAK:', fd)
    except OSError:
        pass
""",
        refused=IMPORT,
    ),
    direct(
        "setsid",
        "namespaces",
        CALL,
        r"""
import os
os.setsid()
print('LEAK: own session')
""",
        alone=False,
    ),
    direct(
        "setuid-back",
        "namespaces",
        CALL,
        r"""
import os
os.setresuid(0, 0, 0)
print('LEAK: root')
""",
    ),
    direct(
        "death-signal-cleared",
        "namespaces",
        CALL,
        RAW
        + r"""
call('prctl', 1, 0, 0, 0, 0)
print('LEAK: outlives the zygote')
""",
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
        RAW
        + r"""
space = ctypes.create_string_buffer(128)
call('perf_event_open', space, 0, -1, -1, 0)
""",
        refused=IMPORT,
    ),
    direct(
        "second-filter",
        "odd system calls",
        CALL,
        RAW
        + r"""
call('prctl', 22, 2, None, 0, 0)
call('seccomp', 1, 0, None)
""",
        refused=IMPORT,
    ),
    direct(
        "kernel-log",
        "odd system calls",
        CALL,
        RAW
        + r"""
space = ctypes.create_string_buffer(4096)
print('LEAK:', call('syslog', 3, space, 4096))
""",
        refused=IMPORT,
        alone=True,
    ),
    direct(
        "system-v-shared-memory",
        "residue",
        CALL,
        RAW
        + r"""
key = call('shmget', 0x6275, 4096, 0o1666)
print('LEAK: a shared segment', key)
call('shmctl', key, 0, None)
""",
        refused=IMPORT,
        alone=True,
    ),
    direct(
        "system-v-message-queue",
        "residue",
        CALL,
        RAW
        + r"""
key = call('msgget', 0x6275, 0o1666)
print('LEAK: a queue', key)
call('msgctl', key, 0, None)
""",
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
        RAW
        + r"""
for fd in range(16):
    try:
        call('io_uring_enter', fd, 1, 0, 0, None, 0)
        print('LEAK:', fd)
    except OSError:
        pass
""",
        refused=IMPORT,
    ),
    direct(
        "old-aio",
        "io_uring",
        CALL,
        RAW
        + r"""
ring = ctypes.c_ulong(0)
call('io_setup', 8, ctypes.byref(ring))
print('LEAK: a ring')
""",
        refused=IMPORT,
        alone=True,
    ),
    direct(
        "memfd",
        "memfd and RWX pages",
        CALL,
        r"""
import os
fd = os.memfd_create('x')
print('LEAK: a file in memory', fd)
""",
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
        r"""
import mmap
mmap.mmap(-1, 4096, prot=7)
print('LEAK: pages to write programs to')
""",
        refused=FILE,
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
        RAW
        + r"""
call('personality', 0x0400000)
print('LEAK: what is read may run')
""",
        refused=IMPORT,
        alone=True,
    ),
    direct(
        "system-v-executable-segment",
        "memfd and RWX pages",
        CALL,
        RAW
        + r"""
key = call('shmget', 0, 4096, 0o1700)
call('shmctl', key, 0, None)
print('LEAK: a segment')
""",
        refused=IMPORT,
        alone=True,
    ),
    direct(
        "other-numbers-of-calls", "ctypes", CALL, RAW + "NR['x'] = 0x40000000 + 39\ncall('x')", refused=IMPORT
    ),
    direct(
        "gate-of-the-older-machine",
        "ctypes",
        CALL,
        RAW
        + r"""
place = ctypes.cast(libc.getpid, ctypes.c_void_p).value
at = ctypes.string_at(place, 300_000).find(bytes([0xCD, 0x80]))
if at < 0:
    NR["x"] = 0x40000000 + 39
    call("x")
ctypes.CFUNCTYPE(ctypes.c_int)(place + at)()
""",
        refused=IMPORT,
    ),
)
