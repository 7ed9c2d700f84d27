"""Files, names of files, and what else can be reached by a path."""

from sandbox.attack import CALL, FILE, IMPORT, direct
from sandbox.attacks.processes import RAW

TRIED = r"""
import os
def tried(call):
    try:
        print("LEAK:", call())
    except OSError as error:
        print(type(error).__name__)
"""

FILES = (
    direct("open-and-read", "files", FILE, 'print("LEAK:", open(CANARY).read())', alone=True),
    direct(
        "os-open", "files", FILE, 'import os\nprint("LEAK:", os.read(os.open(CANARY, 0), 99))', alone=True
    ),
    direct("io-fileio", "files", FILE, 'import io\nprint("LEAK:", io.FileIO(CANARY).read())', alone=True),
    direct(
        "pathlib",
        "files",
        FILE,
        'from pathlib import Path\nprint("LEAK:", Path(CANARY).read_text())',
        alone=True,
    ),
    direct(
        "libc-open",
        "files",
        FILE,
        RAW + "import os\nprint('LEAK:', os.read(libc.open(CANARY.encode(), 0), 99))",
        refused=IMPORT,
        also=(CALL,),
        alone=True,
    ),
    direct(
        "raw-openat2",
        "files",
        FILE,
        RAW + "import os\nhow = ctypes.create_string_buffer(24)\n"
        "print('LEAK:', os.read(call('openat2', -100, CANARY.encode(), how, 24), 99))",
        refused=IMPORT,
        alone=True,
    ),
    direct(
        "path-descriptor", "files", FILE, "import os\nprint('LEAK:', os.open('/', os.O_PATH))", alone=True
    ),
    direct(
        "file-handles",
        "files",
        FILE,
        RAW
        + r"""
handle = (ctypes.c_uint * 64)(128)
mount = ctypes.c_int()
call("name_to_handle_at", -100, CANARY.encode(), handle, ctypes.byref(mount), 0)
print("LEAK: a handle")
""",
        refused=IMPORT,
    ),
    direct(
        "open-by-handle",
        "files",
        FILE,
        RAW + "handle = (ctypes.c_uint * 64)(8, 1)\ncall('open_by_handle_at', -100, handle, 0)",
        refused=IMPORT,
    ),
    direct("make-a-file", "files", FILE, "open(MARKER, 'w').close()", alone=True),
    direct("make-a-folder", "files", FILE, "import os\nos.mkdir(MARKER)", alone=True),
    direct("overwrite", "files", FILE, "open(CANARY, 'w').write('owned')"),
    direct("truncate", "files", FILE, "import os\nos.truncate(CANARY, 0)"),
    direct("remove", "files", FILE, "import os\nos.unlink(CANARY)"),
    direct("rename", "files", FILE, "import os\nos.rename(CANARY, MARKER)"),
    direct("copy", "files", FILE, "import shutil\nshutil.copy(CANARY, MARKER)", alone=True),
    direct(
        "temporary-file",
        "files",
        FILE,
        "import tempfile\nprint('LEAK:', tempfile.TemporaryFile())",
        alone=True,
    ),
    direct("shared-memory-folder", "files", FILE, "open('/dev/shm/buddy-residue', 'w').write('x')"),
    direct(
        "map-a-file",
        "files",
        FILE,
        "import mmap, os\nprint('LEAK:', mmap.mmap(os.open(CANARY, 0), 0, prot=1)[:])",
        alone=True,
    ),
    direct("send-file", "files", FILE, "import os\nos.sendfile(1, os.open(CANARY, 0), 0, 99)", alone=False),
    direct("list-root", "files", FILE, "import os\nprint('LEAK:', os.listdir('/'))", alone=True),
    direct(
        "scan-root", "files", FILE, "import os\nprint('LEAK:', [e.name for e in os.scandir('/')])", alone=True
    ),
    direct(
        "glob",
        "files",
        FILE,
        "import glob\nprint('LEAK:', glob.glob('/et*') or open('/etc/passwd').read())",
        alone=True,
    ),
    direct(
        "walk-up",
        "..",
        FILE,
        "import os\nprint('LEAK:', open('../../../../../..' + CANARY).read())",
        alone=True,
    ),
    direct(
        "walk-up-from-proc",
        "..",
        FILE,
        "print('LEAK:', open('/proc/self/root/..' + CANARY).read())",
        alone=True,
    ),
    direct(
        "leave-by-chdir", "..", FILE, "import os\nos.chdir('..')\nprint('LEAK:', os.open('.', 0))", alone=True
    ),
    direct("leave-by-chroot", "..", FILE, "import os\nos.chroot('.')\nprint('LEAK: a root of its own')"),
    direct("working-folder", "..", FILE, "import os\nprint('LEAK:', os.getcwd())", alone=True),
    direct("stat", "stat oracles", FILE, "import os\nprint('LEAK:', os.stat(CANARY).st_size)", alone=True),
    direct(
        "exists",
        "stat oracles",
        FILE,
        "import os\nif os.path.exists(CANARY):\n    print('LEAK: it is there')",
        alone=True,
    ),
    direct(
        "access",
        "stat oracles",
        FILE,
        "import os\nif os.access(CANARY, 0):\n    print('LEAK: it is there')",
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
        + "space = ctypes.create_string_buffer(256)\ncall('statx', -100, CANARY.encode(), 0, 0xfff, space)\n"
        "print('LEAK: it is there')",
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
        "import os\nfor fd in range(4):\n    try:\n        os.fchmod(fd, 0o777)\n"
        "        print('LEAK:', fd)\n    except OSError:\n        pass",
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
        "import ctypes\nctypes.CDLL('libm.so.6')\nprint('LEAK: loaded')",
        refused=IMPORT,
        alone=True,
    ),
    direct(
        "import-from-a-file",
        "imports",
        FILE,
        "import sys\nsys.path[:] = ['/usr/lib']\nimport wave",
        refused=IMPORT,
    ),
    direct(
        "import-with-own-path",
        "imports",
        FILE,
        "import sys\nsys.path[:] = ['/usr/lib/python3']\nimport this_is_not\n",
        refused=IMPORT,
    ),
    direct(
        "swallowed",
        "files",
        FILE,
        TRIED + "tried(lambda: open(CANARY).read())\ntried(lambda: os.stat(CANARY))\n1",
        alone=True,
    ),
)
