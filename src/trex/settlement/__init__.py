"""Talking to L1: reading it, posting to it, and deriving the chain from what was posted."""
