"""What the suite uses of PyMC, PyTensor, nutpie and joblib that they do not promise to keep.

Nothing else in the suite touches their inside; `tests/compiled/test_private.py` holds each name,
and what it is needed for, against the installed versions. Imports are inside the functions because
they load the packages.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from threading import RLock
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bayes_cmoe.compiled.device import set_up
from bayes_cmoe.errors import InputError
from bayes_cmoe.lazy import pm, pt, xr

if TYPE_CHECKING:
    from pytensor.graph.basic import Variable

    from bayes_cmoe.compiled.types import Array, Tensor

__all__ = [
    "Sampler",
    "borrowed",
    "class_name",
    "continuous_distributions",
    "dead_worker_error",
    "density_sampler",
    "depends_on_random",
    "forward_transformed",
    "initial_value",
    "is_random",
    "jaxify",
    "joint_log_density",
    "known_parts",
    "quiet_in_numba",
    "replaced",
    "response_name",
    "row_nodes",
    "row_values",
    "sampled_by_nutpie",
    "shape_of",
    "shared_value",
    "support",
    "ties_entries",
    "value_variable",
    "with_leading",
    "written",
]


def value_variable(model: pm.Model, variable: Tensor) -> Tensor:
    """The variable that stands for a random variable's value: the data, or a transformed value."""
    return model.rvs_to_values[variable]


def row_nodes(model: pm.Model) -> dict[str, Variable]:
    """What a model has of its rows, with ``obs`` as the first dim: `pm.Data`, and the response.

    The response may be a constant, as after `pm.observe`; it then has the random variable's name.
    """
    held = {
        name: model[name]
        for name, dims in model.named_vars_to_dims.items()
        if tuple(dims)[:1] == ("obs",)
    }
    found = {name: node for name, node in held.items() if shared_value(node) is not None}
    for response in model.observed_RVs:
        value = value_variable(model, response)
        if response.name in held and shared_value(value) is None and value.owner is None:
            found[response.name] = value
    return found


def row_values(model: pm.Model) -> dict[str, NDArray]:
    """The values of `row_nodes`."""
    return {name: np.asarray(_held(node)) for name, node in row_nodes(model).items()}


def _held(node: Any) -> Any:
    value = shared_value(node)
    return node.data if value is None else value


def response_name(model: pm.Model) -> str:
    """The name among `row_nodes` of the observed response."""
    (response,) = model.observed_RVs
    value = value_variable(model, response)
    return str(response.name if shared_value(value) is None else value.name)


def initial_value(model: pm.Model, variable: Tensor) -> float | NDArray:
    """Where the model starts a free random variable; NaN where it does not say by numbers."""
    given = model.rvs_to_initial_values[variable]
    return np.asarray(given, dtype=float) if isinstance(given, int | float | np.ndarray) else np.nan


def shape_of(variable: Tensor) -> tuple[int, ...]:
    """The shape of a random variable, as its type states it or else by evaluating it."""
    known = variable.type.shape
    # PyTensor's default would compile by Numba what is computed once.
    found = variable.shape.eval(mode="FAST_COMPILE") if None in known else known
    return tuple(int(length) for length in found)


def shared_value(node: Variable) -> Any:
    """What a shared variable such as `pm.Data` holds; None for a node that is none."""
    from pytensor.compile.sharedvalue import SharedVariable

    return node.get_value() if isinstance(node, SharedVariable) else None


def class_name(variable: Tensor) -> str:
    """The class name that a random variable was given, such as ``ContaminatedMixture``."""
    return getattr(variable.owner.op, "_print_name", ("",))[0]


def joint_log_density(values: Mapping[Tensor, Tensor]) -> list[Tensor]:
    """Log-densities of random variables at values on the natural scale, without Jacobians."""
    from pymc.logprob.basic import conditional_logp

    found = conditional_logp(dict(values))
    return [found[value] for value in values.values()]


# Random variables --------------------------------------------------------------------------------


class Sampler(NamedTuple):
    """How a random variable is drawn.

    Parameters
    ----------
    draw : callable
        ``draw(rng, *arguments, None)``, in NumPy.
    arguments : sequence of tensors
        What it takes, as expressions in the model.
    cores : tuple of int
        Number of core dimensions of each argument.
    """

    draw: Callable[..., NDArray]
    arguments: Sequence[Tensor]
    cores: tuple[int, ...]


