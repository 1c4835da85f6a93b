"""Stages of mints: what policies ask about them, and what people need to mint (GTW-103)."""

from collections.abc import Collection

from trex.badges.observation import Observation
from trex.badges.policy import CheckCondition
from trex.gateway.service import Gateway
from trex.types.evm import read_address
from trex.types.primitives import Hash32
from trex.validators.ecosystem.stages import Eligibility, StageName, eligibility, observed

VALIDATOR = "eligibility.stage"
"""The check that stages answer (POL-051)."""


async def observations_of(
    gateway: Gateway, passport: int, checks: Collection[CheckCondition], block: int
) -> dict[Hash32, Observation]:
    """Answer the `eligibility.` checks of a policy, all as of one block of this chain."""
    chain_id = gateway.settings.contracts.chain_id
    found = {}
    for check in checks:
        if check.validator != VALIDATOR:
            continue
        name = StageName(read_address(check.parameters["collection"]), check.parameters["stage"])
        if check.parameters["chain"] != chain_id:
            reason = "stages of another chain are not asked here"
            found[check.key] = Observation(None, gateway.now_s, f"stages of chain {chain_id}", reason)
            continue
        there = await eligibility(gateway.client, name, passport, gateway.lists, block)
        found[check.key] = observed(chain_id, name, there, gateway.now_s)
    return found


async def of(gateway: Gateway, passport: int, name: StageName) -> Eligibility | None:
    """Return what a stage is for a passport now; None if there is no such stage."""
    block, _ = await gateway.client.latest()
    return await eligibility(gateway.client, name, passport, gateway.lists, int(block, 16))
