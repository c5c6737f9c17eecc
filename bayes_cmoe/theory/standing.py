"""What may be promised of a fit: the local theory's n^-1/2, the modulus of continuity, or nothing.

Standard errors speak of more rows only where the estimate is one of the local regime: the search
ended well, the data show that there is a prompt, it rests on more than a handful of rows, and both
it and its share are several standard errors away from where they would be lost.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bayes_cmoe.theory.null_law import LEVEL, NullLaw

__all__ = [
    "CLEAR",
    "LOCAL_SHARE",
    "RESOLVED",
    "Evidence",
    "Standing",
    "modulus_words",
    "standing_of",
]

RESOLVED = 4.0
"""Standard errors from the frozen expert at which the local theory begins to describe a prompt."""
LOCAL_SHARE = 5.0
"""Standard errors of the share from zero at which it begins to describe the share."""
ROWS_PER_PARAMETER = 5.0
"""A prompt on fewer rows than that for each of its parameters is a spike on single responses."""
CLEAR = 6.0
"""Root of twice a gain in log-likelihood that spikes did not reach without a prompt (4.6 at most in
40 fits of 400 rows)."""


@dataclass(frozen=True)
class Evidence:
    """What a fit shows.

    Parameters
    ----------
    status, at_edge : str
        Of the search; the parameters at an edge of their box.
    singular : str
        Why the information has no inverse; empty when it has one.
    gain : float
        Signed root of twice the gain in log-likelihood over the frozen expert.
    null : NullLaw
    prompt_rows : float
        Sum over the rows of the probability to come from the prompt.
    prompt_parameters : int
    has_scale : bool
        Whether the prompt has a variance, so that one that fits a few rows is as good as no bound.
    distance, resolution : float
        Of prompt and frozen expert, and of the share and zero, in standard errors; a distance that
        cannot be computed is NaN and replaced by the gain.
    """

    status: str
    at_edge: str
    singular: str
    gain: float
    null: NullLaw
    prompt_rows: float
    prompt_parameters: int
    has_scale: bool
    distance: float
    resolution: float


@dataclass(frozen=True)
class Standing:
    """``local``, ``unresolved``, or a reason for which nothing can be promised; and that in words.

    Parameters
    ----------
    name : {"local", "unresolved", "empty", "spike", "edge", "unidentified", "unfinished"}
    advice : str
    """

    name: str
    advice: str


def standing_of(evidence: Evidence) -> Standing:
    """What may be promised, the first objection that holds."""
    own = evidence
    without = (
        f"log-likelihood gain {0.5 * own.gain * abs(own.gain):.1f}; data without a prompt score as "
        f"high with probability {own.null.pvalue:.2g}"
    )
    few = own.prompt_rows < ROWS_PER_PARAMETER * own.prompt_parameters
    spike = own.prompt_rows > 1.0 and (few or own.status == "spike")
    if spike and not own.has_scale:
        return Standing(
            "spike",
            "the prompt has more parameters than its rows can bear: at the point estimate about "
            f"{own.prompt_rows:.1f} rows for {own.prompt_parameters} parameters ({without}), so "
            "that no error of a parameter can be promised, and predictions are to be judged on "
            "rows left out: use fewer inputs, a prior that you mean, or more rows",
        )
    if spike:
        return Standing(
            "spike",
            f"the prompt is a spike: it rests on about {own.prompt_rows:.1f} rows for "
            f"{own.prompt_parameters} parameters ({without}), so no error can be promised: use a "
            "weak prior, or look for responses that repeat",
        )
    if own.prompt_rows <= 1.0 or (own.null.pvalue > LEVEL and own.gain < CLEAR):
        return Standing(
            "empty",
            f"no prompt shows in these data ({without}): the frozen expert alone will do, and no "
            "error of a prompt can be promised",
        )
    if own.at_edge:
        return Standing(
            "edge",
            f"the estimate lies at the edge of the box in {own.at_edge}: the data do not bound it, "
            "standard errors are not to be trusted and no error can be promised: use a weak prior, "
            "fewer parameters or more rows",
        )
    if own.singular:
        return Standing("unidentified", f"{own.singular}; no error can be promised")
    if own.status != "converged":
        return Standing(
            "unfinished",
            f"the fit's status is {own.status!r}, so standard errors are not to be trusted and no "
            "error can be promised: use a weak prior, fewer parameters or more rows",
        )
    judged = own.distance if np.isfinite(own.distance) else own.gain
    if judged >= RESOLVED and own.resolution >= LOCAL_SHARE:
        return Standing(
            "local",
            f"the prompt is {judged:.1f} standard errors from the frozen expert, its share "
            f"{own.resolution:.1f} from zero: twice the rows make every error about 0.71 times as "
            "large (n^-1/2)",
        )
    return Standing(
        "unresolved",
        f"the prompt is {judged:.1f} standard errors from the frozen expert ({RESOLVED:g} are "
        f"needed) and its share {own.resolution:.1f} from zero ({LOCAL_SHARE:g} are needed): it is "
        "not resolved, standard errors are not to be trusted, and n^-1/2 cannot be promised",
    )


def modulus_words(moduli: Mapping[str, Sequence[float]]) -> str:
    """What a modulus says instead: each target's at the rows at hand and at twice as many."""
    moved = ", ".join(
        f"{name} {here:.3g} (with twice the rows {doubled:.3g})"
        for name, (here, doubled) in moduli.items()
    )
    return f"within what the rows can tell apart the truth may move by {moved}"
