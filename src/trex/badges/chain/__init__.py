"""Badges as the chain has them: what is stored, who signed it, what a grant rests on."""
