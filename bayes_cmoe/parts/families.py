"""Response densities f(y | location, ...): each written once, with the sampler that belongs to it.

`logp` builds a PyTensor expression, `random` draws with a NumPy generator; both take the
family's arguments in the order of `arguments`, one value for each row (class probabilities:
one vector for each row).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from bayes_cmoe.compiled.types import Tensor
from bayes_cmoe.lazy import pt
from bayes_cmoe.parts.outside import REGISTRIES, register, registered
from bayes_cmoe.parts.parameter import Parameter, identity, variance
from bayes_cmoe.shown import Shown

__all__ = [
    "FAMILIES",
    "Family",
    "categorical",
    "family_named",
    "gaussian",
    "laplace",
    "multinomial_logistic",
    "poisson",
    "register_family",
    "student_t",
]

Draw = Callable[..., NDArray]


def _apart(own: Mapping[str, Any], share: float) -> tuple[Any, Mapping[str, Any]]:
    """Halves of a family without a spread of its own: by a share of one, all else as it is."""
    return share, own


@dataclass(frozen=True, eq=False, repr=False)
class Family(Shown):
    """A response density with known arguments.

    Parameters
    ----------
    name : str
    arguments : tuple of str
        What `logp` and `random` take after the response or the generator.
    logp : callable
        ``logp(y, *arguments)``, natural log-density for each row.
    random : callable
        ``random(rng, *arguments)``, one response for each row.
    signature : tuple of str
        Core dimensions of the arguments in NumPy's generalised-ufunc notation.
    response : {"number", "class", "count", "any"}
        What it is a density of; any where only its values are given.
    own : mapping of str to Parameter
        The arguments that a trainable expert of this family has as parameters; the one that is left
        is the expert's function h.
    unit : bool
        Whether h has a scale of its own (logits, log rates) or that of the response.
    expected : callable
        ``expected(h)``, the expected response of a number or count; of NumPy.
    parted : callable
        ``parted(own, share)``: how far the functions of an expert's two halves may lie on either
        side of its own, and the halves' arguments of `own` then, so that the response keeps its
        second moment; `share` in (0, 1) says how far of what is possible.
    """

    name: str
    arguments: tuple[str, ...]
    logp: Callable[..., Tensor]
    random: Draw
    signature: tuple[str, ...]
    response: str = "number"
    own: Mapping[str, Parameter] = MappingProxyType({})
    unit: bool = False
    expected: Callable[[NDArray], NDArray] = identity
    parted: Callable[[Mapping[str, Any], float], tuple[Any, Mapping[str, Any]]] = _apart

    def shown(self) -> dict[str, Any]:
        """Its name, its arguments, and what it is a density of."""
        return {"name": self.name, "arguments": self.arguments, "response": self.response}

    @property
    def trainable(self) -> bool:
        """Whether an expert's function and parameters make up all arguments."""
        return len(self.arguments) == len(self.own) + 1


