// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";
import {IMintStages, MintRequest, Stage} from "../../src/interfaces/IMintStages.sol";
import {ROLE_LINKED} from "../../src/interfaces/IPassport.sol";
import {MintStages} from "../../src/points/MintStages.sol";
import {BadgesBase} from "../utils/BadgesBase.sol";
import {pvm} from "../utils/PersonaVm.sol";
import {Tree} from "../utils/Tree.sol";

/// @notice A collection as a project writes it.
contract Collection is ERC721("Collection", "C") {
    MintStages internal immutable STAGES;
    uint256 public minted;

    constructor(MintStages stages) {
        STAGES = stages;
    }

    function setStage(uint256 stage, Stage calldata terms) external {
        STAGES.setStage(stage, terms);
    }

    function closeStage(uint256 stage) external {
        STAGES.closeStage(stage);
    }

    function mint(uint256 stage, MintRequest memory request) external {
        request.account = msg.sender;
        STAGES.consume(stage, request);
        for (uint256 i; i < request.quantity; ++i) {
            _mint(msg.sender, ++minted);
        }
    }
}

contract MintStagesTest is BadgesBase {
    MintStages internal stages;
    Collection internal collection;
    uint256 internal alice;
    uint256 internal bob;
    bytes32 internal aliceN;
    bytes32 internal bobN;

    function setUp() external {
        stages = new MintStages(passports, nullifiers, badges);
        collection = new Collection(stages);
        (alice, aliceN) = persona("alice");
        (bob, bobN) = persona("bob");
    }

    function terms() internal view returns (Stage memory) {
        uint64 now_ = uint64(block.timestamp);
        return Stage(now_, now_ + 90 days, 10, 2, 0, 0, 0, 0);
    }

    function request(bytes32 nullifier, uint32 quantity) internal pure returns (MintRequest memory wanted) {
        (wanted.nullifier, wanted.quantity) = (nullifier, quantity);
    }

    function mint(string memory who, uint256 stage, MintRequest memory wanted, bytes4 reason) internal {
        pvm.prank(addressOf(account(who)));
        if (reason != 0) pvm.expectPartialRevert(reason);
        collection.mint(stage, wanted);
    }

    /// @dev PTS-061, PTS-062.
    function test_consume_up_to_the_persons_quota() external {
        collection.setStage(1, terms());
        mint("alice", 1, request(aliceN, 1), 0);
        mint("alice", 1, request(aliceN, 2), IMintStages.MintStages_OverQuota.selector);
        mint("alice", 1, request(aliceN, 0), IMintStages.MintStages_OverQuota.selector);
        mint("alice", 1, request(aliceN, 1), 0);
        mint("bob", 1, request(bobN, 2), 0);
        pvm.assertEq(stages.takenOf(address(collection), 1), 4);
        pvm.assertEq(collection.balanceOf(addressOf(account("alice"))), 2);
    }

    /// @dev A second wallet of the same passport is no second person (PTS-062).
    function test_attack_many_wallets_of_one_passport() external {
        collection.setStage(1, terms());
        take(alice, account("alice"), account("wallet"), ROLE_LINKED);
        mint("alice", 1, request(aliceN, 2), 0);
        mint("wallet", 1, request(aliceN, 1), IMintStages.MintStages_OverQuota.selector);
        mint("stranger", 1, request(aliceN, 1), IMintStages.MintStages_NoPassport.selector);
    }

    /// @dev A second passport with the credential of the first, moved during the stage (PTS-062).
    function test_attack_credential_moved_during_a_stage() external {
        collection.setStage(1, terms());
        mint("alice", 1, request(aliceN, 2), 0);
        mint("bob", 1, request(aliceN, 1), IMintStages.MintStages_NoCredential.selector);
        pvm.warp(block.timestamp + 1);
        bind(bob, aliceN);
        pvm.warp(block.timestamp + 45 days);
        nullifiers.completeMove(aliceN);
        mint("bob", 1, request(aliceN, 1), IMintStages.MintStages_OverQuota.selector);
        mint("bob", 1, request(bobN, 1), 0); // control: as the human that bob is
    }

    /// @dev PTS-061.
    function test_badge_level_and_scope_are_needed() external {
        Stage memory wanted = terms();
        (wanted.policy, wanted.minLevel, wanted.scope) = (policy, 2, keccak256("wallet"));
        collection.setStage(1, wanted);
        mint("alice", 1, request(aliceN, 1), IMintStages.MintStages_NoBadge.selector);
        grant(alice, aliceN);
        mint("alice", 1, request(aliceN, 1), 0);
        wanted.scope = keccak256("account/github");
        collection.setStage(2, wanted);
        mint("alice", 2, request(aliceN, 1), IMintStages.MintStages_NoCredential.selector);
    }

    /// @dev PTS-061.
    function test_allow_list_with_allowances() external {
        bytes32[] memory leaves = new bytes32[](2);
        leaves[0] = keccak256(bytes.concat(keccak256(abi.encode(alice, uint32(1)))));
        leaves[1] = keccak256(bytes.concat(keccak256(abi.encode(uint256(99), uint32(2)))));
        Stage memory wanted = terms();
        wanted.allowRoot = Tree.root(leaves);
        collection.setStage(1, wanted);
        MintRequest memory one = request(aliceN, 1);
        (one.allowance, one.proof) = (2, Tree.proof(leaves, 0));
        mint("alice", 1, one, IMintStages.MintStages_NotListed.selector); // more than was granted
        one.allowance = 1;
        mint("bob", 1, one, IMintStages.MintStages_NoCredential.selector);
        one.nullifier = bobN;
        mint("bob", 1, one, IMintStages.MintStages_NotListed.selector);
        one.nullifier = aliceN;
        mint("alice", 1, one, 0);
        mint("alice", 1, one, IMintStages.MintStages_OverQuota.selector);
    }

    /// @dev PTS-060: another contract cannot take from, set or close a collection's stage.
    function test_attack_consume_from_anothers_stage() external {
        collection.setStage(1, terms());
        MintRequest memory wanted = request(aliceN, 1);
        wanted.account = addressOf(account("alice"));
        pvm.expectRevert(abi.encodeWithSelector(IMintStages.MintStages_NotOn.selector, 1));
        stages.consume(1, wanted);
        pvm.expectRevert(abi.encodeWithSelector(IMintStages.MintStages_NotOn.selector, 1));
        stages.closeStage(1);
        pvm.assertEq(stages.stageOf(address(collection), 1).quota, 10);
    }

    /// @dev PTS-063.
    function test_setStage_begun_or_senseless_reverts() external {
        collection.setStage(1, terms());
        Stage memory wanted = terms();
        pvm.expectRevert(abi.encodeWithSelector(IMintStages.MintStages_Begun.selector, 1));
        collection.setStage(1, wanted);
        collection.closeStage(1);
        mint("alice", 1, request(aliceN, 1), IMintStages.MintStages_NotOn.selector);
        pvm.expectRevert(abi.encodeWithSelector(IMintStages.MintStages_Begun.selector, 1));
        collection.setStage(1, wanted);
        for (uint256 i; i < 5; ++i) {
            wanted = terms();
            if (i == 0) wanted.end = wanted.start;
            if (i == 1) wanted.start -= 1;
            if (i == 2) wanted.quota = 0;
            if (i == 3) wanted.personQuota = 0;
            if (i == 4) wanted.minLevel = 1;
            pvm.expectRevert(abi.encodeWithSelector(IMintStages.MintStages_BadStage.selector, 2));
            collection.setStage(2, wanted);
        }
    }

    /// @dev PTS-061: never more than the stage's quota.
    function testFuzz_quota_holds(uint32[8] calldata wishes) external {
        Stage memory wanted = terms();
        (wanted.quota, wanted.personQuota) = (7, 5);
        collection.setStage(1, wanted);
        for (uint256 i; i < 8; ++i) {
            MintRequest memory one = request(i % 2 == 0 ? aliceN : bobN, wishes[i] % 6);
            pvm.prank(addressOf(account(i % 2 == 0 ? "alice" : "bob")));
            try collection.mint(1, one) {} catch {}
            pvm.assertLe(stages.takenOf(address(collection), 1), 7);
            pvm.assertLe(collection.balanceOf(addressOf(account("alice"))), 5);
        }
        pvm.assertEq(collection.minted(), stages.takenOf(address(collection), 1));
    }

    function test_gas() external {
        collection.setStage(1, terms());
        pvm.prank(addressOf(account("alice")));
        collection.mint(1, request(aliceN, 1));
        pvm.snapshotGasLastCall("MintStages", "mint of one through a collection");
    }
}
