"""The `trex` command: what it can do, by name. Each command lives in a module of its own."""

import click

from trex.node.lazy import LazyCommand, LazyGroup

COMMANDS = {
    "devnet": LazyCommand("trex.node.devnet:devnet", "Start a rollup of your own."),
    "node": LazyCommand("trex.node.run:node", "Run a node of a network."),
    "export": LazyCommand("trex.node.db:export", "Write blocks to FILE."),
    "import": LazyCommand("trex.node.db:import_", "Execute and store the blocks of FILE."),
    "db": LazyCommand("trex.node.db:db", "Look after a data directory."),
    "bridge": LazyCommand("trex.node.bridge:bridge", "Move ether and tokens between L1 and this chain."),
    "rollup": LazyCommand("trex.node.rollup:rollup", "How a network stands on L1, and what must be trusted."),
    "l1": LazyCommand("trex.node.l1:l1", "Bring the contracts of a network to L1."),
    "batcher": LazyCommand("trex.node.batcher:batcher", "Post a chain's blocks to L1."),
    "proposer": LazyCommand("trex.node.proposer:proposer", "Claim a chain's outputs on L1."),
    "batch": LazyCommand(
        "trex.node.batch:batch", "Batches of blocks: what they hold, or why they read as empty."
    ),
    "network": LazyCommand("trex.node.network:network", "Look at a network file."),
    "statetest": LazyCommand(
        "trex.node.statetest:statetest", "Run Ethereum's state tests in PATH; exit code 1 if one fails."
    ),
    "badge": LazyCommand("trex.node.badge:badge", "Badges and their policies."),
    "passport": LazyCommand(
        "trex.node.passport:passport", "Passports: keys, guardians, recovery, moving wallets."
    ),
    "event": LazyCommand("trex.node.event:event", "Codes of events: make and redeem them."),
    "eligibility": LazyCommand(
        "trex.node.eligibility:eligibility",
        "Stages of mints: allow-lists, and who may take what.",
    ),
    "task": LazyCommand("trex.node.task:task", "Tasks that are worth points: check and explain them."),
    "engagement": LazyCommand(
        "trex.node.engagement:engagement", "Rewards of epochs: compute them from the chain, compare, publish."
    ),
    "audience": LazyCommand("trex.node.audience:audience", "Find people by a sentence."),
    "engine": LazyCommand("trex.node.engine:engine", "From events to the right people."),
    "zktls": LazyCommand("trex.node.zktls:zktls", "Judge zkTLS claims of Reclaim."),
    "did": LazyCommand("trex.node.did:did", "Passports as decentralized identifiers."),
    "gateway": LazyCommand("trex.node.gateway:gateway", "The persona service."),
    "attestor": LazyCommand("trex.node.attestor:attestor", "Members of the validator set, one a process."),
    "version": LazyCommand("trex.node.version:version", "Version and build of this program."),
}
"""Every command of `trex`, in the order its help shows them."""


@click.group(cls=LazyGroup, lazy=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="trex", prog_name="trex")
def main() -> None:
    """T-Rex: an EVM-compatible optimistic rollup for personas."""
