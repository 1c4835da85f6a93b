// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {Badge, Grant, STATE_REVOKED} from "../../src/interfaces/IBadges.sol";
import {Proof} from "../../src/interfaces/IKeyVerifier.sol";
import {ROLE_ACTING, ROLE_LINKED} from "../../src/interfaces/IPassport.sol";
import {Points} from "../../src/points/Points.sol";
import {BadgesBase} from "../utils/BadgesBase.sol";
import {Signer} from "../utils/PersonaBase.sol";
import {pvm} from "../utils/PersonaVm.sol";

/// @notice Does at random what people and attestors do: eight wallets, six accounts of humans. What the contracts refuse is refused.
contract PersonaHandler is BadgesBase {
    uint256 public constant WALLETS = 8;
    uint256 public constant ACCOUNTS = 6;

    Points public points;

    constructor() {
        points = new Points(passports, badges, validators);
    }

    function wallet(uint256 i) public pure returns (Signer memory) {
        return account(string.concat("wallet", decimal(i % WALLETS)));
    }

    function nullifier(uint256 i) public pure returns (bytes32) {
        return keccak256(abi.encode("account", i % ACCOUNTS));
    }

    function passportCount() public view returns (uint256) {
        return passports.count();
    }

    function actorOf(uint256 passport) internal view returns (Signer memory actor, bool found) {
        for (uint256 i; i < WALLETS; ++i) {
            actor = wallet(i);
            if (passports.isActing(passport, actor.id)) return (actor, true);
        }
    }

    function create(uint256 i) external {
        Signer memory one = wallet(i);
        pvm.prank(addressOf(one));
        passports.create(one.key, Proof(0, 0, ""));
    }

    function add(uint256 i, uint256 passport, bool acting) external {
        passport = passport % (passports.count() + 1);
        (Signer memory actor, bool found) = actorOf(passport);
        if (found) take(passport, actor, wallet(i), acting ? ROLE_ACTING : ROLE_LINKED);
    }

    function leave(uint256 i) external {
        Signer memory one = wallet(i);
        (uint256 passport,) = passports.passportOf(one.id);
        pvm.prank(addressOf(one));
        passports.removeKey(passport, one.key, Proof(0, 0, ""), one.id);
    }

    function remove(uint256 i) external {
        Signer memory one = wallet(i);
        (uint256 passport,) = passports.passportOf(one.id);
        (Signer memory actor,) = actorOf(passport);
        pvm.prank(addressOf(actor));
        passports.removeKey(passport, actor.key, Proof(0, 0, ""), one.id);
    }

    function executeRemoval(uint256 passport) external {
        passports.executeRemoval(passport % (passports.count() + 1));
    }

    function bindOne(uint256 i, uint256 passport) external {
        bind(passport % (passports.count() + 1), nullifier(i));
    }

    function completeMove(uint256 i) external {
        nullifiers.completeMove(nullifier(i));
    }

    function grantOne(uint256 i, uint32 worth, uint256 passport) external {
        Grant memory wanted = wish(passport % (passports.count() + 1), nullifier(i));
        wanted.points = worth;
        grantBy(wanted, 7);
    }

    function grantToHolder(uint256 i, uint32 worth) external {
        Grant memory wanted = wish(nullifiers.holderOf(nullifier(i)), nullifier(i));
        wanted.points = worth;
        grantBy(wanted, 28);
    }

    function decide(uint256 tokenId, uint8 state, bool free) external {
        change(tokenId % (badges.minted() + 1), state % 5, free);
    }

    function sync(uint256 tokenId) external {
        uint256[] memory tokenIds = new uint256[](1);
        tokenIds[0] = tokenId % (badges.minted() + 1);
        points.syncBadges(tokenIds);
    }

    function wait_(uint32 timeS) external {
        pvm.warp(block.timestamp + timeS % 50 days);
    }

    // Invariants

    /// @dev PAS-003, PAS-009: a passport has as many acting keys as it says, 1 to 16, and no key is in two.
    function checkKeys() external view {
        uint256[] memory acting = new uint256[](passports.count() + 1);
        for (uint256 i; i < WALLETS; ++i) {
            (uint256 passport, uint8 role) = passports.passportOf(wallet(i).id);
            if (role == ROLE_ACTING) ++acting[passport];
        }
        for (uint256 passport = 1; passport < acting.length; ++passport) {
            pvm.assertEq(passports.keyCountOf(passport), acting[passport]);
            pvm.assertGt(acting[passport], 0);
        }
    }

    /// @dev PAS-040: what passports hold adds up to what there is.
    function checkNullifiers() external view {
        uint256 held;
        for (uint256 passport = 1; passport <= passports.count(); ++passport) {
            held += nullifiers.countOf(passport);
        }
        pvm.assertEq(held, nullifiers.total());
    }

    /// @dev BDG-011, BDG-022: a nullifier serves at most one badge of a policy, and that badge says so.
    function checkUse() external view {
        uint256 named;
        for (uint256 tokenId = 1; tokenId <= badges.minted(); ++tokenId) {
            Badge memory badge = badges.badgeOf(tokenId);
            for (uint256 i; i < badge.nullifiers.length; ++i) {
                pvm.assertEq(badges.usedBy(policy, badge.nullifiers[i]), tokenId);
            }
            named += badge.nullifiers.length;
            pvm.assertEq(badges.tokenOf(policy, badge.passport), tokenId);
        }
        uint256 used;
        for (uint256 i; i < ACCOUNTS; ++i) {
            if (badges.usedBy(policy, nullifier(i)) != 0) ++used;
        }
        pvm.assertEq(named, used);
    }

    /// @dev BDG-020, BDG-040: supply, owners and balances agree.
    function checkSupply() external view {
        uint256 living;
        for (uint256 tokenId = 1; tokenId <= badges.minted(); ++tokenId) {
            if (badges.stateOf(tokenId) != STATE_REVOKED) ++living;
        }
        uint256 balances;
        for (uint256 passport = 1; passport <= passports.count(); ++passport) {
            balances += badges.balanceOf(badges.addressOf(passport));
        }
        pvm.assertEq(living, badges.totalSupply());
        pvm.assertEq(balances, badges.totalSupply());
    }

    /// @dev PTS-006: totals are the sums of entries.
    function checkPoints() external view {
        int256[] memory sums = new int256[](passports.count() + 1);
        for (uint256 entry = 1; entry <= points.entryCount(); ++entry) {
            sums[points.entryOf(entry).passport] += points.entryOf(entry).amount;
        }
        uint256 all;
        for (uint256 passport = 1; passport < sums.length; ++passport) {
            pvm.assertTrue(sums[passport] >= 0);
            pvm.assertEq(points.totalOf(passport), uint256(sums[passport]));
            all += uint256(sums[passport]);
        }
        pvm.assertEq(points.grandTotal(), all);
    }
}

