"""A PyMC model with rows, compiled: likelihood, posterior, simulator, components."""
