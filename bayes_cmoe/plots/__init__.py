"""Figures of sweeps and posteriors on ArviZ's own layer, for any of its backends."""
