"""Validators: pure functions from evidence and a policy to a decision with its reasons.

Evidence comes in as typed values; collectors beside each validator fetch it. No validator reads a clock,
a disk or the network.
"""
