"""The lake: from facts to the features of a persona."""
