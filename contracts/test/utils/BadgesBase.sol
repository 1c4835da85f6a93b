// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {BadgeRenderer} from "../../src/badges/BadgeRenderer.sol";
import {Badges} from "../../src/badges/Badges.sol";
import {Policies} from "../../src/badges/Policies.sol";
import {Quarantine} from "../../src/badges/Quarantine.sol";
import {Grant, StateChange} from "../../src/interfaces/IBadges.sol";
import {Binding} from "../../src/interfaces/INullifiers.sol";
import {EVIDENCE_PUBLIC} from "../../src/interfaces/IPolicies.sol";
import {Nullifiers} from "../../src/passport/Nullifiers.sol";
import {PersonaProxy} from "../../src/passport/PersonaProxy.sol";
import {PersonaBase, Signer} from "./PersonaBase.sol";

/// @notice All that badges stand on, and a policy with levels 1 to 5.
abstract contract BadgesBase is PersonaBase {
    bytes32 internal constant DOCUMENT = keccak256("policy document");
    bytes32 internal constant VERSION = keccak256("validators 1.0.0");

    address internal steward = address(0x57e3);
    Nullifiers internal nullifiers;
    Policies internal policies;
    Quarantine internal quarantine;
    Badges internal badges;
    bytes32 internal policy;

    constructor() {
        nullifiers = new Nullifiers(passports, verifier, validators);
        policies = new Policies();
        quarantine = new Quarantine(validators, steward);
        Badges.Parts memory parts = Badges.Parts(
            passports, verifier, validators, nullifiers, policies, quarantine, new BadgeRenderer(), timelock
        );
        badges = Badges(address(new PersonaProxy(address(new Badges(parts)), "")));
        policy = policies.publish(DOCUMENT, 5, EVIDENCE_PUBLIC, "Early bird", "https://trex.example/p/1");
    }

    /// @dev A passport of its own key, holding one nullifier.
    function persona(string memory name) internal returns (uint256 passport, bytes32 nullifier) {
        passport = make(account(name));
        nullifier = keccak256(bytes(name));
        bind(passport, nullifier);
    }

    function bind(uint256 passport, bytes32 nullifier) internal {
        uint64 now_ = uint64(block.timestamp);
        Binding memory binding =
            Binding(passport, nullifier, keccak256("wallet"), 0, nullifiers.keyEpoch(), now_, now_ + 1 hours);
        nullifiers.bind(binding, 1, attest(nullifiers.bindingDigest(binding), 7));
    }

    function wish(uint256 passport, bytes32 nullifier) internal view returns (Grant memory wanted) {
        wanted.passport = passport;
        wanted.policy = policy;
        wanted.nullifiers = new bytes32[](1);
        wanted.nullifiers[0] = nullifier;
        wanted.evidence = keccak256("evidence");
        wanted.validatorVersion = VERSION;
        wanted.attestedAt = uint64(block.timestamp);
        wanted.deadline = soon();
        (wanted.level, wanted.points, wanted.evidenceClass) = (2, 100, EVIDENCE_PUBLIC);
    }

    function one(Grant memory wanted) internal pure returns (Grant[] memory list) {
        list = new Grant[](1);
        list[0] = wanted;
    }

    function grantBy(Grant memory wanted, uint256 members) internal returns (uint256 tokenId) {
        Grant[] memory list = one(wanted);
        badges.grant(list, 1, attest(badges.grantDigest(list), members));
        return badges.tokenOf(wanted.policy, wanted.passport);
    }

    function grant(uint256 passport, bytes32 nullifier) internal returns (uint256 tokenId) {
        return grantBy(wish(passport, nullifier), 7);
    }

    function change(uint256 tokenId, uint8 state, bool free) internal {
        uint256[] memory tokenIds = new uint256[](1);
        tokenIds[0] = tokenId;
        StateChange memory wanted = StateChange(
            tokenIds,
            state,
            free,
            keccak256("reason"),
            uint256(keccak256(abi.encode(block.timestamp, tokenId, state))),
            soon()
        );
        badges.changeState(wanted, 1, attest(badges.stateDigest(wanted), 7));
    }
}
