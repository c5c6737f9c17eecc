"""Worker processes end with the process that started them, however that one ends."""

import os
import threading
import time

__all__ = ["end_with"]

SECONDS = 0.5
"""Between two looks at whether the parent is there."""


def end_with(parent: int) -> None:
    """End this process soon after its parent has ended; to be called in the child.

    A process whose parent is killed gets another one. A worker has nothing to clean up: only its
    parent writes files. Linux could send a signal instead, but when the thread ends that started
    the process, and joblib starts processes from threads.

    Parameters
    ----------
    parent : int
        The parent's process number, as the parent knows it.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(SECONDS)
        os._exit(1)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()