contract PersonaInvariants {
    PersonaHandler internal handler;

    function setUp() external {
        handler = new PersonaHandler();
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    /// forge-config: default.invariant.runs = 12
    /// forge-config: default.invariant.depth = 80
    function invariant_keys_nullifiers_badges_and_points_add_up() external view {
        handler.checkKeys();
        handler.checkNullifiers();
        handler.checkUse();
        handler.checkSupply();
        handler.checkPoints();
    }

    /// @dev The handler reaches what it is to reach; else the invariant would hold of nothing.
    function test_handler_reaches_every_part() external {
        handler.create(0);
        handler.create(1);
        handler.add(2, 1, true);
        handler.bindOne(0, 1);
        handler.grantToHolder(0, 100);
        handler.sync(1);
        handler.wait_(1);
        handler.bindOne(0, 2);
        handler.wait_(46 days);
        handler.completeMove(0);
        handler.decide(1, STATE_REVOKED, true);
        handler.grantToHolder(0, 7);
        handler.sync(1);
        handler.sync(2);
        handler.leave(2);
        pvm.assertEq(handler.points().entryCount(), 3);
        pvm.assertEq(handler.points().grandTotal(), 7);
        handler.checkKeys();
        handler.checkNullifiers();
        handler.checkUse();
        handler.checkSupply();
        handler.checkPoints();
    }
}
