"""Social accounts: platforms as data, and judgements of what they show."""
