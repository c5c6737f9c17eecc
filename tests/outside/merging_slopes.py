"""A whole variant with regimes and rates of its own: logits without bias, on a frozen classifier.

It stands for what one reads in a paper: two regimes, and an exponent for each target in both.
"""

from fractions import Fraction

from bayes_cmoe import (
    Exponent,
    Path,
    Rate,
    Regime,
    along,
    contaminated_variant,
    frozen_expert,
    register_variant,
)
from bayes_cmoe.parts.gates import constant, softmax

HALF, EIGHTH = Fraction(1, 2), Fraction(1, 8)
SOURCE = "an example (expansion at f0, no theorem)"
CENTER = {"a": [[1.5, 0.0], [0.0, 1.5]]}
FROZEN = frozen_expert("multinomial_logistic", "linear-nobias", CENTER)


def rate(target, lower=None, **powers):
    """n^-1/2 times powers of the share and of the distance."""
    upper = Exponent(-HALF, **{name: Fraction(power) for name, power in powers.items()})
    return Rate(target, upper, lower, SOURCE, mark="derived")


def regime(name, summary, gate, shift, rates, gamma=Fraction(0)):
    level = {"lam": 0.5} if gate is constant else {"beta": [1.0, -1.0], "tau": 0.5}
    edge = {"lam": (0.0, 1.0), "beta": (-10.0, 10.0), "tau": (-30.0, 30.0), "a": (-10.0, 10.0)}
    box = {parameter: edge[parameter] for parameter in (*level, "a")}
    path = Path(level, CENTER, shift, 2.0, gamma=gamma)
    return Regime(
        name, summary, path, gate, "linear-nobias", FROZEN, 2, box, classes=3, published=rates
    )


register_variant(
    contaminated_variant(
        "merging_slopes",
        title="Contaminated classifiers whose slopes merge",
        source="an example",
        gates=[constant, softmax],
        expert="linear-nobias",
        family="multinomial_logistic",
        regimes=[
            regime(
                "far",
                "slopes of the other sign, softmax gate",
                softmax,
                along(a=[[-1.5, 0.0], [0.0, -1.5]]),
                (rate("exp_tau", Exponent(-HALF)), rate("beta"), rate("expert")),
            ),
            regime(
                "near",
                "slopes merging as n^-1/8, constant gate",
                constant,
                along(a=[[0.5, -0.5], [-0.5, -0.5]]),
                (rate("lam", gamma=2), rate("expert", alpha=1, gamma=1)),
                gamma=EIGHTH,
            ),
        ],
    )
)
