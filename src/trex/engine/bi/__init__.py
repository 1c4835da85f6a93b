"""What a project asks about its people: experiments, cohorts, funnels."""
