"""Moving ether and tokens between L1 and this chain, as a user does it: with one key and public endpoints."""
