"""What rate to expect: published exponents and calculated bounds."""

from bayes_cmoe.theory.diagnosis import diagnose
from bayes_cmoe.theory.planner import plan
from bayes_cmoe.theory.report import theory

__all__ = ["diagnose", "plan", "theory"]
