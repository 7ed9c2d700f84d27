"""Sockets of every family, by Python's modules and by raw calls."""

from sandbox.attack import CALL, FILE, IMPORT, NET, RUN, direct
from sandbox.attacks.raw import RAW

NETWORK = (
    direct(
        "tcp",
        "sockets",
        NET,
        r"""
import socket
s = socket.socket()
s.connect(("127.0.0.1", TCP))
s.sendall(b"owned")
""",
        refused=NET,
        alone=True,
    ),
    direct(
        "tcp-by-version-6",
        "sockets",
        NET,
        r"""
import socket
s = socket.socket(socket.AF_INET6)
s.connect(("::ffff:127.0.0.1", TCP))
s.sendall(b"owned")
""",
        refused=NET,
        alone=False,
    ),
    direct(
        "udp",
        "sockets",
        NET,
        r"""
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.sendto(b"owned", ("127.0.0.1", UDP))
""",
        refused=NET,
        alone=True,
    ),
    direct(
        "unix-stream",
        "sockets",
        NET,
        r"""
import socket
s = socket.socket(socket.AF_UNIX)
s.connect(UNIX)
s.sendall(b"owned")
""",
        refused=NET,
        alone=True,
    ),
    direct(
        "unix-abstract",
        "sockets",
        NET,
        'import socket\ns = socket.socket(socket.AF_UNIX)\ns.connect("\\0" + ABSTRACT)\ns.sendall(b"owned")',
        refused=NET,
        alone=True,
    ),
    direct(
        "listen-and-accept",
        "sockets",
        NET,
        r"""
import socket
s = socket.create_server(("127.0.0.1", 0))
print("LEAK: listens at", s.getsockname())
""",
        refused=NET,
        alone=True,
    ),
    direct(
        "socketpair",
        "sockets",
        NET,
        r"""
import socket
a, b = socket.socketpair()
a.send(b"x")
print("LEAK: sockets of its own", b.recv(1))
""",
        refused=NET,
        alone=True,
    ),
    direct(
        "netlink",
        "sockets",
        NET,
        r"""
import socket
s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
print('LEAK: netlink', s)
""",
        refused=NET,
        alone=True,
    ),
    direct(
        "packet",
        "sockets",
        NET,
        r"""
import socket
s = socket.socket(17, socket.SOCK_RAW, 3)
print('LEAK: packets', s)
""",
        refused=NET,
    ),
    direct(
        "vsock",
        "sockets",
        NET,
        r"""
import socket
s = socket.socket(40, socket.SOCK_STREAM)
print('LEAK: vsock', s)
""",
        refused=NET,
    ),
    direct(
        "kernel-crypto",
        "sockets",
        NET,
        r"""
import socket
s = socket.socket(38, socket.SOCK_SEQPACKET)
print('LEAK: crypto', s)
""",
        refused=NET,
    ),
    direct(
        "raw-icmp",
        "sockets",
        NET,
        r"""
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
print('LEAK:', s)
""",
        refused=NET,
    ),
    direct(
        "every-family",
        "sockets",
        NET,
        r"""
import socket
for family in range(46):
    for kind in (1, 2, 3, 5):
        try:
            print("LEAK:", socket.socket(family, kind).family)
        except OSError:
            pass
""",
        refused=NET,
        alone=True,
    ),
    direct(
        "raw-socket-call",
        "sockets",
        NET,
        RAW
        + r"""
import struct
fd = call("socket", 2, 1, 0)
place = struct.pack("=H", 2) + struct.pack("!H", TCP) + bytes([127, 0, 0, 1]) + bytes(8)
call("connect", fd, place, 16)
""",
        refused=IMPORT,
        alone=True,
    ),
    direct(
        "host-names",
        "sockets",
        NET,
        r"""
import socket
print('LEAK:', socket.getaddrinfo('localhost', TCP))
""",
        refused=NET,
        also=(FILE,),
        alone=True,
    ),
    direct(
        "host-name",
        "sockets",
        CALL,
        "import socket\nprint('LEAK:', socket.gethostname())",
        refused=NET,
        alone=True,
    ),
    direct(
        "http-client",
        "sockets",
        NET,
        r"""
import http.client
http.client.HTTPConnection("127.0.0.1", TCP, timeout=0.2).request("GET", "/")
""",
        refused=NET,
        alone=True,
    ),
    direct(
        "url-of-a-file",
        "sockets",
        FILE,
        r"""
import urllib.request
print("LEAK:", urllib.request.urlopen("file://" + CANARY).read())
""",
        refused=NET,
        also=(NET,),
        alone=True,
    ),
    direct(
        "asyncio-loop",
        "sockets",
        NET,
        r"""
import asyncio
async def go():
    reader, writer = await asyncio.open_connection("127.0.0.1", TCP)
    writer.write(b"owned")
    await writer.drain()
asyncio.run(go())
""",
        refused=NET,
        also=(CALL, FILE),
        alone=True,
    ),
    direct(
        "connection-of-multiprocessing",
        "sockets",
        NET,
        r"""
from multiprocessing.connection import Client
Client(('127.0.0.1', TCP))
""",
        refused=RUN,
        also=(CALL, FILE),
    ),
    direct(
        "descriptors-as-sockets",
        "inherited descriptors",
        NET,
        r"""
import socket
for fd in range(32):
    try:
        there = socket.socket(fileno=fd)
        print("a socket", fd)
        there.sendto(b"owned", ("127.0.0.1", UDP))
    except OSError:
        pass
socket.socket()
""",
        refused=NET,
    ),
    direct(
        "descriptors-passed-over-the-channel",
        "inherited descriptors",
        NET,
        r"""
import socket, array
for fd in range(32):
    try:
        there = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, fileno=fd)
        there.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [1, 2, 3]))])
    except OSError:
        pass
socket.socket()
""",
        refused=NET,
    ),
)
