"""The passport from outside: keys, what they sign, sign-in texts, the contracts' state."""
