"""Counts: a Poisson prompt, log rate a'x + b, beside a Poisson frozen expert, softmax gate."""

from bayes_cmoe import Path, Regime, along, contaminated_variant, frozen_expert
from bayes_cmoe.parts.gates import softmax

CENTER = {"a": [0.3], "b": 0.5}

VARIANT = contaminated_variant(
    "counts",
    title="Contaminated mixture of Poisson experts",
    source="an example",
    gates=[softmax],
    expert="linear",
    family="poisson",
    regimes=[
        Regime(
            "far",
            "a Poisson prompt with eight times the frozen expert's rate at x = 0",
            Path({"beta": [1.0], "tau": 0.0}, CENTER, along(a=[-0.6], b=2.0)),
            softmax,
            "linear",
            frozen_expert("poisson", "linear", CENTER),
            features=1,
            box={"beta": (-10.0, 10.0), "tau": (-10.0, 10.0), "a": (-4.0, 4.0), "b": (-4.0, 5.0)},
        )
    ],
)
