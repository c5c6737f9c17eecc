"""JAX's settings belong to the program until the first model is compiled."""

import json
import os
import subprocess
import sys

BEFORE = """
import json
import jax
import jax.numpy as jnp

def settings():
    found = (jax.config.jax_enable_x64, jax.config.read("jax_cpu_enable_async_dispatch"))
    return [*found, str(jnp.asarray(1.5).dtype)]

stages = [settings()]
import bayes_cmoe.commands.cli, bayes_cmoe.theory.scores
import bayes_cmoe.estimate.map, bayes_cmoe.study.targets
from bayes_cmoe import Data, frozen_predictions, variant_named

variant = variant_named("constant_contaminated")
frozen = frozen_predictions("gaussian", mean=[0.0, 1.0, 2.0], scale=1.0)
model = variant.build(Data([0.0, 1.0, 2.0], [0.1, 0.9, 1.2]), frozen=frozen)
stages.append(settings())
from bayes_cmoe.compiled.likelihood import Likelihood

Likelihood(model)
stages.append(settings())
print(json.dumps(stages))
"""


def stages(**environment: str) -> list[list[object]]:
    done = subprocess.run(
        [sys.executable, "-c", BEFORE],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def test_jax_is_set_up_when_a_model_is_compiled_and_not_before() -> None:
    plain, imported, compiled = stages()
    assert plain == imported == [False, True, "float32"]
    assert compiled == [True, False, "float64"]


def test_a_dispatch_that_the_environment_sets_stays() -> None:
    *_, compiled = stages(JAX_CPU_ENABLE_ASYNC_DISPATCH="true")
    assert compiled == [True, True, "float64"]
