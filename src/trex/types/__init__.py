"""Small frozen types that cross package borders. Imports nothing local."""
