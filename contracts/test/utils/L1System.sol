// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {L1CrossDomainMessenger} from "../../src/bridge/L1CrossDomainMessenger.sol";
import {L1ERC721Bridge} from "../../src/bridge/L1ERC721Bridge.sol";
import {L1StandardBridge} from "../../src/bridge/L1StandardBridge.sol";
import {Inbox} from "../../src/inbox/Inbox.sol";
import {SoleSequencer} from "../../src/inbox/SoleSequencer.sol";
import {AnchorStateRegistry} from "../../src/portal/AnchorStateRegistry.sol";
import {DisputeGameFactory} from "../../src/portal/DisputeGameFactory.sol";
import {ExitTimelock} from "../../src/portal/ExitTimelock.sol";
import {MaturingClaims} from "../../src/portal/MaturingClaims.sol";
import {Portal} from "../../src/portal/Portal.sol";
import {OutputRootProof, WithdrawalTransaction, Withdrawals} from "../../src/portal/Withdrawals.sol";
import {vm} from "./Vm.sol";

/// @dev The contracts of L1 as they are deployed together, and a few things one does with them.
abstract contract L1System {
    uint32 internal constant GAME_TYPE = 1628;
    uint64 internal constant LAG = 300;
    uint64 internal constant SILENCE = 600;
    uint64 internal constant WINDOW = 3_600;
    uint256 internal constant MATURITY = 7_200;
    uint256 internal constant FINALITY = 60;
    uint256 internal constant TIMELOCK_DELAY = 30 days;
    bytes32 internal constant GENESIS_OUTPUT = keccak256("genesis");

    address internal sequencer = address(0x5E9);
    address internal proposer = address(0x9909);
    address internal disputer = address(0xD15);
    address internal governor = address(0x607);

    ExitTimelock internal timelock;
    SoleSequencer internal set;
    Inbox internal inbox;
    DisputeGameFactory internal factory;
    AnchorStateRegistry internal registry;
    MaturingClaims internal claims;
    Portal internal portal;
    L1CrossDomainMessenger internal l1Messenger;
    L1StandardBridge internal l1Bridge;
    L1ERC721Bridge internal l1NftBridge;

    /// @dev From L1 block 1,000.
    function _deployL1() internal {
        vm.warp(1_800_000_000);
        vm.roll(1_000);
        address[] memory governors = new address[](1);
        governors[0] = governor;
        uint256 nonce = vm.getNonce(address(this));
        MaturingClaims claims_ = MaturingClaims(vm.computeCreateAddress(address(this), nonce + 5));
        Portal portal_ = Portal(payable(vm.computeCreateAddress(address(this), nonce + 6)));

        timelock = new ExitTimelock(TIMELOCK_DELAY, governors);
        set = new SoleSequencer(sequencer);
        inbox = new Inbox(portal_, address(timelock), set, 990, LAG, SILENCE);
        factory = new DisputeGameFactory(address(timelock), GAME_TYPE, claims_);
        registry = new AnchorStateRegistry(factory, address(timelock), GAME_TYPE, FINALITY, GENESIS_OUTPUT);
        claims = new MaturingClaims(GAME_TYPE, inbox, registry, proposer, disputer, WINDOW);
        portal = new Portal(registry, MATURITY);
        l1Messenger = new L1CrossDomainMessenger(portal);
        l1Bridge = new L1StandardBridge(l1Messenger);
        l1NftBridge = new L1ERC721Bridge(l1Messenger);
        vm.assertEq(address(claims), address(claims_));
        vm.assertEq(address(portal), address(portal_));
        vm.roll(1_001);
    }

    /// @dev Append a batch, so that there is something to claim about.
    function _append() internal {
        bytes32[] memory blobs = new bytes32[](1);
        blobs[0] = bytes32(uint256(1) << 248);
        vm.blobhashes(blobs);
        uint64 next = inbox.sequencedCount();
        vm.prank(sequencer);
        inbox.appendBatch(next, uint64(block.number - 1));
    }

    /// @dev Claim an output about all batches; returns the claim's number and contract.
    function _propose(bytes32 outputRoot, uint64 l2Block) internal returns (uint256 id, address game) {
        uint64 count = inbox.batchCount();
        bytes32 accumulator = inbox.accumulator();
        vm.prank(proposer);
        return claims.propose(outputRoot, l2Block, count, accumulator);
    }

    /// @dev An output whose message passer holds one withdrawal and nothing else, and the proof of it.
    function _outputWith(WithdrawalTransaction memory withdrawal)
        internal
        pure
        returns (OutputRootProof memory output, bytes[] memory proof)
    {
        // A trie of one leaf: its whole path, behind the prefix of an even leaf, and the value 1.
        bytes memory path = bytes.concat(hex"20", Withdrawals.trieKey(Withdrawals.hash(withdrawal)));
        proof = new bytes[](1);
        proof[0] = bytes.concat(hex"e3a1", path, hex"01");
        output = OutputRootProof(0, keccak256("state"), keccak256(proof[0]), keccak256("block"));
    }

    /// @dev Claim an output that has a withdrawal, and prove it as `prover`, a second later.
    function _prove(WithdrawalTransaction memory withdrawal, address prover)
        internal
        returns (uint256 id, address game)
    {
        (OutputRootProof memory output, bytes[] memory proof) = _outputWith(withdrawal);
        (id, game) = _propose(Withdrawals.outputRoot(output), uint64(block.timestamp));
        vm.warp(block.timestamp + 1);
        uint256 place = factory.gameCount() - 1;
        vm.prank(prover);
        portal.proveWithdrawalTransaction(withdrawal, place, output, proof);
    }
}
