"""Runs a command as if the kernel were one before Linux 6.5, which has no SO_PEERPIDFD: older_kernel.py COMMAND…

A filter of system calls answers getsockopt(2) for it as such a kernel does, ENOPROTOOPT. See seccomp(2).
"""

import ctypes
import errno
import os
import platform
import struct
import sys

SO_PEERPIDFD = 77
GETSOCKOPT = {"x86_64": 55, "aarch64": 209}[platform.machine()]
PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, FILTER = 22, 38, 2
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, REFUSE = 0x7FFF0000, 0x00050000
# struct seccomp_data: the call's number at 0, its third argument at 32.
PROGRAM = [(LOAD, 0, 0, 0), (EQUAL, 0, 3, GETSOCKOPT), (LOAD, 0, 0, 32), (EQUAL, 0, 1, SO_PEERPIDFD), (RETURN, 0, 0, REFUSE | errno.ENOPROTOOPT),
           (RETURN, 0, 0, ALLOW)]


def forget_peer_descriptors():
    code = b"".join(struct.pack("HBBI", *instruction) for instruction in PROGRAM)
    libc = ctypes.CDLL(None, use_errno=True)
    instructions = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("HxxxxxxP", len(PROGRAM), ctypes.addressof(instructions))
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(PR_SET_SECCOMP, FILTER, ctypes.c_char_p(program), 0, 0):
        raise OSError(ctypes.get_errno(), "no filter of system calls")


if __name__ == "__main__":
    forget_peer_descriptors()
    os.execv(sys.argv[1], sys.argv[1:])
