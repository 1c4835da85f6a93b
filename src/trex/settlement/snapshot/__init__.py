"""A chain's store as one file, believed as far as a claim on L1 and hashes carry it (specs/snapshot.md)."""
