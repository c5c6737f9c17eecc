"""Monte-Carlo sweeps: design, run, store."""
