"""Requests to stop that come from outside."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def stop_requests() -> Iterator[Callable[[], bool]]:
    """Take Ctrl-C and SIGTERM, which clusters send before they kill, as a wish to stop after the step that is going on.

    A second Ctrl-C stops at once. Only the main thread of a process can do this; elsewhere nothing changes.

    Yields:
        What tells whether such a request has come.
    """
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return

    def ask(number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and asked.is_set():
            raise KeyboardInterrupt
        asked.set()
        # Loggers and streams must not be used here: the signal may have come while they were writing.
        os.write(2, b"stopping after this step, with the state saved; Ctrl-C stops at once\n")

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
