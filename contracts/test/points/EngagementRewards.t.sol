// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {EpochRewards, IEngagementRewards, RewardClaim} from "../../src/interfaces/IEngagementRewards.sol";
import {Proof} from "../../src/interfaces/IKeyVerifier.sol";
import {EngagementRewards} from "../../src/points/EngagementRewards.sol";
import {PersonaBase, Signer} from "../utils/PersonaBase.sol";
import {pvm} from "../utils/PersonaVm.sol";
import {Tree} from "../utils/Tree.sol";

contract Token is ERC20("Token", "T") {
    constructor() {
        _mint(msg.sender, 1e30);
    }
}

/// @notice Pays no address that its issuer has blocked: by reverting, as USDC does, or by saying false.
contract BlockingToken is ERC20("Blocking", "B") {
    mapping(address holder => uint256) internal _blocked;

    constructor() {
        _mint(msg.sender, 1e30);
    }

    function block_(address holder, uint256 how) external {
        _blocked[holder] = how;
    }

    function transfer(address to, uint256 value) public override returns (bool) {
        require(_blocked[to] != 1, "blocked");
        return _blocked[to] != 2 && super.transfer(to, value);
    }
}

/// @notice The usual airdrop: one root, a bit an index, OpenZeppelin's proof check, the claimer named in the leaf.
contract UsualDistributor {
    using SafeERC20 for IERC20;

    IERC20 internal immutable TOKEN;
    bytes32 internal immutable ROOT;
    mapping(uint256 => uint256) internal _claimed;

    event Claimed(uint256 index, address account, uint256 amount);

    constructor(IERC20 token, bytes32 root) {
        (TOKEN, ROOT) = (token, root);
    }

    function claim(uint256 index, address account, uint256 amount, bytes32[] calldata proof) external {
        uint256 word = _claimed[index / 256];
        require(word >> (index % 256) & 1 == 0, "claimed");
        require(MerkleProof.verify(proof, ROOT, keccak256(abi.encodePacked(index, account, amount))), "proof");
        _claimed[index / 256] = word | 1 << (index % 256);
        TOKEN.safeTransfer(account, amount);
        emit Claimed(index, account, amount);
    }
}

/// @notice A payout address that takes no ether.
contract Refuser {}

