"""Fits that were saved by `bayes-cmoe fit -o`, read without trusting the file."""

from __future__ import annotations

from pathlib import Path

from bayes_cmoe.errors import InputError, shortened
from bayes_cmoe.front.origin import origin_of
from bayes_cmoe.lazy import xr

__all__ = ["read_fit"]

GROUPS = ("posterior", "point_estimate", "constant_data", "observed_data")


def read_fit(file: Path) -> xr.DataTree:
    """A saved fit, in memory.

    Parameters
    ----------
    file : Path
        ``fit.nc``, or the folder that it lies in.

    Raises
    ------
    InputError
        When there is none, or it is not a fit that says how it was made.
    """
    own = file / "fit.nc" if file.is_dir() else file
    if not own.is_file():
        raise InputError(f"{own}: no such file: give the fit.nc that bayes-cmoe fit -o wrote")
    try:
        with xr.open_datatree(own, engine="h5netcdf") as opened:
            tree = opened.load()
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, AttributeError) as error:
        reason = shortened(" ".join(str(error).split()), 200)
        raise InputError(f"{own}: not a saved fit ({reason}): fit again with -o") from None
    missing = [name for name in GROUPS if name not in tree.children]
    if missing:
        raise InputError(f"{own}: has no group {missing[0]!r}: give the fit.nc of bayes-cmoe fit")
    try:
        origin_of(tree)
    except InputError as error:
        raise InputError(f"{own}: {error}") from None
    except (ValueError, TypeError, KeyError):
        raise InputError(f"{own}: what it says of its making is damaged: fit again") from None
    return tree
