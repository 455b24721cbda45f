"""Becomes a service: drops privileges, ties its life to the parent's, then executes the program in its place.

Run as a script (`python -I -S launcher.py PARENT_PID DEATH_SIGNAL UID GID PROGRAM ARGUMENT...`), never imported: work
between fork and exec is not safe in a parent with threads, so it is done after the exec of this file. UID -1 keeps the
user. The death signal is set last, because the kernel forgets it when the user changes.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main() -> None:
    """Never returns: ends in the program, or exits when the parent is already gone."""
    parent_pid, death_signal, uid, gid = (int(argument) for argument in sys.argv[1:5])
    program = sys.argv[5:]
    if uid >= 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
    if os.getppid() != parent_pid:  # it ended before the death signal was set
        sys.exit("parent process is gone")
    os.execv(program[0], program)  # noqa: S606 - this is what a launcher is for


if __name__ == "__main__":
    main()
