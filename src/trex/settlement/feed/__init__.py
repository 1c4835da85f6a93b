"""Unsafe blocks from node to node: signed, bounded, and never more than a convenience (specs/feed.md)."""
