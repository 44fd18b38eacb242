"""Turns this process into another program that dies with its parent: `python bound_exec.py PARENT_PID PROGRAM ARG...`

A separate program instead of `preexec_fn`: Python between fork and exec can deadlock when the parent has threads.
The wish to be told of the parent's death survives `exec` (Linux only; elsewhere the server outlives a killed parent).
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def main() -> None:
    parent, program, *arguments = sys.argv[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != int(parent):  # it died before we asked to be told
            sys.exit(1)
    os.execv(program, [program, *arguments])  # noqa: S606  # the program is our own server binary


if __name__ == "__main__":
    main()
