"""Runs a program under a seccomp filter of a container's kind: python outer.py CALL=ERRNO[,...] PROGRAM...

With `listen` among the calls, somebody outside hears of denied calls already, so nobody inside can.
"""

import errno
import os
import sys

from buddy.adapters.sandbox.kernel import abi, bpf, calls, seccomp


def main(spec: str, program: list[str]) -> None:
    machine = abi.native()
    assert machine is not None
    pairs = [part.partition("=") for part in spec.split(",") if part != "listen"]
    rules = [bpf.Rule(name, action=bpf.refuse(getattr(errno, code))) for name, _, code in pairs]
    calls.prctl(calls.PR_SET_NO_NEW_PRIVS, 1)
    listener = seccomp.install(bpf.program(machine, rules, bpf.ALLOW), told="listen" in spec)
    if listener is not None:
        os.set_inheritable(listener, True)
    os.execv(program[0], program)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
