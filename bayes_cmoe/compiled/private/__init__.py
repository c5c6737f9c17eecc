"""What the suite uses of PyMC, PyTensor, nutpie and joblib that they do not promise to keep.

Nothing else in the suite touches their inside; `tests/compiled/test_private.py` holds each name,
and what it is needed for, against the installed versions. Imports are inside the functions because
they load the packages.
"""

from bayes_cmoe.compiled.private.conversion import (
    jaxify,
    known_parts,
    replaced,
)
from bayes_cmoe.compiled.private.models import (
    class_name,
    initial_value,
    joint_log_density,
    response_name,
    row_nodes,
    row_values,
    shape_of,
    shared_value,
    value_variable,
)
from bayes_cmoe.compiled.private.processes import (
    dead_worker_error,
    let_grow,
    sampled_by_nutpie,
)
from bayes_cmoe.compiled.private.supports import (
    forward_transformed,
    support,
)
from bayes_cmoe.compiled.private.variables import (
    Sampler,
    borrowed,
    continuous_distributions,
    density_sampler,
    depends_on_random,
    is_random,
    quiet_in_numba,
    ties_entries,
    with_leading,
    written,
)

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
    "let_grow",
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
