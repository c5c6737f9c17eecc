"""A gate of one's own, pi(x) = lam sigmoid(beta'x + tau): a prompt that never has all the rows."""

from math import log

import pytensor.tensor as pt

from bayes_cmoe import (
    Gate,
    Path,
    Regime,
    Share,
    along,
    contaminated_variant,
    frozen_expert,
    register_gate,
)
from bayes_cmoe.parts.parameter import gate_level, gate_slopes, share


def log_weights(x, lam, beta, tau):
    score = x @ beta + tau
    stay = pt.logaddexp(pt.log1p(-lam) - pt.softplus(-score), -pt.softplus(score))
    return stay, pt.log(lam) - pt.softplus(-score)


GATE = register_gate(
    Gate(
        "lam-sigmoid",
        (share("lam"), gate_slopes("beta"), gate_level("tau")),
        log_weights,
        level={"lam": 0.75, "beta": 0.0, "tau": log(2.0)},
        shut={"lam": 0.0, "beta": 0.0, "tau": 0.0},
        opened={"lam": 1.0, "beta": 0.0, "tau": 30.0},
        share=Share("lam", "lam", lambda lam: lam, lambda lam, n, alpha: lam * n**-alpha),
    )
)

CENTER = {"a": [1.0], "b": 0.3, "nu": 1.0}
FROZEN = frozen_expert("gaussian", "tanh", {"a": [1.0], "b": 0.3}, scale=1.0)

VARIANT = contaminated_variant(
    "sigmoid_gate",
    title="Contaminated Gaussian MoE, constant times sigmoid gate",
    source="an example",
    gates=[GATE],
    expert="tanh",
    regimes=[
        Regime(
            "far",
            "a tanh prompt far from a Gaussian f0, on at most 7 of 10 rows",
            Path({"lam": 0.7, "beta": [2.0], "tau": 0.5}, CENTER, along(a=[-3.0], b=1.5, nu=-0.75)),
            GATE,
            "tanh",
            FROZEN,
            features=1,
            box={
                "lam": (0.0, 1.0),
                "beta": (-10.0, 10.0),
                "tau": (-10.0, 10.0),
                "a": (-6.0, 6.0),
                "b": (-6.0, 6.0),
                "nu": (0.05, 10.0),
            },
        )
    ],
)
