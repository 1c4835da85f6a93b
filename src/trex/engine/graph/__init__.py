"""The persona graph: who has, holds, uses and earns what, kept up from facts (specs/engine.md, GRA)."""
