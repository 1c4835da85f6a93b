"""Development networks only: known keys, a faucet, control of time, state rewritten by request."""
