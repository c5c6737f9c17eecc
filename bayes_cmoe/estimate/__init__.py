"""MAP and NUTS."""
