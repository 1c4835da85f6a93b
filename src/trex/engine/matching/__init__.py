"""From the sentence somebody means to the people it means."""
