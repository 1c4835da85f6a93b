"""What people are likely to want next, learned from who used what."""
