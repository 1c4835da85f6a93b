"""Members of the validator set as processes of their own: each signs, and holds a share of k."""
