"""What rate to expect: published exponents and calculated bounds."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bayes_cmoe.theory.absence import absence_test
    from bayes_cmoe.theory.confidence import intervals
    from bayes_cmoe.theory.diagnosis import diagnose
    from bayes_cmoe.theory.learning import learning_coefficient
    from bayes_cmoe.theory.planner import plan
    from bayes_cmoe.theory.report import theory

__all__ = ["absence_test", "diagnose", "intervals", "learning_coefficient", "plan", "theory"]

_HOMES = {
    "absence_test": "absence",
    "diagnose": "diagnosis",
    "intervals": "confidence",
    "learning_coefficient": "learning",
    "plan": "planner",
    "theory": "report",
}
"""The module of each name, loaded when the name is first asked for."""


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
