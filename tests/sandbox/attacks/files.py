"""Files, names of files, and what else can be reached by a path."""

from sandbox.attack import CALL, FILE, IMPORT, direct
from sandbox.attacks.raw import RAW

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
        r"""
from pathlib import Path
print("LEAK:", Path(CANARY).read_text())
""",
        alone=True,
    ),
    direct(
        "libc-open",
        "files",
        FILE,
        RAW
        + r"""
import os
print('LEAK:', os.read(libc.open(CANARY.encode(), 0), 99))
""",
        refused=IMPORT,
        also=(CALL,),
        alone=True,
    ),
    direct(
        "raw-openat2",
        "files",
        FILE,
        RAW
        + r"""
import os
how = ctypes.create_string_buffer(24)
print('LEAK:', os.read(call('openat2', -100, CANARY.encode(), how, 24), 99))
""",
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
        RAW
        + r"""
handle = (ctypes.c_uint * 64)(8, 1)
call('open_by_handle_at', -100, handle, 0)
""",
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
        r"""
import mmap, os
print('LEAK:', mmap.mmap(os.open(CANARY, 0), 0, prot=1)[:])
""",
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
        r"""
import glob
print('LEAK:', glob.glob('/et*') or open('/etc/passwd').read())
""",
        alone=True,
    ),
    direct(
        "walk-up",
        "..",
        FILE,
        r"""
import os
print('LEAK:', open('../../../../../..' + CANARY).read())
""",
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
        "leave-by-chdir",
        "..",
        FILE,
        r"""
import os
os.chdir('..')
print('LEAK:', os.open('.', 0))
""",
        alone=True,
    ),
    direct(
        "leave-by-chroot",
        "..",
        FILE,
        r"""
import os
os.chroot('.')
print('LEAK: a root of its own')
""",
    ),
    direct("working-folder", "..", FILE, "import os\nprint('LEAK:', os.getcwd())", alone=True),
    direct(
        "swallowed",
        "files",
        FILE,
        TRIED
        + r"""
tried(lambda: open(CANARY).read())
tried(lambda: os.stat(CANARY))
1
""",
        alone=True,
    ),
)
