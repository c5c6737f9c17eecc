"""A saved fit predicts what it predicted, and what is no fit is refused in a line."""

import json

import numpy as np
import pytest
import xarray as xr

from bayes_cmoe import predict
from bayes_cmoe.errors import InputError
from bayes_cmoe.front.saved import read_fit


def saved(tree, folder):
    tree.to_netcdf(folder / "fit.nc", engine="h5netcdf")
    return folder / "fit.nc"


def test_a_saved_fit_predicts_the_same(tmp_path, measured, number_posterior):
    again = read_fit(saved(number_posterior, tmp_path))
    one, other = predict(number_posterior, measured), predict(again, measured)
    for name in one:
        np.testing.assert_array_equal(one[name], other[name])
    # A folder stands for the fit in it.
    assert read_fit(tmp_path).attrs["origin"] == number_posterior.attrs["origin"]


def test_what_is_no_fit_is_refused(tmp_path, number_fit):
    whole = saved(number_fit, tmp_path).read_bytes()
    (tmp_path / "half.nc").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.nc").write_text("x,y\n1,2\n")
    xr.Dataset({"y": ("obs", [1.0])}).to_netcdf(tmp_path / "other.nc", engine="h5netcdf")
    nameless = number_fit.copy()
    nameless.attrs = {"origin": json.dumps({"variant": "x"})}
    nameless.to_netcdf(tmp_path / "strange.nc", engine="h5netcdf")
    for name, words in (
        ("none.nc", "no such file"),
        ("half.nc", "not a saved fit"),
        ("text.nc", "not a saved fit"),
        ("other.nc", "no group 'posterior'"),
        ("strange.nc", "is damaged"),
    ):
        with pytest.raises(InputError, match=words) as caught:
            read_fit(tmp_path / name)
        assert name in str(caught.value)
        assert "\n" not in str(caught.value)
