"""What every HTTP service of ours stands on: bounds before requests, refusals, audit, state, documents."""
