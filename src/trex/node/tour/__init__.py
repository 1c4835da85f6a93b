"""What `trex devnet tour` is made of: a market, claims, and the check of what was found."""
