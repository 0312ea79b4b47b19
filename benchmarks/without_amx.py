"""Run a command, and all that it starts, on an x86 CPU as if that had no AMX.

python -m benchmarks.without_amx COMMAND [ARGUMENT...]

Linux gives a process AMX's registers only where it asks for them, by arch_prctl(ARCH_REQ_XCOMP_PERM); XNNPACK, oneDNN
and PyTorch take other kernels where that is refused. A seccomp filter refuses it, for good. Linux on x86-64 alone.
"""

import ctypes
import os
import platform
import struct
import sys

ARCH_PRCTL, ARCH_REQ_XCOMP_PERM, XTILEDATA = 158, 0x1023, 18  # arch/x86/include/uapi/asm/prctl.h
_SECCOMP, _NO_NEW_PRIVILEGES, _FILTER = 22, 38, 2  # of prctl: linux/prctl.h, linux/seccomp.h
_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06  # linux/bpf_common.h: BPF_LD | BPF_W | BPF_ABS, BPF_JMP | BPF_JEQ, BPF_RET
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050001  # SECCOMP_RET_ALLOW; SECCOMP_RET_ERRNO | EPERM
_NUMBER, _ARGUMENT = 0, 16  # places in seccomp_data: of the call, of its first argument

_PROGRAM = (  # operation, how many to leave out where it is true and where it is not, number
    (_LOAD, 0, 0, _NUMBER),
    (_EQUAL, 0, 3, ARCH_PRCTL),
    (_LOAD, 0, 0, _ARGUMENT),
    (_EQUAL, 0, 1, ARCH_REQ_XCOMP_PERM),
    (_RETURN, 0, 0, _REFUSE),
    (_RETURN, 0, 0, _ALLOW),
)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("content", ctypes.c_void_p))


def has_amx() -> bool:
    """Whether this process gets AMX's registers."""
    if platform.machine() != "x86_64" or not sys.platform.startswith("linux"):
        return False
    return _libc().syscall(ARCH_PRCTL, ARCH_REQ_XCOMP_PERM, XTILEDATA) == 0


def mask() -> None:
    """Refuses AMX to this process and all that it starts, for good. Raises OSError where Linux has no such filters."""
    content = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *each) for each in _PROGRAM))
    program = _Program(len(_PROGRAM), ctypes.addressof(content))
    for arguments in ((_NO_NEW_PRIVILEGES, 1, 0, 0, 0), (_SECCOMP, _FILTER, ctypes.byref(program), 0, 0)):
        if _libc().prctl(*arguments):
            raise OSError(ctypes.get_errno(), f"prctl: {os.strerror(ctypes.get_errno())}")


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("python -m benchmarks.without_amx COMMAND [ARGUMENT...]")
    mask()
    os.execvp(sys.argv[1], sys.argv[1:])
