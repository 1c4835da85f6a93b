// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {
    EntryPoint as EntryPoint07
} from "../../../node_modules/@account-abstraction/contracts-v0.7/core/EntryPoint.sol";
import {
    EntryPoint as EntryPoint08
} from "../../../node_modules/@account-abstraction/contracts-v0.8/core/EntryPoint.sol";
import {KEY_EVM, Key, Proof} from "../../src/interfaces/IKeyVerifier.sol";
import {
    IEntryPoint,
    IPersonaPaymaster,
    PackedUserOperation,
    Sponsorship
} from "../../src/interfaces/IPersonaPaymaster.sol";
import {Passport} from "../../src/passport/Passport.sol";
import {PersonaPaymaster} from "../../src/points/PersonaPaymaster.sol";
import {BadgesBase} from "../utils/BadgesBase.sol";
import {pvm} from "../utils/PersonaVm.sol";

/// @notice What both EntryPoints have.
interface IHandlesOps {
    function handleOps(PackedUserOperation[] calldata operations, address payable beneficiary) external;
    function getUserOpHash(PackedUserOperation calldata operation) external view returns (bytes32);
    function getNonce(address sender, uint192 key) external view returns (uint256);
}

/// @notice An account with one owner, that is itself a key of a passport.
contract SmartAccount {
    address internal immutable OWNER;
    uint256 public done;

    constructor(address owner, Passport passports) {
        OWNER = owner;
        passports.create(Key(KEY_EVM, abi.encodePacked(address(this))), Proof(0, 0, ""));
    }

    function validateUserOp(PackedUserOperation calldata operation, bytes32 hash, uint256)
        external
        view
        returns (uint256)
    {
        bytes calldata signature = operation.signature;
        (bytes32 r, bytes32 s) = (bytes32(signature[:32]), bytes32(signature[32:64]));
        return ecrecover(hash, uint8(signature[64]), r, s) == OWNER ? 0 : 1;
    }

    function work(bool fail, uint256 rounds) external {
        require(!fail, "fails");
        for (uint256 i; i < rounds; ++i) {
            done = i + 1;
        }
    }
}

