"""The web of projects and people: audiences, cohorts, campaigns, experiments; a person's own data."""
