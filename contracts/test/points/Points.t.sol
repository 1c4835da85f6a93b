// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {Grant, STATE_REVOKED, STATE_SUSPENDED} from "../../src/interfaces/IBadges.sol";
import {IPoints, PointsEntry, PointsItem, Season} from "../../src/interfaces/IPoints.sol";
import {Points} from "../../src/points/Points.sol";
import {BadgesBase} from "../utils/BadgesBase.sol";
import {pvm} from "../utils/PersonaVm.sol";

contract PointsTest is BadgesBase {
    bytes32 internal constant DAILY = keccak256("task/daily");
    bytes32 internal constant ONCE = keccak256("task/once");

    Points internal points;
    uint256 internal alice;
    bytes32 internal aliceN;

    function setUp() external {
        points = new Points(passports, badges, validators);
        (alice, aliceN) = persona("alice");
        season(uint64(block.timestamp), uint64(block.timestamp) + 90 days);
    }

    function terms(uint64 start, uint64 end) internal pure returns (Season memory next) {
        next = Season(start, end, 1000, new bytes32[](2), new uint64[](2));
        (next.kinds[0], next.kinds[1]) = (DAILY, ONCE);
        (next.kindCaps[0], next.kindCaps[1]) = (300, 5000);
    }

    function season(uint64 start, uint64 end) internal {
        Season memory next = terms(start, end);
        points.openSeason(next, 1, attest(points.seasonDigest(next), 7));
    }

    function item(uint256 passport, uint32 amount, bytes32 kind, uint256 source)
        internal
        pure
        returns (PointsItem[] memory items)
    {
        items = new PointsItem[](1);
        items[0] = PointsItem(passport, 1, amount, kind, bytes32(source));
    }

    function record(PointsItem[] memory items) internal {
        points.record(items, soon(), 1, attest(points.recordDigest(items, soon()), 7));
    }

    function recordFails(PointsItem[] memory items, bytes4 reason) internal {
        bytes memory signatures = attest(points.recordDigest(items, soon()), 7);
        pvm.expectPartialRevert(reason);
        points.record(items, soon(), 1, signatures);
    }

    function reverse(uint256 entry) internal {
        uint256[] memory entries = list(entry);
        points.reverse(entries, 0, soon(), 1, attest(points.reversalDigest(entries, 0, soon()), 7));
    }

    function list(uint256 value) internal pure returns (uint256[] memory values) {
        values = new uint256[](1);
        values[0] = value;
    }

    /// @dev PTS-001, PTS-006.
    function test_record_appends_and_sums() external {
        record(item(alice, 100, DAILY, 1));
        record(item(alice, 50, ONCE, 1));
        pvm.assertEq(points.totalOf(alice), 150);
        pvm.assertEq(points.seasonTotalOf(1, alice), 150);
        pvm.assertEq(points.kindTotalOf(1, alice, DAILY), 100);
        pvm.assertEq(points.grandTotal(), 150);
        PointsEntry memory entry = points.entryOf(2);
        pvm.assertEq(entry.passport, alice);
        pvm.assertEq(uint64(entry.amount), 50);
        pvm.assertEq(entry.source, bytes32(uint256(1)));
        pvm.assertEq(entry.attestation, 2);
    }

    /// @dev PTS-002: the same deed again, also for a second passport of the same human.
    function test_attack_deed_counted_twice() external {
        (uint256 bob,) = persona("bob");
        record(item(alice, 100, DAILY, 1));
        recordFails(item(alice, 100, DAILY, 1), IPoints.Points_Counted.selector);
        recordFails(item(bob, 100, DAILY, 1), IPoints.Points_Counted.selector);
        record(item(bob, 100, DAILY, 2)); // control
    }

    /// @dev PTS-004.
    function testFuzz_caps_hold(uint32[10] calldata amounts, bool[10] calldata daily) external {
        for (uint256 i; i < 10; ++i) {
            record(item(alice, amounts[i], daily[i] ? DAILY : ONCE, i));
            pvm.assertLe(points.kindTotalOf(1, alice, DAILY), 300);
            pvm.assertLe(points.seasonTotalOf(1, alice), 1000);
        }
        pvm.assertEq(points.totalOf(alice), points.seasonTotalOf(1, alice));
    }

    /// @dev PTS-003, PTS-004: a farm invents a kind of its own.
    function test_attack_kind_without_a_cap_earns_nothing() external {
        record(item(alice, 100, keccak256("invented"), 1));
        pvm.assertEq(points.totalOf(alice), 0);
        pvm.assertEq(points.entryCount(), 0);
    }

    /// @dev PTS-001, PTS-004.
    function test_reverse_once_and_room_comes_back() external {
        record(item(alice, 300, DAILY, 1));
        record(item(alice, 10, DAILY, 2));
        pvm.assertEq(points.totalOf(alice), 300);
        reverse(1);
        pvm.assertEq(points.totalOf(alice), 0);
        pvm.assertEq(points.entryOf(2).source, bytes32(uint256(1)));
        record(item(alice, 10, DAILY, 3));
        pvm.assertEq(points.totalOf(alice), 10);
        uint256[3] memory wrong = [uint256(1), 2, 9];
        bytes4[3] memory reasons = [
            IPoints.Points_Reversed.selector,
            IPoints.Points_NotReversible.selector,
            IPoints.Points_NotReversible.selector
        ];
        for (uint256 i; i < 3; ++i) {
            bytes memory signatures = attest(points.reversalDigest(list(wrong[i]), 0, soon()), 7);
            pvm.expectPartialRevert(reasons[i]);
            points.reverse(list(wrong[i]), 0, soon(), 1, signatures);
        }
    }

    /// @dev PTS-003.
    function test_seasons_in_order_and_late_entries() external {
        uint64 end = uint64(block.timestamp) + 90 days;
        Season memory next = terms(end - 1, end + 1);
        bytes memory signatures = attest(points.seasonDigest(next), 7);
        pvm.expectRevert(IPoints.Points_BadSeason.selector);
        points.openSeason(next, 1, signatures);
        next = terms(end, end);
        signatures = attest(points.seasonDigest(next), 7);
        pvm.expectRevert(IPoints.Points_BadSeason.selector);
        points.openSeason(next, 1, signatures);
        season(end, end + 1 days);
        pvm.assertEq(points.seasonCount(), 2);
        PointsItem[] memory items = item(alice, 1, DAILY, 7);
        items[0].season = 2;
        recordFails(items, IPoints.Points_SeasonClosed.selector);
        pvm.warp(end + 7 days - 1);
        record(item(alice, 1, DAILY, 8));
        pvm.warp(end + 7 days);
        recordFails(item(alice, 1, DAILY, 9), IPoints.Points_SeasonClosed.selector);
        items[0].season = 0;
        recordFails(items, IPoints.Points_SeasonClosed.selector);
    }

    /// @dev PTS-005.
    function test_syncBadges_follows_the_badge() external {
        uint256 tokenId = grant(alice, aliceN);
        points.syncBadges(list(tokenId));
        points.syncBadges(list(tokenId));
        pvm.assertEq(points.totalOf(alice), 100);
        pvm.assertEq(points.entryCount(), 1);
        bytes memory signatures = attest(points.reversalDigest(list(1), 0, soon()), 7);
        pvm.expectRevert(abi.encodeWithSelector(IPoints.Points_FollowsBadge.selector, 1));
        points.reverse(list(1), 0, soon(), 1, signatures);
        change(tokenId, STATE_SUSPENDED, false);
        points.syncBadges(list(tokenId));
        pvm.assertEq(points.totalOf(alice), 100);
        pvm.warp(block.timestamp + 1);
        Grant memory wanted = wish(alice, aliceN);
        wanted.points = 250;
        grantBy(wanted, 7);
        points.syncBadges(list(tokenId));
        pvm.assertEq(points.totalOf(alice), 250);
        pvm.assertEq(points.entryCount(), 3);
        change(tokenId, STATE_REVOKED, false);
        points.syncBadges(list(tokenId));
        pvm.assertEq(points.totalOf(alice), 0);
        pvm.assertEq(points.entryCount(), 4);
    }

    function test_record_expired_or_unknown_passport_reverts() external {
        recordFails(item(99, 1, DAILY, 1), IPoints.Points_UnknownPassport.selector);
        uint64 past = uint64(block.timestamp) - 1;
        pvm.expectRevert(abi.encodeWithSelector(IPoints.Points_Expired.selector, past));
        points.record(item(alice, 1, DAILY, 1), past, 1, "");
    }

    function test_gas() external {
        PointsItem[] memory items = new PointsItem[](100);
        for (uint256 i; i < 100; ++i) {
            items[i] = PointsItem(make(account(decimal(i))), 1, 10, DAILY, bytes32(i + 1));
        }
        points.record(items, soon(), 1, attest(points.recordDigest(items, soon()), 7));
        pvm.snapshotGasLastCall("Points", "record 100, 3 of 5");
        uint256 tokenId = grant(alice, aliceN);
        points.syncBadges(list(tokenId));
        pvm.snapshotGasLastCall("Points", "syncBadges, one");
    }
}