def _gaussian_logp(y: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    return -0.5 * (np.log(2.0 * np.pi) + pt.log(variance) + (y - mean) ** 2 / variance)


def _gaussian_apart(own: Mapping[str, Any], share: float) -> tuple[Any, Mapping[str, Any]]:
    delta = share * np.sqrt(own["variance"])
    return delta, {"variance": own["variance"] - delta**2}


def _gaussian_random(rng: Generator, mean: NDArray, variance: NDArray) -> NDArray:
    return rng.normal(mean, np.sqrt(variance))


def _laplace_logp(y: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
    return -pt.log(2.0 * scale) - pt.abs(y - mean) / scale


def _laplace_random(rng: Generator, mean: NDArray, scale: NDArray) -> NDArray:
    return rng.laplace(mean, scale)


def _student_t_logp(y: Tensor, mean: Tensor, scale: Tensor, df: Tensor) -> Tensor:
    z = (y - mean) / scale
    normalizer = (
        pt.gammaln((df + 1.0) / 2.0)
        - pt.gammaln(df / 2.0)
        - 0.5 * pt.log(np.pi * df)
        - pt.log(scale)
    )
    return normalizer - (df + 1.0) / 2.0 * pt.log1p(z**2 / df)


def _student_t_random(rng: Generator, mean: NDArray, scale: NDArray, df: NDArray) -> NDArray:
    return mean + scale * rng.standard_t(df)


def _picked(y: Tensor, log_probs: Tensor) -> Tensor:
    """log_probs[y], of any shapes that go together but for the classes, which are in front."""
    missing = max(y.ndim - (log_probs.ndim - 1), 0)
    table = pt.expand_dims(log_probs, tuple(range(1, 1 + missing)))
    classes = pt.expand_dims(pt.arange(table.shape[0]), tuple(range(1, table.ndim)))
    return pt.sum(pt.switch(pt.eq(y, classes), table, 0.0), axis=0)


def _categorical_logp(y: Tensor, probs: Tensor) -> Tensor:
    return _picked(y, pt.log(pt.moveaxis(probs, -1, 0)))


def _categorical_random(rng: Generator, probs: NDArray) -> NDArray:
    edges = np.cumsum(probs, axis=-1)[..., :-1]
    return np.sum(rng.random(probs.shape[:-1])[..., None] > edges, axis=-1)


def _multinomial_logp(y: Tensor, logits: Tensor) -> Tensor:
    # The classes in front, so that what lies side by side are rows: of these there are many.
    free = pt.moveaxis(logits, -1, 0)
    every = pt.concatenate([free, pt.zeros_like(free[:1])], axis=0)
    # Not logits less their logsumexp: JAX derives the maximum within by comparing it with its
    # arguments, which a fused multiplication and addition may round differently: 0/0 then.
    return _picked(y, pt.special.log_softmax(every, axis=0))


def _multinomial_random(rng: Generator, logits: NDArray) -> NDArray:
    from scipy.special import log_softmax  # takes as long to load as NumPy and the command line

    reference = np.zeros((*logits.shape[:-1], 1))
    full = np.concatenate([logits, reference], axis=-1)
    return _categorical_random(rng, np.exp(log_softmax(full, axis=-1)))


def _poisson_logp(y: Tensor, log_rate: Tensor) -> Tensor:
    return y * log_rate - pt.exp(log_rate) - pt.gammaln(y + 1.0)


def _poisson_random(rng: Generator, log_rate: NDArray) -> NDArray:
    return rng.poisson(np.exp(log_rate)).astype(float)


gaussian = Family(
    "gaussian",
    ("mean", "variance"),
    _gaussian_logp,
    _gaussian_random,
    ("()", "()"),
    own=MappingProxyType({"variance": variance("nu")}),
    parted=_gaussian_apart,
)
"""N(y | mean, variance)."""

laplace = Family("laplace", ("mean", "scale"), _laplace_logp, _laplace_random, ("()", "()"))
"""exp(-|y - mean| / scale) / (2 scale); its variance is 2 scale²."""

student_t = Family(
    "student_t", ("mean", "scale", "df"), _student_t_logp, _student_t_random, ("()", "()", "()")
)
"""Student's t with df degrees of freedom, moved by mean and stretched by scale."""

categorical = Family(
    "categorical", ("probs",), _categorical_logp, _categorical_random, ("(k)",), "class", unit=True
)
"""P(y = k) = probs_k."""

multinomial_logistic = Family(
    "multinomial_logistic",
    ("logits",),
    _multinomial_logp,
    _multinomial_random,
    ("(j)",),
    "class",
    unit=True,
)
"""P(y = k) = exp(logit_k) / sum_l exp(logit_l), the last class having logit 0."""

poisson = Family(
    "poisson",
    ("log_rate",),
    _poisson_logp,
    _poisson_random,
    ("()",),
    "count",
    unit=True,
    expected=np.exp,
)
"""P(y) = exp(y log_rate - exp(log_rate)) / y!."""

FAMILIES = {
    family.name: family
    for family in (gaussian, laplace, student_t, categorical, multinomial_logistic, poisson)
}

REGISTRIES.append(FAMILIES)


def register_family(family: Family) -> Family:
    """Make a family known by its name.

    Raises
    ------
    InputError
        When the name is taken by another family.
    """
    return register("family", FAMILIES, family)


def family_named(family: str | Family) -> Family:
    """Return the family of that name; a `Family` is returned as it is."""
    if isinstance(family, Family):
        return family
    return registered("family", FAMILIES, family)
