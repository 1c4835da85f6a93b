"""Whether a policy's check is one that could ever be answered (POL-022)."""

from trex.badges.policy import CheckCondition
from trex.validators.onchain.observe_web3 import signature_fault
from trex.validators.zktls.observe import provider_fault


def check_fault(check: CheckCondition) -> str:
    """Say why nothing could answer a check; empty if something could."""
    return provider_fault(check) or signature_fault(check)