contract PersonaPaymasterTest is BadgesBase {
    uint256 internal constant OWNER = 0xa11ce;
    /// @dev `FailedOpWithRevert(uint256,string,bytes)` of the EntryPoint.
    bytes4 internal constant FAILED_OP = 0x65c8fd4d;
    address internal bundler = address(0xb0b);

    function setUp() external {
        pvm.fee(1 gwei);
    }

    function each() internal returns (address[2] memory) {
        return [address(new EntryPoint07()), address(new EntryPoint08())];
    }

    function sponsor(address entryPoint) internal returns (PersonaPaymaster paymaster) {
        paymaster = new PersonaPaymaster(IEntryPoint(entryPoint), passports, nullifiers, address(this));
        pvm.deal(address(this), 100 ether);
        paymaster.create{value: 10 ether}(0.02 ether, 0.05 ether, 0.1 ether);
        pvm.assertEq(paymaster.bundlerOf(1), address(this));
        paymaster.setBundler(1, bundler);
    }

    function member(string memory name) internal returns (SmartAccount made) {
        made = new SmartAccount(pvm.addr(OWNER), passports);
        bind(passports.count(), keccak256(bytes(name)));
    }

    function today() internal view returns (uint32) {
        return uint32(block.timestamp / 1 days);
    }

    function operation(address entryPoint, PersonaPaymaster paymaster, address sender, bool fail, uint32 day)
        internal
        view
        returns (PackedUserOperation memory wanted)
    {
        wanted.sender = sender;
        wanted.nonce = IHandlesOps(entryPoint).getNonce(sender, 0);
        wanted.callData = abi.encodeCall(SmartAccount.work, (fail, 3));
        wanted.accountGasLimits = bytes32(uint256(100_000) << 128 | 100_000);
        wanted.preVerificationGas = 50_000;
        wanted.gasFees = bytes32(uint256(1 gwei) << 128 | 10 gwei);
        wanted.paymasterAndData =
            abi.encodePacked(address(paymaster), uint128(300_000), uint128(100_000), uint256(1), day);
        wanted.signature = packed(OWNER, IHandlesOps(entryPoint).getUserOpHash(wanted));
    }

    function handle(address entryPoint, PackedUserOperation memory one) internal {
        PackedUserOperation[] memory list = new PackedUserOperation[](1);
        list[0] = one;
        pvm.prank(bundler, bundler);
        IHandlesOps(entryPoint).handleOps(list, payable(bundler));
    }

    /// @dev What the books promise, the EntryPoint holds (PTS-083).
    function assertCovered(address entryPoint, PersonaPaymaster paymaster) internal view {
        uint256 promised;
        for (uint256 i = 1; i <= paymaster.sponsorshipCount(); ++i) {
            promised += paymaster.sponsorshipOf(i).balance;
        }
        pvm.assertLe(promised, IEntryPoint(entryPoint).balanceOf(address(paymaster)));
    }

    /// @dev PTS-080, PTS-081, with the published EntryPoints v0.7 and v0.8.
    function test_sponsored_operation_and_refund_of_what_was_not_used() external {
        address[2] memory points_ = each();
        for (uint256 i; i < 2; ++i) {
            PersonaPaymaster paymaster = sponsor(points_[i]);
            SmartAccount account_ = member(decimal(i));
            handle(points_[i], operation(points_[i], paymaster, address(account_), false, today()));
            pvm.snapshotGasLastCall("PersonaPaymaster", i == 0 ? "handleOps v0.7" : "handleOps v0.8");
            pvm.assertEq(account_.done(), 3);
            uint256 charged = 10 ether - paymaster.sponsorshipOf(1).balance;
            pvm.assertGt(charged, 0);
            pvm.assertLt(charged, 650_000 * 2 gwei);
            pvm.assertEq(paymaster.spentOn(1, today()), charged);
            pvm.assertEq(paymaster.spentBy(1, i + 1, today()), charged);
            assertCovered(points_[i], paymaster);
        }
    }

    /// @dev Operations that fail are sent for ever, to burn the sponsor's money (PTS-082): the passport's budget ends it.
    function test_attack_failing_operations_drain_the_paymaster() external {
        address[2] memory points_ = each();
        for (uint256 i; i < 2; ++i) {
            PersonaPaymaster paymaster = sponsor(points_[i]);
            paymaster.set(1, true, 0.02 ether, 0.01 ether, 0.1 ether);
            SmartAccount account_ = member(decimal(i));
            uint256 served;
            for (; served < 50; ++served) {
                PackedUserOperation memory one =
                    operation(points_[i], paymaster, address(account_), true, today());
                try this.handleFrom(points_[i], one) {}
                catch {
                    break;
                }
                assertCovered(points_[i], paymaster);
            }
            pvm.assertGt(served, 1);
            pvm.assertLt(served, 50);
            pvm.assertLe(10 ether - paymaster.sponsorshipOf(1).balance, 0.01 ether);
            // Control: another passport is served, and the same one tomorrow.
            SmartAccount other = member(string.concat("other", decimal(i)));
            handle(points_[i], operation(points_[i], paymaster, address(other), false, today()));
            pvm.warp(block.timestamp + 1 days);
            handle(points_[i], operation(points_[i], paymaster, address(account_), false, today()));
        }
    }

    function handleFrom(address entryPoint, PackedUserOperation calldata one) external {
        handle(entryPoint, one);
    }

    function check(PersonaPaymaster paymaster, PackedUserOperation memory one, uint256 cost, bytes4 reason)
        internal
    {
        pvm.prank(address(paymaster.ENTRY_POINT()), bundler);
        if (reason != 0) pvm.expectPartialRevert(reason);
        paymaster.validatePaymasterUserOp(one, 0, cost);
    }

    /// @dev A member bundles operations of their own, with gas named that nothing uses, and is paid for it (PTS-084).
    function test_attack_sponsorship_cashed_out_by_its_own_bundler() external {
        address[2] memory points_ = each();
        for (uint256 i; i < 2; ++i) {
            PersonaPaymaster paymaster = sponsor(points_[i]);
            PackedUserOperation memory one =
                operation(points_[i], paymaster, address(member(decimal(i))), false, today());
            one.preVerificationGas = 1_400_000;
            one.gasFees = bytes32(uint256(9 gwei) << 128 | 10 gwei);
            one.signature = packed(OWNER, IHandlesOps(points_[i]).getUserOpHash(one));
            address relayer = bundler;
            bundler = address(uint160(0xbad + i));
            pvm.expectPartialRevert(FAILED_OP);
            this.handleFrom(points_[i], one);
            pvm.assertEq(bundler.balance, 0);
            // Control: where anybody may bundle it pays, many times what the operation burns; the sponsor's own gets its own.
            pvm.expectPartialRevert(IPersonaPaymaster.PersonaPaymaster_NotOwner.selector);
            pvm.prank(bundler);
            paymaster.setBundler(1, bundler);
            paymaster.setBundler(1, address(0));
            handle(points_[i], one);
            pvm.assertGt(bundler.balance, 1_400_000 * 10 gwei);
            bundler = relayer;
            paymaster.setBundler(1, relayer);
            handle(points_[i], operation(points_[i], paymaster, one.sender, false, today()));
        }
    }

    /// @dev A bundle validates many operations before one of them runs: budgets are taken then (PTS-081).
    function test_attack_one_budget_spent_by_a_whole_bundle() external {
        address entryPoint = address(new EntryPoint07());
        PersonaPaymaster paymaster = sponsor(entryPoint);
        PackedUserOperation memory one =
            operation(entryPoint, paymaster, address(member("a")), false, today());
        check(paymaster, one, 0.02 ether, 0);
        check(paymaster, one, 0.02 ether, 0);
        check(paymaster, one, 0.02 ether, IPersonaPaymaster.PersonaPaymaster_PassportBudget.selector);
        one.sender = address(member("b"));
        check(paymaster, one, 0.02 ether, 0);
        check(paymaster, one, 0.02 ether, 0);
        one.sender = address(member("c"));
        check(paymaster, one, 0.02 ether, 0);
        check(paymaster, one, 0.01 ether, IPersonaPaymaster.PersonaPaymaster_DayBudget.selector);
    }

    /// @dev Yesterday's or tomorrow's budget is named (PTS-081): the EntryPoint refuses the operation on another day.
    function test_attack_budget_of_another_day() external {
        address[2] memory points_ = each();
        for (uint256 i; i < 2; ++i) {
            PersonaPaymaster paymaster = sponsor(points_[i]);
            SmartAccount account_ = member(decimal(i));
            for (uint256 j; j < 2; ++j) {
                uint32 day = j == 0 ? today() - 1 : today() + 1;
                PackedUserOperation memory one =
                    operation(points_[i], paymaster, address(account_), false, day);
                pvm.expectRevert();
                this.handleFrom(points_[i], one);
            }
            handle(points_[i], operation(points_[i], paymaster, address(account_), false, today()));
        }
    }

    /// @dev A farm makes passports without credentials, each with a budget of its own (PTS-080).
    function test_attack_empty_passports_by_the_thousand() external {
        address entryPoint = address(new EntryPoint07());
        PersonaPaymaster paymaster = sponsor(entryPoint);
        SmartAccount empty = new SmartAccount(pvm.addr(OWNER), passports);
        PackedUserOperation memory one = operation(entryPoint, paymaster, address(empty), false, today());
        check(paymaster, one, 1, IPersonaPaymaster.PersonaPaymaster_NoCredential.selector);
        one.sender = address(0x1234);
        check(paymaster, one, 1, IPersonaPaymaster.PersonaPaymaster_NoPassport.selector);
        bind(passports.count(), keccak256("credential"));
        one.sender = address(empty);
        check(paymaster, one, 1, 0); // control
    }

    /// @dev One sponsor's operations are paid from another's deposit (PTS-083).
    function test_attack_unfunded_sponsorship_uses_the_common_deposit() external {
        address entryPoint = address(new EntryPoint07());
        PersonaPaymaster paymaster = sponsor(entryPoint);
        pvm.prank(address(0xbad));
        uint256 own = paymaster.create(1 ether, 1 ether, 1 ether);
        pvm.prank(address(0xbad));
        paymaster.setBundler(own, bundler);
        PackedUserOperation memory one =
            operation(entryPoint, paymaster, address(member("a")), false, today());
        one.paymasterAndData = abi.encodePacked(address(paymaster), uint128(1), uint128(1), own, today());
        check(paymaster, one, 1, IPersonaPaymaster.PersonaPaymaster_Unfunded.selector);
        pvm.prank(address(0xbad));
        pvm.expectRevert(
            abi.encodeWithSelector(IPersonaPaymaster.PersonaPaymaster_NotOwner.selector, 1, address(0xbad))
        );
        paymaster.withdraw(1, 1, payable(address(0xbad)));
        pvm.prank(address(0xbad));
        pvm.expectRevert(
            abi.encodeWithSelector(IPersonaPaymaster.PersonaPaymaster_Unfunded.selector, own, 1, 0)
        );
        paymaster.withdraw(own, 1, payable(address(0xbad)));
        paymaster.withdraw(1, 4 ether, payable(address(0xcafe))); // control
        pvm.assertEq(address(0xcafe).balance, 4 ether);
    }

    function test_validate_and_postOp_only_by_the_entry_point() external {
        PersonaPaymaster paymaster = sponsor(address(new EntryPoint07()));
        PackedUserOperation memory one;
        bytes4 reason = IPersonaPaymaster.PersonaPaymaster_NotEntryPoint.selector;
        pvm.expectRevert(abi.encodeWithSelector(reason, address(this)));
        paymaster.validatePaymasterUserOp(one, 0, 1);
        pvm.expectRevert(abi.encodeWithSelector(reason, address(this)));
        paymaster.postOp(0, "", 1, 1);
        check(paymaster, one, 1, IPersonaPaymaster.PersonaPaymaster_BadData.selector);
    }

    function test_set_closed_or_too_dear_is_refused() external {
        address entryPoint = address(new EntryPoint07());
        PersonaPaymaster paymaster = sponsor(entryPoint);
        PackedUserOperation memory one =
            operation(entryPoint, paymaster, address(member("a")), false, today());
        check(paymaster, one, 0.02 ether + 1, IPersonaPaymaster.PersonaPaymaster_TooDear.selector);
        paymaster.set(1, false, 1, 1, 1);
        check(paymaster, one, 1, IPersonaPaymaster.PersonaPaymaster_Closed.selector);
        pvm.expectRevert(abi.encodeWithSelector(IPersonaPaymaster.PersonaPaymaster_Closed.selector, 9));
        paymaster.fund{value: 1}(9);
    }

    function test_stake_belongs_to_its_owner() external {
        PersonaPaymaster paymaster = sponsor(address(new EntryPoint07()));
        paymaster.addStake{value: 1 ether}(1 days);
        pvm.prank(address(0xbad));
        pvm.expectPartialRevert(IPersonaPaymaster.PersonaPaymaster_NotOwner.selector);
        paymaster.unlockStake();
        paymaster.unlockStake();
        pvm.warp(block.timestamp + 1 days);
        paymaster.withdrawStake(payable(address(0xcafe)));
        pvm.assertEq(address(0xcafe).balance, 1 ether);
    }
}
