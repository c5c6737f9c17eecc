"""A confidence interval as a dataset that shows what it says."""

from __future__ import annotations

from typing import Any

import xarray as xr

from bayes_cmoe.shown import Shown

__all__ = ["ConfidenceInterval"]


class ConfidenceInterval(Shown, xr.Dataset):
    """What `bayes_cmoe.intervals` returns: an xarray.Dataset that shows its ends.

    All that it holds is seen as ``xarray.Dataset(found)``.

    Examples
    --------
    >>> numbers = {"estimate": 0.5, "lower": 0.25, "upper": 1.0}
    >>> ends = {"open_below": False, "open_above": True}
    >>> attrs = {"name": "lam", "method": "profile", "level": 0.9}
    >>> ConfidenceInterval({**numbers, **ends}, attrs=attrs)  # doctest: +NORMALIZE_WHITESPACE
    ConfidenceInterval(name=lam, estimate=0.5, interval='0.25 to 1, where the range ends',
                       level=0.9, method=profile)
    """

    __slots__ = ()

    def shown(self) -> dict[str, Any]:
        """Name, estimate, interval, level and method."""
        ends = " to ".join(
            f"{float(self[end]):.4g}{', where the range ends' if self[open_] else ''}"
            for end, open_ in (("lower", "open_below"), ("upper", "open_above"))
        )
        level, method = self.attrs["level"], self.attrs["method"]
        return {
            "name": self.attrs["name"],
            "estimate": f"{float(self['estimate']):.4g}",
            "interval": ends,
            "level": f"{level:.4g}",
            "method": method,
        }
