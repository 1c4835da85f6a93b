"""Badges: what a policy asks, what was observed, what follows from it (specs/policy.md)."""
