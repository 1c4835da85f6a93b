"""Words of bytes and amounts, told apart by type."""

from typing import NewType

Address = NewType("Address", bytes)
"""Twenty bytes that name an account."""
Hash32 = NewType("Hash32", bytes)
"""Thirty-two bytes: a hash, or a word that plays the part of one."""
Wei = NewType("Wei", int)
"""An amount of ether in its smallest unit; as a price, per unit of gas."""
Gas = NewType("Gas", int)
"""An amount of gas."""
