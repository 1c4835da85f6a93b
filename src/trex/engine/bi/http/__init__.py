"""What projects ask over HTTP (specs/bi.md, BIA)."""
