"""What can be learnt or changed about a file without opening it, and what /proc tells."""

from sandbox.attack import CALL, FILE, IMPORT, direct
from sandbox.attacks.raw import RAW

NAMES = (
    direct("stat", "stat oracles", FILE, "import os\nprint('LEAK:', os.stat(CANARY).st_size)", alone=True),
    direct(
        "exists",
        "stat oracles",
        FILE,
        r"""
import os
if os.path.exists(CANARY):
    print('LEAK: it is there')
""",
        alone=True,
    ),
    direct(
        "access",
        "stat oracles",
        FILE,
        r"""
import os
if os.access(CANARY, 0):
    print('LEAK: it is there')
""",
        alone=True,
    ),
    direct(
        "errors-as-an-oracle",
        "stat oracles",
        FILE,
        r"""
said = set()
for path in (CANARY, CANARY + ".not"):
    try:
        open(path)
        said.add("opened")
    except OSError as error:
        said.add(error.errno)
if len(said) > 1:
    print("LEAK: it can be told apart")
""",
        alone=True,
    ),
    direct(
        "read-link",
        "stat oracles",
        FILE,
        "import os\nprint('LEAK:', os.readlink('/proc/self/exe'))",
        alone=True,
    ),
    direct(
        "stat-of-a-file-system",
        "stat oracles",
        FILE,
        "import os\nprint('LEAK:', os.statvfs('/'))",
        alone=True,
    ),
    direct(
        "statx",
        "stat oracles",
        FILE,
        RAW
        + r"""
space = ctypes.create_string_buffer(256)
call('statx', -100, CANARY.encode(), 0, 0xfff, space)
print('LEAK: it is there')
""",
        refused=IMPORT,
        alone=True,
    ),
    direct(
        "watch",
        "stat oracles",
        FILE,
        RAW + "print('LEAK:', call('inotify_add_watch', call('inotify_init1', 0), CANARY.encode(), 2))",
        refused=IMPORT,
        alone=True,
    ),
    direct(
        "extended-attributes",
        "stat oracles",
        FILE,
        "import os\nprint('LEAK:', os.listxattr(CANARY))",
        alone=True,
    ),
    direct(
        "own-environment",
        "/proc/self/environ",
        FILE,
        r"""
import os
text = str(dict(os.environ))
if "BUDDY_TEST_SECRET" in text:
    print("LEAK:", text)
print("LEAK:", open("/proc/self/environ").read())
""",
        alone=True,
    ),
    direct(
        "environment-in-memory",
        "/proc/self/environ",
        FILE,
        RAW
        + r"""
names = ctypes.POINTER(ctypes.c_char_p).in_dll(libc, "environ")
at = 0
while names and names[at]:
    if b"BUDDY_TEST_SECRET" in names[at]:
        print("LEAK:", names[at])
    at += 1
print("LEAK:", open("/proc/self/environ").read())
""",
        refused=IMPORT,
        alone=True,
    ),
    direct(
        "environment-of-others",
        "/proc/self/environ",
        FILE,
        r"""
import os
for pid in ("1", str(os.getppid()), str(HARNESS), "thread-self"):
    try:
        print("LEAK:", open(f"/proc/{pid}/environ").read())
    except OSError:
        pass
""",
        alone=True,
    ),
    direct(
        "command-lines",
        "/proc/self/environ",
        FILE,
        "print('LEAK:', open('/proc/self/cmdline').read())",
        alone=True,
    ),
    direct("maps", "/proc/self/environ", FILE, "print('LEAK:', open('/proc/self/maps').read())", alone=True),
    direct(
        "mounts",
        "/proc/self/environ",
        FILE,
        "print('LEAK:', open('/proc/self/mountinfo').read())",
        alone=True,
    ),
    direct(
        "own-memory-as-a-file",
        "/proc/self/environ",
        FILE,
        "open('/proc/self/mem', 'r+b').seek(0)\nprint('LEAK: x')",
        alone=True,
    ),
    direct(
        "descriptor-links",
        "/proc/self/environ",
        FILE,
        "import os\nprint('LEAK:', os.listdir('/proc/self/fd'))",
        alone=True,
    ),
    direct("chmod", "chmod", FILE, "import os\nos.chmod(CANARY, 0o777)"),
    direct("chown", "chmod", FILE, "import os\nos.chown(CANARY, 1, 1)"),
    direct("utime", "chmod", FILE, "import os\nos.utime(CANARY, (0, 0))"),
    direct(
        "raw-fchmodat2",
        "chmod",
        FILE,
        RAW + "call('fchmodat2', -100, CANARY.encode(), 0o777, 0)",
        refused=IMPORT,
    ),
    direct("set-extended-attribute", "chmod", FILE, "import os\nos.setxattr(CANARY, 'user.x', b'1')"),
    direct(
        "descriptors-chmod",
        "chmod",
        FILE,
        r"""
import os
for fd in range(4):
    try:
        os.fchmod(fd, 0o777)
        print('LEAK:', fd)
    except OSError:
        pass
""",
    ),
    direct(
        "symbolic-link", "symlink and hard link", FILE, "import os\nos.symlink(CANARY, MARKER)", alone=True
    ),
    direct("hard-link", "symlink and hard link", FILE, "import os\nos.link(CANARY, MARKER)", alone=True),
    direct("fifo", "files", FILE, "import os\nos.mkfifo(MARKER)", alone=True),
    direct("device", "files", FILE, "import os\nos.mknod(MARKER, 0o60666, os.makedev(7, 0))"),
    direct(
        "mount",
        "namespaces",
        FILE,
        RAW + "call('mount', b'none', b'/not-there', b'tmpfs', 0, None)",
        refused=IMPORT,
    ),
    direct(
        "unmount", "namespaces", FILE, RAW + "call('umount2', b'/not-there', 2)", refused=IMPORT, also=(CALL,)
    ),
    direct(
        "new-mount-interface",
        "namespaces",
        FILE,
        RAW + "print('LEAK:', call('fsopen', b'tmpfs', 0))",
        refused=IMPORT,
        also=(CALL,),
    ),
    direct(
        "load-a-library",
        "ctypes",
        FILE,
        r"""
import ctypes
ctypes.CDLL('libBrokenLocale.so.1')
print('LEAK: loaded')
""",
        refused=IMPORT,
        alone=True,
    ),
    direct(
        "import-from-a-file",
        "imports",
        FILE,
        r"""
import sys
sys.path[:] = ['/usr/lib']
import wave
""",
        refused=IMPORT,
    ),
    direct(
        "import-with-own-path",
        "imports",
        FILE,
        r"""
import sys
sys.path[:] = ['/usr/lib/python3']
import this_is_not
""",
        refused=IMPORT,
    ),
)
