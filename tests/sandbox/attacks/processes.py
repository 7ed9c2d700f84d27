"""Processes, programs and threads, asked of the kernel by every door that it has."""

from sandbox.attack import CALL, FILE, IMPORT, RUN, direct
from sandbox.attacks.raw import RAW

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
        r"""
import subprocess
subprocess.Popen(['touch', MARKER]).wait()
""",
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
        RAW
        + r"""
import os
pid = call('clone', 0x10000000 | 0x20000000 | 17, 0, 0, 0, 0)
"""
        + CHILD,
        refused=IMPORT,
    ),
    direct(
        "posix-spawn",
        "posix_spawn",
        RUN,
        r"""
import os
os.waitpid(os.posix_spawn('/usr/bin/touch', ['touch', MARKER], {}), 0)
""",
        alone=True,
    ),
    direct(
        "posix-spawnp",
        "posix_spawn",
        RUN,
        r"""
import os
os.waitpid(os.posix_spawnp('touch', ['touch', MARKER], {'PATH': '/usr/bin:/bin'}), 0)
""",
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
args = [[b"touch", MARKER.encode()], [b"/usr/bin/touch"], True, (), None, None, -1, -1, -1, -1, -1, -1,
        end, start, False, False, -1, None, None, None, -1, None, True]
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
        r"""
import subprocess
subprocess.check_output('touch ' + MARKER, shell=True)
""",
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
        RAW
        + r"""
libc.popen.restype = ctypes.c_void_p
libc.pclose(ctypes.c_void_p(libc.popen(b'touch ' + MARKER.encode(), b'r')))
""",
        refused=IMPORT,
        also=(CALL,),
        alone=True,
    ),
    direct("os-execv", "exec", RUN, "import os\nos.execv('/usr/bin/touch', ['touch', MARKER])", alone=True),
    direct(
        "os-execvpe",
        "exec",
        RUN,
        r"""
import os
os.execvpe('touch', ['touch', MARKER], {'PATH': '/usr/bin'})
""",
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
        RAW
        + r"""
for fd in range(8):
    try:
        call('execveat', fd, b'', None, None, 0x1000)
    except OSError:
        pass
raise OSError('none')
""",
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
        r"""
from concurrent.futures import ThreadPoolExecutor
ThreadPoolExecutor(2).submit(print, 'LEAK: a thread').result(0.5)
""",
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
)