contract EngagementRewardsTest is PersonaBase {
    address internal steward = address(0x57e3);
    EngagementRewards internal rewards;
    Token internal token = new Token();
    bytes32[] internal leaves;

    function setUp() external {
        rewards = new EngagementRewards(passports, validators, steward);
    }

    function people(uint256 size) internal {
        for (uint256 i; i < size; ++i) {
            Signer memory one = account(decimal(i));
            pvm.startPrank(addressOf(one));
            uint256 passport = passports.create(one.key, Proof(0, 0, ""));
            passports.setPayout(passport, one.key, Proof(0, 0, ""), addressOf(one));
            pvm.stopPrank();
        }
    }

    function leaf(uint256 epoch, uint256 index) internal pure returns (bytes32) {
        return keccak256(bytes.concat(keccak256(abi.encode(epoch, index, index + 1, amountOf(index)))));
    }

    function amountOf(uint256 index) internal pure returns (uint256) {
        return 1 ether + index;
    }

    function plan(uint256 size, address paid) internal returns (EpochRewards memory wanted) {
        delete leaves;
        uint256 epoch = rewards.epochCount() + 1;
        for (uint256 i; i < size; ++i) {
            leaves.push(leaf(epoch, i));
            wanted.total += amountOf(i);
        }
        (wanted.root, wanted.token) = (Tree.root(leaves), paid);
        wanted.claimUntil = uint64(block.timestamp) + 40 days;
        wanted.formula = keccak256("formula and inputs");
    }

    function publish(uint256 size, address paid) internal {
        EpochRewards memory wanted = plan(size, paid);
        if (paid == address(0)) pvm.deal(address(rewards), address(rewards).balance + wanted.total);
        else IERC20(paid).transfer(address(rewards), wanted.total);
        rewards.publish(wanted, 1, attest(rewards.publishDigest(wanted), 7));
    }

    function claimOf(uint256 index) internal view returns (RewardClaim memory) {
        return RewardClaim(index, index + 1, amountOf(index), Tree.proof(leaves, index));
    }

    function opened(uint256 size, address paid) internal {
        people(size);
        publish(size, paid);
        pvm.warp(block.timestamp + 1 days);
    }

    /// @dev PTS-021, PTS-023, PTS-026: any size of tree, token and ether.
    function testFuzz_claim_everyone_once(uint8 size, bool ether_) external {
        size = size % 20 + 1;
        opened(size, ether_ ? address(0) : address(token));
        for (uint256 i; i < size; ++i) {
            rewards.claim(1, claimOf(i));
            address payout = addressOf(account(decimal(i)));
            pvm.assertEq(ether_ ? payout.balance : token.balanceOf(payout), amountOf(i));
            RewardClaim memory again = claimOf(i);
            pvm.expectRevert(abi.encodeWithSelector(IEngagementRewards.EngagementRewards_Paid.selector, i));
            rewards.claim(1, again);
        }
        pvm.assertEq(rewards.reserved(ether_ ? address(0) : address(token)), 0);
    }

    /// @dev PTS-024: a sponsor's batch goes through whoever was paid before, has no address or refuses.
    function test_claimMany_leaves_out_what_cannot_be_paid() external {
        opened(4, address(0));
        rewards.claim(1, claimOf(0)); // someone was faster
        Signer memory second = account("1");
        pvm.prank(addressOf(second));
        passports.setPayout(2, second.key, Proof(0, 0, ""), address(0));
        pvm.etch(addressOf(account("2")), type(Refuser).runtimeCode);
        RewardClaim[] memory batch = new RewardClaim[](4);
        for (uint256 i; i < 4; ++i) {
            batch[i] = claimOf(i);
        }
        pvm.assertEq(rewards.claimMany(1, batch), 1);
        pvm.assertFalse(rewards.isPaid(1, 1));
        pvm.assertFalse(rewards.isPaid(1, 2));
        pvm.assertTrue(rewards.isPaid(1, 3));
        pvm.expectRevert(abi.encodeWithSelector(IEngagementRewards.EngagementRewards_NoPayout.selector, 2));
        rewards.claim(1, batch[1]);
        pvm.expectPartialRevert(IEngagementRewards.EngagementRewards_Refused.selector);
        rewards.claim(1, batch[2]);
        pvm.prank(addressOf(second));
        passports.setPayout(2, second.key, Proof(0, 0, ""), addressOf(second));
        rewards.claim(1, batch[1]); // control: later it can be paid
    }

    /// @dev PTS-024: a token that refuses one address, in either way, spoils nobody else's claim.
    function test_claimMany_leaves_out_whom_the_token_refuses() external {
        BlockingToken blocking = new BlockingToken();
        opened(3, address(blocking));
        blocking.block_(addressOf(account("0")), 1);
        blocking.block_(addressOf(account("1")), 2);
        RewardClaim[] memory batch = new RewardClaim[](3);
        for (uint256 i; i < 3; ++i) {
            batch[i] = claimOf(i);
        }
        pvm.assertEq(rewards.claimMany(1, batch), 1);
        pvm.assertEq(blocking.balanceOf(addressOf(account("2"))), amountOf(2));
        pvm.assertEq(rewards.reserved(address(blocking)), amountOf(0) + amountOf(1));
        for (uint256 i; i < 2; ++i) {
            pvm.assertFalse(rewards.isPaid(1, i));
            pvm.expectPartialRevert(IEngagementRewards.EngagementRewards_Refused.selector);
            rewards.claim(1, batch[i]);
            blocking.block_(addressOf(account(decimal(i))), 0);
            rewards.claim(1, batch[i]); // control: what was left out is owed still
        }
        pvm.assertEq(rewards.reserved(address(blocking)), 0);
    }

    /// @dev Another amount, passport or index than the leaf has (PTS-021).
    function testFuzz_attack_claim_changed(uint256 amount, uint256 passport, uint256 index) external {
        opened(5, address(token));
        RewardClaim memory wanted = claimOf(2);
        amount %= 10 ether;
        pvm.assume(amount != wanted.amount || passport % 5 + 1 != wanted.passport || index != wanted.index);
        (wanted.amount, wanted.passport, wanted.index) = (amount, passport % 5 + 1, index);
        pvm.expectRevert(
            abi.encodeWithSelector(IEngagementRewards.EngagementRewards_WrongProof.selector, index)
        );
        rewards.claim(1, wanted);
        rewards.claim(1, claimOf(2)); // control
    }

    /// @dev An inner node passed off as a leaf: with single hashing of two words a node is a leaf; doubly hashed, it is none (PTS-021).
    function test_attack_inner_node_as_leaf() external {
        opened(4, address(token));
        bytes32 left = Tree.pair(leaves[0], leaves[1]);
        bytes32 right = Tree.pair(leaves[2], leaves[3]);
        bytes32[] memory proof = new bytes32[](1);
        proof[0] = right;
        // The guard removed: taken as a leaf without hashing, the node leads to the root.
        pvm.assertTrue(MerkleProof.verify(proof, Tree.pair(left, right), left));
        for (uint256 i; i < 2; ++i) {
            RewardClaim memory wanted = RewardClaim(uint256(leaves[0]), 1, uint256(leaves[1]), proof);
            pvm.expectPartialRevert(IEngagementRewards.EngagementRewards_WrongProof.selector);
            rewards.claim(1, wanted);
        }
        rewards.claim(1, claimOf(0));
    }

    /// @dev Thieves of a key reroute rewards by recovery's reset; here: only the passport's own address is ever paid (PTS-023).
    function test_attack_claim_for_another_to_oneself() external {
        opened(2, address(token));
        pvm.prank(address(0xbad));
        rewards.claim(1, claimOf(0));
        pvm.assertEq(token.balanceOf(address(0xbad)), 0);
        pvm.assertEq(token.balanceOf(addressOf(account("0"))), amountOf(0));
    }

    /// @dev PTS-020, PTS-026: an epoch cannot promise what another has reserved.
    function test_attack_epoch_pays_with_another_epochs_money() external {
        people(3);
        publish(3, address(token));
        EpochRewards memory wanted = plan(3, address(token));
        bytes memory signatures = attest(rewards.publishDigest(wanted), 7);
        pvm.expectRevert(
            abi.encodeWithSelector(
                IEngagementRewards.EngagementRewards_Unfunded.selector, address(token), wanted.total, 0
            )
        );
        rewards.publish(wanted, 1, signatures);
        token.transfer(address(rewards), wanted.total);
        rewards.publish(wanted, 1, signatures); // control
    }

    /// @dev A root whose leaves exceed the sum that was attested (PTS-026).
    function test_attack_root_larger_than_its_sum() external {
        people(2);
        EpochRewards memory wanted = plan(2, address(token));
        wanted.total = amountOf(0);
        token.transfer(address(rewards), 10 ether);
        rewards.publish(wanted, 1, attest(rewards.publishDigest(wanted), 7));
        pvm.warp(block.timestamp + 1 days);
        rewards.claim(1, claimOf(0));
        RewardClaim memory second = claimOf(1);
        pvm.expectPartialRevert(IEngagementRewards.EngagementRewards_OverTotal.selector);
        rewards.claim(1, second);
    }

    /// @dev PTS-022, PTS-025.
    function test_times_of_an_epoch() external {
        people(2);
        publish(2, address(token));
        RewardClaim memory first = claimOf(0);
        pvm.expectRevert(abi.encodeWithSelector(IEngagementRewards.EngagementRewards_Closed.selector, 1));
        rewards.claim(1, first);
        pvm.warp(block.timestamp + 1 days);
        pvm.prank(steward);
        pvm.expectRevert(abi.encodeWithSelector(IEngagementRewards.EngagementRewards_Open.selector, 1));
        rewards.cancel(1, 0, "");
        rewards.claim(1, first);
        pvm.expectRevert(abi.encodeWithSelector(IEngagementRewards.EngagementRewards_NotOver.selector, 1));
        rewards.close(1);
        pvm.warp(block.timestamp + 40 days);
        RewardClaim memory late = claimOf(1);
        pvm.expectRevert(abi.encodeWithSelector(IEngagementRewards.EngagementRewards_Closed.selector, 1));
        rewards.claim(1, late);
        rewards.close(1);
        pvm.assertEq(rewards.reserved(address(token)), 0);
        pvm.expectRevert(abi.encodeWithSelector(IEngagementRewards.EngagementRewards_NotOver.selector, 1));
        rewards.close(1);
    }

    function test_cancel_by_steward_or_attestation_before_opening() external {
        people(2);
        publish(2, address(token));
        pvm.expectRevert();
        rewards.cancel(1, 1, "");
        pvm.prank(steward);
        rewards.cancel(1, 0, "");
        pvm.assertEq(rewards.reserved(address(token)), 0);
        publish(2, address(token));
        rewards.cancel(2, 1, attest(rewards.cancelDigest(2), 7));
        pvm.warp(block.timestamp + 1 days);
        RewardClaim memory first = claimOf(0);
        pvm.expectRevert(abi.encodeWithSelector(IEngagementRewards.EngagementRewards_Closed.selector, 2));
        rewards.claim(2, first);
    }

    function test_publish_too_short_reverts() external {
        EpochRewards memory wanted = plan(1, address(token));
        wanted.claimUntil = uint64(block.timestamp) + 31 days - 1;
        bytes memory signatures = attest(rewards.publishDigest(wanted), 7);
        pvm.expectPartialRevert(IEngagementRewards.EngagementRewards_TooShort.selector);
        rewards.publish(wanted, 1, signatures);
    }

    /// @dev PTS-025: without an end, each later epoch would read this one for ever.
    function test_publish_too_long_reverts() external {
        EpochRewards memory wanted = plan(1, address(token));
        token.transfer(address(rewards), wanted.total);
        wanted.claimUntil = uint64(block.timestamp) + 366 days + 1;
        bytes memory signatures = attest(rewards.publishDigest(wanted), 7);
        pvm.expectRevert(
            abi.encodeWithSelector(
                IEngagementRewards.EngagementRewards_TooLong.selector,
                wanted.claimUntil,
                wanted.claimUntil - 1
            )
        );
        rewards.publish(wanted, 1, signatures);
        wanted.claimUntil -= 1;
        rewards.publish(wanted, 1, attest(rewards.publishDigest(wanted), 7)); // control
    }

    /// @dev PTS-025: what nobody claimed pays the next epoch, and nobody had to call `close`; an epoch that is open keeps its own.
    function test_publish_closes_epochs_that_are_over() external {
        people(2);
        publish(2, address(token));
        EpochRewards memory open_ = plan(2, address(token));
        open_.claimUntil = uint64(block.timestamp) + 100 days;
        token.transfer(address(rewards), open_.total);
        rewards.publish(open_, 1, attest(rewards.publishDigest(open_), 7));
        pvm.warp(block.timestamp + 40 days + 1);
        EpochRewards memory third = plan(2, address(token)); // funded by the first alone
        rewards.publish(third, 1, attest(rewards.publishDigest(third), 7));
        (,, uint256 left) = rewards.epochOf(1);
        pvm.assertEq(left, 0);
        pvm.assertEq(rewards.reserved(address(token)), open_.total + third.total);
        pvm.expectRevert(abi.encodeWithSelector(IEngagementRewards.EngagementRewards_NotOver.selector, 1));
        rewards.close(1);
        EpochRewards memory fourth = plan(2, address(token));
        bytes memory signatures = attest(rewards.publishDigest(fourth), 7);
        pvm.expectPartialRevert(IEngagementRewards.EngagementRewards_Unfunded.selector);
        rewards.publish(fourth, 1, signatures);
    }

    /// @dev The table of specs/points.md: 10,000 rewards, beside the usual distributor and beside plain transfers.
    function test_gas_10000_rewards() external {
        people(100);
        EpochRewards memory wanted = plan(10_000, address(token));
        token.transfer(address(rewards), wanted.total);
        rewards.publish(wanted, 1, attest(rewards.publishDigest(wanted), 7));
        pvm.snapshotGasLastCall("EngagementRewards", "publish 10,000 rewards");
        pvm.warp(block.timestamp + 1 days);
        bytes32[][] memory tree = Tree.levels(leaves);
        rewards.claim(1, RewardClaim(0, 1, amountOf(0), Tree.proof(tree, 0)));
        rewards.claim(1, RewardClaim(1, 2, amountOf(1), Tree.proof(tree, 1)));
        pvm.snapshotGasLastCall("EngagementRewards", "claim, one of 10,000");
        RewardClaim[] memory batch = new RewardClaim[](90);
        for (uint256 i; i < 90; ++i) {
            batch[i] = RewardClaim(i + 2, i + 3, amountOf(i + 2), Tree.proof(tree, i + 2));
        }
        rewards.claimMany(1, batch);
        pvm.snapshotGasLastCall("EngagementRewards", "claimMany, 90 of 10,000");

        bytes32[] memory usual = new bytes32[](10_000);
        for (uint256 i; i < 10_000; ++i) {
            usual[i] = keccak256(abi.encodePacked(i, address(uint160(i + 1000)), amountOf(i)));
        }
        tree = Tree.levels(usual);
        UsualDistributor distributor = new UsualDistributor(token, tree[tree.length - 1][0]);
        token.transfer(address(distributor), wanted.total);
        distributor.claim(0, address(1000), amountOf(0), Tree.proof(tree, 0));
        distributor.claim(1, address(1001), amountOf(1), Tree.proof(tree, 1));
        pvm.snapshotGasLastCall("EngagementRewards", "usual distributor: claim, one of 10,000");
        token.transfer(address(0xabc1), 1);
        pvm.snapshotGasLastCall("EngagementRewards", "plain transfer to a new holder");
    }
}
