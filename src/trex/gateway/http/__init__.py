"""The gateway's HTTP: what it takes and answers, and what it does not let in."""
