"""Asked for nested Laplace: its draws where it trusts itself, NUTS' where it does not."""

import numpy as np
import pytest

import bayes_cmoe.estimate.nested as nested
from bayes_cmoe import simulate, variant_named
from bayes_cmoe.compiled.posterior import Posterior
from bayes_cmoe.errors import InputError
from bayes_cmoe.estimate.chosen import fit_by
from bayes_cmoe.estimate.map import fit_map
from bayes_cmoe.estimate.nested import fit_nested
from bayes_cmoe.estimate.nuts import fit_nuts

# Sixty draws a chain are too few to be content with.
pytestmark = pytest.mark.filterwarnings("ignore::bayes_cmoe.estimate.diagnostics.SamplingWarning")
OPTIONS = {"draws": 60, "chains": 2, "seed": 5}


@pytest.fixture(scope="module")
def given():
    variant = variant_named("constant_contaminated")
    model = variant.model("distinguishable", simulate(variant, "distinguishable", 200, seed=1))
    posterior = Posterior(model)
    return model, {"posterior": posterior, "start": fit_map(model, posterior=posterior)}


def drawn(tree):
    return tree["posterior"]["b"].to_numpy()


def test_each_engine_is_asked_as_it_would_be_alone(given):
    model, compiled = given
    weighted = fit_by("nested", model, **OPTIONS, **compiled, tune=50, cores=1)
    assert weighted.attrs["engine"] == "nested"
    np.testing.assert_array_equal(drawn(weighted), drawn(fit_nested(model, **OPTIONS, **compiled)))
    sampled = fit_by("nuts", model, **OPTIONS, **compiled, tune=50, cores=1)
    alone = fit_nuts(model, **OPTIONS, **compiled, tune=50, cores=1)
    np.testing.assert_array_equal(drawn(sampled), drawn(alone))
    assert "khat" not in sampled.attrs


def test_weights_that_are_not_trusted_give_way_to_nuts_and_leave_their_k_hat(given, monkeypatch):
    """Effective draws in the millions a chain are never reached."""
    model, compiled = given
    monkeypatch.setattr(nested, "FEWEST", 10**6)
    found = fit_by("nested", model, **OPTIONS, **compiled, tune=50, cores=1)
    assert found.attrs["engine"] == "nuts"
    alone = fit_nuts(model, **OPTIONS, **compiled, tune=50, cores=1)
    np.testing.assert_array_equal(drawn(found), drawn(alone))
    untrusted = fit_nested(model, **OPTIONS, **compiled)
    assert not untrusted.attrs["trusted"]
    assert found.attrs["khat"] == untrusted.attrs["khat"]


def test_another_engine_is_refused_by_name(given):
    model, compiled = given
    with pytest.raises(InputError, match="unknown engine 'nest': did you mean 'nested'"):
        fit_by("nest", model, **OPTIONS, **compiled, tune=50)
