"""Proof-of-Engagement: epochs of rewards that anyone recomputes from the chain."""
