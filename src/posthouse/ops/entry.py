"""Being PID 1: what `up` does after success as the entry point of a container.

PID 1 inherits every orphan and must reap it, and gets no default action for a signal (pid_namespaces(7)).
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable


def is_init() -> bool:
    """Tell whether this process is the machine's first one."""
    return os.getpid() == 1


def stay(stop: Callable[[], None]) -> None:
    """Reap children until SIGTERM, SIGINT or SIGHUP comes; then call `stop`, and return."""
    awaited = {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, awaited)
    _reap()
    while signal.sigwait(awaited) == signal.SIGCHLD:
        _reap()
    # what is started by `stop` must not inherit the mask
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    stop()


def _reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass
