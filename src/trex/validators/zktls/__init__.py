"""Reclaim claims: what an attestor saw of a TLS session between a person and a platform (specs/zktls.md)."""
