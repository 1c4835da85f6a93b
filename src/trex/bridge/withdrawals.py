"""From this chain to L1: three transactions, with two waits between them (specs/portal.md PTL-030..038)."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError
from eth_hash.auto import keccak

from trex.bridge.errors import BridgeError
from trex.bridge.layer import Layer, Receipt, calldata
from trex.bridge.reverts import WORDS
from trex.bridge.tokens import approve, approve_collection
from trex.settlement.contracts import contract
from trex.settlement.deployment import output_root
from trex.types.network import L1Settlement
from trex.types.primitives import Address, Hash32

PASSER = Address(bytes.fromhex("4200000000000000000000000000000000000016"))
L2_BRIDGE = Address(bytes.fromhex("4200000000000000000000000000000000000010"))
L2_NFT_BRIDGE = Address(bytes.fromhex("4200000000000000000000000000000000000014"))
MESSAGE_PASSED = Hash32(keccak(b"MessagePassed(uint256,address,address,uint256,uint256,bytes,bytes32)"))
ETHER_GAS = 100_000
"""On L1, for ether to a recipient that may be a contract."""
TOKEN_GAS = 200_000
"""On L1, for a bridge to hand out or mint a token."""
CLAIMS_AT_ONCE = 50
"""Claims looked through in one request, newest first."""
MOST_SKIPPED = 1_000
"""Claims that one search passes over at most, lost or of another type (PTL-050)."""
LOST = 1
"""Status of a claim that was rejected, as dispute games number it."""


class Stage(StrEnum):
    """How far a withdrawal is."""

    UNCLAIMED = "waiting for a claim"
    """No claim about an output that has it."""
    PROVABLE = "ready to prove"
    MATURING = "waiting to finalize"
    """Proven; proof or claim are too young."""
    FINALIZABLE = "ready to finalize"
    FINALIZED = "finalized"
    FAILED = "failed on L1"
    """Carried out, and the call on L1 failed: `replay` repeats it."""


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """A message from L2 to L1."""

    nonce: int
    sender: Address
    target: Address
    value_wei: int
    gas_limit: int
    data: bytes
    l2_block: int

    @property
    def fields(self) -> tuple[Any, ...]:
        """As the portal takes it."""
        return (
            self.nonce,
            _hex(self.sender),
            _hex(self.target),
            self.value_wei,
            self.gas_limit,
            self.data,
        )

    @property
    def hash(self) -> Hash32:
        """What names it (PTL-030)."""
        types = ["uint256", "address", "address", "uint256", "uint256", "bytes"]
        return Hash32(keccak(encode(types, self.fields)))


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim that a withdrawal can be proven by."""

    index: int
    """On the list of claims."""
    game: Address
    output_root: Hash32
    l2_block: int
    created_at: int
    """L1 timestamp."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """When the next claim is to be expected."""

    l2_block: int | None
    """Block of the newest claim; None when there is none."""
    next_s: int | None
    """Seconds until the next claim, if they keep coming as the last ones did; None when that is not known."""

    @classmethod
    def of(cls, claims: Sequence[Claim], now: int) -> "Outlook":
        """Judge by the last claims, newest first."""
        if not claims:
            return cls(None, None)
        last = claims[:4]
        if len(last) < 2:
            return cls(last[0].l2_block, None)
        apart_s = (last[0].created_at - last[-1].created_at) // (len(last) - 1)
        return cls(last[0].l2_block, max(1, last[0].created_at + apart_s - now))


@dataclass(frozen=True, slots=True)
class WithdrawalStatus:
    """How far a withdrawal is."""

    stage: Stage
    seconds: int | None
    """Until the next step can be taken, of L1's time: 0 now, None unknown; to the next claim, an estimate."""
    claim_l2_block: int | None = None
    """Block of the newest claim, while none covers it."""


# Beginning.


async def withdraw_ether(l2: Layer, to: Address, amount_wei: int) -> Receipt:
    """Send ether to an account on L1."""
    data = calldata("initiateWithdrawal(address,uint256,bytes)", _hex(to), ETHER_GAS, b"")
    return await l2.send(PASSER, data, amount_wei)


async def withdraw_token(l2: Layer, token: Address, to: Address, amount: int) -> Receipt:
    """Send an ERC-20 token that stands for one of L1 back to an account there."""
    (remote,) = await l2.call(token, "remoteToken()", (), ["address"])
    await approve(l2, token, L2_BRIDGE, amount)
    arguments = (_hex(token), remote, _hex(to), amount, TOKEN_GAS, b"")
    return await l2.send(L2_BRIDGE, contract("L1StandardBridge").call("bridgeERC20To", *arguments))


async def withdraw_collectible(l2: Layer, collection: Address, to: Address, number: int) -> Receipt:
    """Send one ERC-721 token that stands for one of L1 back to an account there."""
    (remote,) = await l2.call(collection, "remoteToken()", (), ["address"])
    await approve_collection(l2, collection, L2_NFT_BRIDGE, number)
    arguments = (_hex(collection), remote, _hex(to), number, TOKEN_GAS, b"")
    return await l2.send(L2_NFT_BRIDGE, contract("L1ERC721Bridge").call("bridgeERC721To", *arguments))


