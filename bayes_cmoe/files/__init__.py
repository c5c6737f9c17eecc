"""A user's tables in, whole folders out."""