def density_sampler(variable: Tensor) -> Sampler:
    """The sampler of a random variable with a `random` method."""
    op = variable.owner.op
    return Sampler(op.rng_fn, op.dist_params(variable.owner), tuple(op.ndims_params))


def with_leading(variable: Tensor, leading: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
    """The same random variable with other arguments in front, and the arguments that it had there.

    Parameters
    ----------
    variable : tensor
    leading : sequence of tensors
        Take the place of as many of the variable's arguments.
    """
    op = variable.owner.op
    rng, size, *arguments = variable.owner.inputs
    count = len(leading)
    node = op.make_node(rng, size, *leading, *arguments[count:])
    return node.outputs[1], arguments[:count]


def is_random(variable: Any) -> bool:
    """Whether something is a random variable, such as ``pm.Beta.dist(2, 8)`` returns."""
    op = getattr(getattr(variable, "owner", None), "op", None)
    return hasattr(op, "ndim_supp") and hasattr(op, "dist_params")


def written(variable: Tensor) -> str:
    """A random variable as PyMC writes it, such as ``Beta(2, 8)``."""
    from pymc.printing import str_for_dist

    return str(str_for_dist(variable, formatting="plain")).rpartition("~ ")[2]


def ties_entries(variable: Tensor) -> bool:
    """Whether several entries of a random variable are drawn together."""
    return bool(variable.owner.op.ndim_supp)


def depends_on_random(variable: Tensor) -> bool:
    """Whether a random variable's arguments hold others."""
    from pytensor.graph.traversal import ancestors

    return any(is_random(node) for node in ancestors(list(variable.owner.inputs)))


def continuous_distributions() -> dict[str, Any]:
    """PyMC's continuous distributions of one number, by name."""
    from pymc.distributions import continuous

    return {name: getattr(continuous, name) for name in continuous.__all__}


def borrowed(variable: Tensor, name: str, dims: tuple[str, ...]) -> Tensor:
    """A random variable like a given one, in the model on the stack, with these dims.

    Parameters
    ----------
    variable : tensor
        Of any model or of none; it stays as it is.
    name : str
    dims : tuple of str
        Of the model; the given one's own shape fits into theirs.
    """
    from pymc.distributions.shape_utils import change_dist_size

    model = pm.modelcontext(None)
    shape = tuple(len(model.coords[dim]) for dim in dims)
    return model.register_rv(change_dist_size(variable, shape), name, dims=dims)


def quiet_in_numba(name: str) -> None:
    """Let PyMC draw from a random variable of this class name without Numba's warning.

    It says that a sampler in NumPy is called from compiled code, which is what ours are for.
    """
    message = f"Numba will use object mode to run {name}"
    warnings.filterwarnings("ignore", message, UserWarning)


# Supports and transforms -------------------------------------------------------------------------


def forward_transformed(model: pm.Model, variable: Tensor, value: Tensor) -> Tensor:
    """A value of a free random variable on PyMC's unconstrained scale."""
    transform = model.rvs_to_transforms[variable]
    return value if transform is None else transform.forward(value, *variable.owner.inputs)


def support(model: pm.Model, variable: Tensor) -> tuple[NDArray, NDArray]:
    """Lower and upper edge of a free random variable's support, as its transform states them.

    That of the model, or where it has none the one that the distribution declares. Edges are
    infinite where there is none.

    Parameters
    ----------
    model : pm.Model
    variable : tensor
        One of its free random variables.

    Returns
    -------
    lower, upper : array, broadcastable to the variable

    Raises
    ------
    InputError
        When the transform works on several entries together (a simplex, an ordered vector), states
        no edges, or has edges that move with other unknowns.
    """
    from pymc.distributions.transforms import _default_transform

    transform = model.rvs_to_transforms[variable]
    if transform is None:
        transform = _default_transform(variable.owner.op, variable)
    if transform is None:
        return np.array(-np.inf), np.array(np.inf)
    if transform.ndim_supp != 0:
        raise InputError(
            f"the entries of {variable.name} depend on each other (transform {transform.name}): "
            "the estimators need parameters that each have a range of their own: write it as such"
        )
    edges = _edges(transform, variable)
    if edges is None:
        raise InputError(
            f"the transform {transform.name} of {variable.name} states no range: use an interval, "
            "log or logodds transform"
        )
    lower, upper = (_constant(model, variable, edge) for edge in edges)
    return lower, upper


def _edges(transform: Any, variable: Tensor) -> tuple[Any, Any] | None:
    """The range of an elementwise transform's natural scale, numbers or expressions."""
    from pymc.distributions.transforms import LogExpM1
    from pymc.logprob.transforms import (
        CircularTransform,
        IntervalTransform,
        LogOddsTransform,
        LogTransform,
    )

    if isinstance(transform, IntervalTransform):
        lower, upper, *_ = transform.get_a_and_b(variable.owner.inputs)
        return lower, upper
    fixed = {
        LogTransform: (0.0, np.inf),
        LogExpM1: (0.0, np.inf),
        LogOddsTransform: (0.0, 1.0),
        CircularTransform: (-np.pi, np.pi),
    }
    return next((edges for kind, edges in fixed.items() if isinstance(transform, kind)), None)


def _constant(model: pm.Model, variable: Tensor, edge: Any) -> NDArray:
    from pytensor.graph.traversal import ancestors

    node = pt.as_tensor(edge)
    if set(ancestors([node])) & set(model.free_RVs):
        raise InputError(
            f"the range of {variable.name} moves with other parameters: give it fixed bounds"
        )
    return np.asarray(node.eval(mode="FAST_COMPILE"), dtype=float)


# PyTensor graphs as JAX functions ----------------------------------------------------------------


@cache
def _conversion() -> Callable[..., Any]:
    """PyTensor's conversion to JAX, with what it lacks for PyMC's densities."""
    from pymc.logprob.utils import CheckParameterValue
    from pytensor.link.jax.dispatch import jax_funcify
    from pytensor.scalar import Softplus
    from pytensor.tensor.special import LogAddExp

    from bayes_cmoe.compiled.elementary import log_add_exp, softplus

    def pass_through(op: Any, **kwargs: Any) -> Callable[..., Array]:
        # Under JAX a value cannot be raised on; the estimators keep parameters in their support.
        def value_unchecked(value: Array, *conditions: Array) -> Array:
            return value

        return value_unchecked

    jax_funcify.register(CheckParameterValue)(pass_through)
    jax_funcify.register(Softplus)(lambda op, **kwargs: softplus)
    jax_funcify.register(LogAddExp)(lambda op, **kwargs: log_add_exp)
    return jax_funcify


def replaced(outputs: Sequence[Tensor], replace: Mapping[Any, Tensor]) -> list[Any]:
    """A copy of the graph of `outputs` in which some variables are others."""
    from pytensor.graph.replace import clone_replace

    return clone_replace(list(outputs), replace=[*replace.items()], rebuild_strict=False)


def known_parts(
    outputs: Sequence[Tensor], known: Sequence[Tensor], unknown: Sequence[Tensor]
) -> list[Tensor]:
    """The largest parts of a graph that are computed from some inputs and from no others.

    Left out are those that are no numbers of double precision, and those that are merely shaped,
    sliced or filled: to keep them costs more than to make them again.

    Parameters
    ----------
    outputs : sequence of tensors
    known, unknown : sequence of tensors
        Inputs of the graph; a part is of the first kind alone, and of one of them at least.
    """
    from pytensor.graph.traversal import toposort
    from pytensor.scalar import Cast, Identity, Second
    from pytensor.tensor.elemwise import CAReduce, Elemwise
    from pytensor.tensor.math import Dot
    from pytensor.tensor.symbolic import TensorSymbolicOp

    idle = (Cast, Identity, Second)
    of_known: set[Any] = set(known)
    of_unknown: set[Any] = set(unknown)
    worked: set[Any] = set()
    found: dict[Any, None] = {}

    def is_part(variable: Any) -> bool:
        return variable in worked and variable.type.dtype == "float64"

    for node in toposort(outputs):
        inputs = set(node.inputs)
        if inputs & of_unknown:
            of_unknown |= set(node.outputs)
            found |= dict.fromkeys(v for v in node.inputs if v not in of_unknown and is_part(v))
        elif inputs & of_known:
            of_known |= set(node.outputs)
            works = isinstance(node.op, CAReduce | Dot | TensorSymbolicOp) or (
                isinstance(node.op, Elemwise) and not isinstance(node.op.scalar_op, idle)
            )
            if works or inputs & worked:
                worked |= set(node.outputs)
    return [*found]


def jaxify(inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> Callable[..., tuple[Array, ...]]:
    """A JAX-traceable function of `inputs` that returns the tuple of `outputs`.

    Shared variables that are not inputs (lengths of dims, data without rows) become constants,
    with the values that they have now. The conversion is made at the first call.
    """
    set_up()
    from pytensor.graph.fg import FunctionGraph
    from pytensor.graph.traversal import graph_inputs

    held = {node: shared_value(node) for node in graph_inputs(outputs)}
    constants = {node: pt.constant(value) for node, value in held.items() if value is not None}
    graph = FunctionGraph(inputs=list(inputs), outputs=replaced(outputs, constants), clone=True)
    made: list[Callable[..., tuple[Array, ...]]] = []

    def function(*values: Array) -> tuple[Array, ...]:
        # Chains that begin in several threads ask for it at once, and a graph is rewritten once.
        with _CONVERTING:
            if not made:
                made.append(_converted(graph))
        return made[0](*values)

    return function


_CONVERTING = RLock()


def _converted(graph: Any) -> Callable[..., tuple[Array, ...]]:
    import jax
    from pytensor import config
    from pytensor.compile.mode import JAX

    # As PyTensor's own compilation, it does not note where each new variable was made.
    quick = config.change_flags(traceback__limit=config.traceback__compile_limit)
    # Asked for within a function that is being traced, of which the constants are no part.
    with quick, jax.ensure_compile_time_eval():
        # Taken apart, logaddexp could not be given its own derivative.
        JAX.excluding("inline_ofg").optimizer.rewrite(graph)
        return _conversion()(graph)


# nutpie and joblib -------------------------------------------------------------------------------


def sampled_by_nutpie(
    log_density: Callable[[NDArray], tuple[float, NDArray]],
    starts: NDArray,
    *,
    seeds: Sequence[int],
    cores: int,
    progress: bool,
    settings: Mapping[str, Any],
) -> xr.DataTree:
    """Draws z, in the posterior's variable ``z``, by nutpie from a density in NumPy.

    nutpie does not let its chains begin where each is told to, so each is a call of its own.

    Parameters
    ----------
    log_density : callable
        ``log_density(z)``: its value and its gradient.
    starts : array, shape (chain, parameter)
        Where each chain begins; the gradient must not be zero there.
    seeds : sequence of int
        One for each chain.
    cores : int
        Chains that run at a time, in threads.
    progress : bool
    settings : mapping
        What else `nutpie.sample` takes: draws, tune, target_accept.
    """
    from concurrent.futures import ThreadPoolExecutor

    import nutpie

    size = starts.shape[1]

    def chain(begin: NDArray, seed: int) -> xr.DataTree:
        compiled = nutpie.compiled_pyfunc.from_pyfunc(
            ndim=size,
            make_logp_fn=lambda: log_density,
            make_expand_fn=lambda _seed1, _seed2, _chain: lambda z: {"z": np.asarray(z)},
            expanded_dtypes=[np.dtype("float64")],
            expanded_shapes=[(size,)],
            expanded_names=["z"],
            make_initial_point_fn=lambda _seed: begin,
        )
        # Waited for here: nutpie's own waiting takes an interrupt for the wish to go on with the
        # draws that there are, and a stopped sweep would keep a row of them.
        sampler = nutpie.sample(
            compiled,
            blocking=False,
            chains=1,
            cores=1,
            seed=seed,
            progress_bar=progress,
            save_warmup=False,
            **settings,
        )
        try:
            return sampler.wait()
        except BaseException:
            sampler.cancel()
            raise

    if cores == 1:
        sampled = [chain(begin, seed) for begin, seed in zip(starts, seeds, strict=True)]
    else:
        with ThreadPoolExecutor(cores) as pool:
            sampled = list(pool.map(chain, starts, seeds))
    groups = {
        group: xr.concat([one[group].to_dataset() for one in sampled], dim="chain").assign_coords(
            chain=np.arange(len(sampled))
        )
        for group in ("posterior", "sample_stats")
    }
    return xr.DataTree.from_dict(groups)


def dead_worker_error() -> type[Exception]:
    """What joblib raises when a worker process is killed."""
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    return TerminatedWorkerError
