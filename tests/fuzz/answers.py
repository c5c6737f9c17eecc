"""What every command must do with any input: answer soon, in one line, by a known status."""

import contextlib
import io
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType
from typing import Any
from unittest.mock import patch

from hypothesis import HealthCheck, event, settings

from bayes_cmoe.commands.cli import main

__all__ = ["STATUSES", "Answer", "answer", "many", "taken"]

STATUSES = (0, 1, 2, 3, 130)
PATIENCE = 20
"""Seconds until an answer counts as none; the first one may load a library or compile a model."""


def many(count: int) -> settings:
    """So many inputs, the same at every run."""
    checks = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
    return settings(
        max_examples=count, deadline=None, derandomize=True, suppress_health_check=checks
    )


@dataclass(frozen=True)
class Answer:
    """How a command ended."""

    code: int
    out: str
    err: str


def _hung(number: int, frame: FrameType | None) -> None:
    raise AssertionError(f"no answer within {PATIENCE} seconds")


def answer(argv: list[str]) -> Answer:
    """Run a command; it must not raise, hang, print a traceback or refuse in more than one line."""
    out, err = io.StringIO(), io.StringIO()
    before = signal.signal(signal.SIGALRM, _hung)
    signal.alarm(PATIENCE)
    begun = time.perf_counter()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main(argv)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    assert time.perf_counter() - begun < PATIENCE
    said = err.getvalue()
    event(f"status {code}")
    assert code in STATUSES, (code, said)
    assert "Traceback" not in said
    if code == 2:
        assert said.startswith("bayes-cmoe: error: "), said
        assert said.endswith("\n"), said
        assert len(said.splitlines()) == 1, said
        assert len(said) < 2200, said
    return Answer(code, out.getvalue(), said)


@contextlib.contextmanager
def taken(owner: Any, name: str) -> Iterator[list[tuple[tuple[Any, ...], dict[str, Any]]]]:
    """Arguments with which a slow function is reached; it ends there, as by Ctrl-C."""
    found: list[tuple[tuple[Any, ...], dict[str, Any]]] = []

    def stop(*arguments: Any, **options: Any) -> None:
        found.append((arguments, options))
        raise KeyboardInterrupt("taken")

    with patch.object(owner, name, stop):
        yield found
