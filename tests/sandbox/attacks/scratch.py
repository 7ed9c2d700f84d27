"""A private folder as the code's `/tmp`: ways out of it, and more in it than it may hold."""

from sandbox.attack import CALL, FILE, IMPORT, LIMIT, NET, RUN, Attack, Layer, Types

FRONT: Types = (FILE, IMPORT)
BESIDES: Types = (FILE, CALL)


def inside(
    name: str,
    technique: str,
    code: str,
    denied: Types = (FILE,),
    *,
    holds: Layer = Layer.KERNEL,
) -> Attack:
    """Something that a process with a folder of its own may try."""
    return Attack(
        name=name,
        technique=technique,
        code=code,
        as_is=(*FRONT, *denied),
        no_check=denied,
        bare=denied,
        policy="scratch",
        holds=holds,
        escapes=True,
        full=True,
    )


SCRATCH = (
    inside(
        "link-to-a-file-outside",
        "symlink and hard link",
        r"""
import os
os.symlink(CANARY, '/tmp/x')
print('LEAK:', open('/tmp/x').read())
""",
    ),
    inside(
        "link-to-the-root",
        "symlink and hard link",
        r"""
import os
os.symlink('/', '/tmp/x')
print('LEAK:', os.listdir('/tmp/x' + '/..'))
""",
    ),
    inside("hard-link-of-a-file-outside", "symlink and hard link", "import os\nos.link(CANARY, '/tmp/x')"),
    inside(
        "hard-link-of-its-own",
        "symlink and hard link",
        r"""
import os
open('/tmp/x', 'w').close()
os.link('/tmp/x', '/tmp/y')
""",
    ),
    inside(
        "out-by-dots",
        "..",
        r"""
import os
try:
    print('LEAK:', open('/tmp/../../..' + CANARY).read())
finally:
    os.symlink('x', '/tmp/y')
""",
    ),
    inside(
        "out-by-folders-that-move",
        "..",
        r"""
import os
os.makedirs("/tmp/a/b")
os.chdir("/tmp/a/b")
os.rename("/tmp/a/b", "/tmp/b")
try:
    print("LEAK:", open("../.." + CANARY).read())
except OSError:
    pass
try:
    os.rename("/tmp/b", "/b")
    print("LEAK: a folder outside")
except OSError:
    pass
os.link("/tmp/b", "/tmp/c")
""",
    ),
    inside(
        "names-outside",
        "stat oracles",
        r"""
import os
for path in (CANARY, "/proc/self/environ", "/etc/passwd", "/usr", "/dev/null"):
    try:
        os.stat(path)
        print("LEAK:", path)
    except OSError:
        pass
os.chmod("/tmp", 0o700)
""",
    ),
    inside(
        "files-outside",
        "files",
        r"""
import os
for path in (CANARY, "/proc/self/environ", "/canary", "/etc/passwd"):
    try:
        print("LEAK:", open(path).read())
    except OSError:
        pass
os.symlink(CANARY, "/tmp/x")
""",
    ),
    inside(
        "write-outside",
        "files",
        r"""
import os
for path in (MARKER, '/x', '/canary'):
    try:
        open(path, 'w').write('owned')
        print('LEAK:', path)
    except OSError:
        pass
os.symlink('x', '/tmp/x')
""",
    ),
    inside(
        "mode",
        "chmod",
        r"""
import os
open('/tmp/x', 'w').close()
os.chmod('/tmp/x', 0o4777)
""",
    ),
    inside(
        "mode-of-the-folder",
        "chmod",
        "import os\nos.fchmod(os.open('/tmp', 0), 0o7777)",
    ),
    inside(
        "program",
        "exec",
        r"""
import os
with open("/tmp/x", "w", opener=lambda path, flags: os.open(path, flags, 0o777)) as file:
    file.write("#!/bin/sh\ntouch " + MARKER)
os.execv("/tmp/x", ["x"])
""",
        (RUN,),
    ),
    inside(
        "library",
        "ctypes",
        r"""
import ctypes, mmap, os
with open("/tmp/x.so", "wb") as file:
    file.write(b"\x7fELF" + bytes(8192))
fd = os.open("/tmp/x.so", 0)
mmap.mmap(fd, 4096, flags=mmap.MAP_PRIVATE, prot=5)
print("LEAK: a file that runs")
""",
        (CALL,),
    ),
    inside(
        "socket-in-the-folder",
        "sockets",
        r"""
import socket
s = socket.socket(socket.AF_UNIX)
s.bind('/tmp/x')
s.listen()
print('LEAK: listens')
""",
        (NET,),
    ),
    inside("device-in-the-folder", "files", "import os\nos.mknod('/tmp/x', 0o60666, os.makedev(7, 0))"),
    inside("fifo-in-the-folder", "files", "import os\nos.mkfifo('/tmp/x')"),
    inside(
        "space",
        "disk flood",
        r"""
with open('/tmp/x', 'wb') as file:
    while True:
        file.write(b'x' * 65536)
""",
        (LIMIT,),
        holds=Layer.SUPERVISOR,
    ),
    inside(
        "space-in-many-files",
        "disk flood",
        r"""
for n in range(12):
    with open(f'/tmp/{n}', 'wb', buffering=0) as file:
        file.write(b'x' * 500_000)
        file.write(b'x' * 500_000)
raise OSError(28, 'short')
""",
        (LIMIT,),
        holds=Layer.SUPERVISOR,
    ),
    inside(
        "space-by-a-hole",
        "disk flood",
        r"""
import os
fd = os.open('/tmp/x', os.O_CREAT | os.O_RDWR)
os.ftruncate(fd, 1 << 40)
os.write(fd, b'x')
""",
        (LIMIT,),
        holds=Layer.SUPERVISOR,
    ),
    inside(
        "names",
        "inode flood",
        "for n in range(100_000):\n    open(f'/tmp/{n}', 'w').close()",
        (LIMIT,),
        holds=Layer.SUPERVISOR,
    ),
    inside(
        "folders",
        "inode flood",
        r"""
import os
for n in range(100_000):
    os.mkdir(f'/tmp/{n}')
""",
        (LIMIT,),
        holds=Layer.SUPERVISOR,
    ),
    inside(
        "left-behind",
        "residue",
        r"""
import os
open('/tmp/residue', 'w').write('x')
os.makedirs('/tmp/a/b/c')
os.symlink('x', '/tmp/y')
""",
    ),
    inside(
        "folder-as-a-mount",
        "namespaces",
        r"""
import ctypes
libc = ctypes.CDLL(None)
libc.mount(b'none', b'/tmp', b'tmpfs', 0, None)
""",
        BESIDES,
    ),
)