def withdrawals_of(receipt: Receipt) -> list[Withdrawal]:
    """Return the withdrawals that an L2 transaction began.

    Raises:
        BridgeError: `disagrees`: an event that does not hash to what it says.
    """
    found = []
    for log in receipt.logs:
        if log.address != PASSER or log.topics[:1] != (MESSAGE_PASSED,):
            continue
        try:
            value, gas, data, named = decode(["uint256", "uint256", "bytes", "bytes32"], log.data)
        except DecodingError as error:
            raise BridgeError("disagrees", f"an event that cannot be read: {error}") from error
        one = Withdrawal(
            nonce=int.from_bytes(log.topics[1], "big"),
            sender=Address(log.topics[2][12:]),
            target=Address(log.topics[3][12:]),
            value_wei=value,
            gas_limit=gas,
            data=data,
            l2_block=receipt.block_number,
        )
        if one.hash != named:
            raise BridgeError("disagrees", f"withdrawal {_hex(named)} hashes to {_hex(one.hash)}")
        found.append(one)
    return found


# On L1.


class Exit:
    """Withdrawals of a network, on L1."""

    def __init__(self, l1: Layer, l2: Layer, settlement: L1Settlement) -> None:
        """Name both layers.

        Args:
            l1: where withdrawals end.
            l2: whose node makes proofs; it is not believed, the portal checks them.
            settlement: where the contracts are.
        """
        self.l1 = l1
        self.l2 = l2
        self.settlement = settlement
        self.portal = settlement.contracts["portal"]

    async def claim_for(self, withdrawal: Withdrawal) -> tuple[Claim | None, "Outlook"]:
        """Return the oldest claim that has a withdrawal and was not rejected, and what comes next if none."""
        factory, kind = self.settlement.contracts["disputeGameFactory"], contract("DisputeGameFactory")
        (game_type,) = await self.l1.call(self.portal, "respectedGameType()", (), ["uint32"])
        (count,) = await self.l1.call(factory, "gameCount()", (), ["uint256"])
        claims: list[Claim] = []  # newest first: each about a newer block than the next
        start = count - 1
        while start >= 0 and (not claims or claims[-1].l2_block >= withdrawal.l2_block):
            data = kind.call("findLatestGames", game_type, start, CLAIMS_AT_ONCE)
            answer = await self.l1.ask("eth_call", {"to": _hex(factory), "data": _hex(data)}, "latest")
            (found,) = kind.result("findLatestGames", bytes.fromhex(answer[2:]))
            claims += [
                Claim(index, Address(metadata[12:]), Hash32(root), int.from_bytes(extra[:32], "big"), created)
                for index, metadata, created, root, extra in found
            ]
            # One that finds fewer has passed over as many as it may: older ones are found from there on.
            whole = len(found) == CLAIMS_AT_ONCE
            start = (found[-1][0] if whole else start - CLAIMS_AT_ONCE - MOST_SKIPPED) - 1
        outlook = Outlook.of(claims, await self.l1.now())
        for claim in reversed(claims):
            if claim.l2_block >= withdrawal.l2_block:
                (status,) = await self.l1.call(claim.game, "status()", (), ["uint8"])
                if status != LOST:
                    return claim, outlook
        return None, outlook

    async def status(self, withdrawal: Withdrawal) -> WithdrawalStatus:
        """Look how far a withdrawal is, whoever has proven it."""
        name = (withdrawal.hash,)
        (finalized,) = await self.l1.call(self.portal, "finalizedWithdrawals(bytes32)", name, ["bool"])
        if finalized:
            failed = await self._failed(withdrawal)
            return WithdrawalStatus(Stage.FAILED if failed else Stage.FINALIZED, 0)
        waits = [
            wait
            for submitter in await self._submitters(name)
            if (wait := await self._left(name, submitter)) is not None
        ]
        if waits:
            left_s = min(waits)
            return WithdrawalStatus(Stage.FINALIZABLE if left_s == 0 else Stage.MATURING, left_s)
        claim, outlook = await self.claim_for(withdrawal)
        if claim is not None:
            return WithdrawalStatus(Stage.PROVABLE, 0)
        return WithdrawalStatus(Stage.UNCLAIMED, outlook.next_s, outlook.l2_block)

    async def _submitters(self, name: tuple[Hash32]) -> list[str]:
        (count,) = await self.l1.call(self.portal, "numProofSubmitters(bytes32)", name, ["uint256"])
        return [
            (
                await self.l1.call(
                    self.portal, "proofSubmitters(bytes32,uint256)", (*name, index), ["address"]
                )
            )[0]
            for index in range(count)
        ]

    async def _left(self, name: tuple[Hash32], submitter: str) -> int | None:
        """Return how long it is until this account's proof is good; None when it never will be."""
        game, proven_at = await self.l1.call(
            self.portal, "provenWithdrawals(bytes32,address)", (*name, submitter), ["address", "uint64"]
        )
        if proven_at == 0:
            return None
        at = Address(bytes.fromhex(game[2:]))
        (status,) = await self.l1.call(at, "status()", (), ["uint8"])
        if status == LOST:
            return None
        numbers = self.settlement.parameters
        (created,) = await self.l1.call(at, "createdAt()", (), ["uint64"])
        good_at = max(
            proven_at + numbers["proofMaturityS"],
            created + numbers["disputeWindowS"] + numbers["finalityDelayS"],
        )
        now = await self.l1.now()
        if now <= good_at:
            return int(good_at - now + 1)
        # Time has passed: what else the contracts ask, they say.
        try:
            await self.l1.call(self.portal, "checkWithdrawal(bytes32,address)", (*name, submitter))
        except BridgeError:
            return 1
        return 0

    async def _failed(self, withdrawal: Withdrawal) -> bool:
        (failed,) = await self.l1.call(
            self.portal, "failedWithdrawals(bytes32)", (withdrawal.hash,), ["bool"]
        )
        messenger = self.settlement.contracts["l1CrossDomainMessenger"]
        if not failed and withdrawal.target == messenger:
            message = keccak(withdrawal.data)
            (relayed,) = await self.l1.call(messenger, "successfulMessages(bytes32)", (message,), ["bool"])
            return not relayed
        return bool(failed)

    async def prove(self, withdrawal: Withdrawal) -> Receipt:
        """Prove that a withdrawal was made, by the oldest claim that has it.

        Raises:
            BridgeError: `not_ready`: no claim has it yet; `disagrees`: another block was claimed.
        """
        claim, outlook = await self.claim_for(withdrawal)
        if claim is None:
            known = "there is none" if outlook.l2_block is None else f"the newest is about {outlook.l2_block}"
            raise BridgeError(
                "not_ready", f"no claim is about block {withdrawal.l2_block} or a later one yet: {known}"
            )
        key = keccak(withdrawal.hash + bytes(32))
        number = hex(claim.l2_block)
        header = await self.l2.ask("eth_getBlockByNumber", number, False)
        proof = await self.l2.ask("eth_getProof", _hex(PASSER), ["0x" + key.hex()], number)
        if header is None or proof is None:
            raise BridgeError("not_found", f"the node has no block {claim.l2_block}, which was claimed")
        state, passer, block = (
            Hash32(bytes.fromhex(text[2:]))
            for text in (header["stateRoot"], proof["storageHash"], header["hash"])
        )
        if output_root(state, passer, block) != claim.output_root:
            raise BridgeError(
                "disagrees",
                f"block {claim.l2_block} of this node is not the one claimed on L1: one of them is wrong. "
                "Do not go on before you know which",
            )
        nodes = [bytes.fromhex(node[2:]) for node in proof["storageProof"][0]["proof"]]
        parts = (bytes(32), state, passer, block)
        data = contract("Portal").call(
            "proveWithdrawalTransaction", withdrawal.fields, claim.index, parts, nodes
        )
        return await self.l1.send(self.portal, data)

    async def finalize(self, withdrawal: Withdrawal) -> Receipt:
        """Carry a withdrawal out, by whoever's proof is good.

        Raises:
            BridgeError: `not_ready`; `reverted`.
        """
        name = (withdrawal.hash,)
        (finalized,) = await self.l1.call(self.portal, "finalizedWithdrawals(bytes32)", name, ["bool"])
        if finalized:
            known = "OptimismPortal_AlreadyFinalized"
            raise BridgeError("reverted", f"{WORDS[known]} [{known}]")
        waits = {
            submitter: wait
            for submitter in await self._submitters(name)
            if (wait := await self._left(name, submitter)) is not None
        }
        if not waits:
            raise BridgeError(
                "not_ready", "it is not proven, or by a claim that was rejected: prove it first"
            )
        submitter = min(waits, key=lambda each: waits[each])
        if waits[submitter]:
            raise BridgeError("not_ready", "its proof or its claim is too young", seconds=waits[submitter])
        call = contract("Portal").call(
            "finalizeWithdrawalTransactionExternalProof", withdrawal.fields, submitter
        )
        return await self.l1.send(self.portal, call)

    async def replay(self, withdrawal: Withdrawal) -> Receipt:
        """Repeat a withdrawal whose call on L1 failed.

        Raises:
            BridgeError: `bad_request`: it has not failed; `reverted`: it fails again.
        """
        (failed,) = await self.l1.call(
            self.portal, "failedWithdrawals(bytes32)", (withdrawal.hash,), ["bool"]
        )
        if failed:
            return await self.l1.send(
                self.portal, contract("Portal").call("replayWithdrawal", withdrawal.fields)
            )
        if await self._failed(withdrawal):
            return await self.l1.send(withdrawal.target, withdrawal.data)
        raise BridgeError("bad_request", "it has not failed, so there is nothing to repeat")


def _hex(value: bytes) -> str:
    return "0x" + value.hex()
