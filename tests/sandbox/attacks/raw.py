"""The start of code that makes system calls by their numbers."""

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
