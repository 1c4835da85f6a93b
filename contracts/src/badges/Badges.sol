// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {IERC4906} from "@openzeppelin/contracts/interfaces/IERC4906.sol";
import {IERC721} from "@openzeppelin/contracts/token/ERC721/IERC721.sol";
import {IERC721Metadata} from "@openzeppelin/contracts/token/ERC721/extensions/IERC721Metadata.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";
import {
    Badge,
    IBadges,
    STATE_GRANTED,
    STATE_NONE,
    STATE_REVOKED,
    STATE_SUSPENDED,
    StateChange
} from "../interfaces/IBadges.sol";
import {IKeyVerifier, Key, Proof} from "../interfaces/IKeyVerifier.sol";
import {INullifiers} from "../interfaces/INullifiers.sol";
import {IPassport, ROLE_NONE} from "../interfaces/IPassport.sol";
import {IQuarantine} from "../interfaces/IQuarantine.sol";
import {IPolicies} from "../interfaces/IPolicies.sol";
import {IERC5192, IERC5484} from "../interfaces/ISoulbound.sol";
import {IValidatorSet} from "../interfaces/IValidatorSet.sol";
import {PassportActs} from "../passport/PassportActs.sol";
import {UpgradedByTimelock} from "../passport/UpgradedByTimelock.sol";
import {BadgeRenderer} from "./BadgeRenderer.sol";
import {BadgeStore} from "./BadgeStore.sol";

/// @title Badges
/// @notice Soulbound badges of passports, seen as ERC-721; see {IBadges}.
/// @custom:predeploy 0xa51B53Dc3aA7f4ef5fE9bb429521a73f411ad867
contract Badges is
    BadgeStore,
    UpgradedByTimelock,
    ReentrancyGuardTransient,
    IERC721Metadata,
    IERC5192,
    IERC5484
{
    bytes32 private constant STATE_TYPE = keccak256(
        "StateChange(uint256[] tokenIds,uint8 state,bool free,bytes32 reason,uint256 number,uint64 deadline)"
    );
    bytes32 private constant RENOUNCE_TYPE =
        keccak256("RenounceBadge(uint256 passport,uint256 tokenId,uint256 nonce,uint256 deadline)");

    /// @notice Writes token metadata.
    BadgeRenderer public immutable RENDERER;

    /// @dev Attestations of state that have served.
    mapping(bytes32 digest => bool) private _used;

    /// @notice Contracts that badges stand on, all part of the code.
    struct Parts {
        IPassport passport;
        IKeyVerifier verifier;
        IValidatorSet validators;
        INullifiers nullifiers;
        IPolicies policies;
        IQuarantine quarantine;
        BadgeRenderer renderer;
        address timelock;
    }

    /// @param parts What badges stand on.
    constructor(Parts memory parts)
        PassportActs(parts.passport, parts.verifier)
        BadgeStore(parts.validators, parts.nullifiers, parts.policies, parts.quarantine)
        UpgradedByTimelock(parts.timelock)
    {
        RENDERER = parts.renderer;
    }

    /// @inheritdoc IBadges
    function changeState(StateChange calldata change, uint64 setEpoch, bytes calldata signatures) external {
        if (block.timestamp > change.deadline) revert Badges_Expired(change.deadline);
        bytes32 digest = stateDigest(change);
        VALIDATORS.check(digest, setEpoch, signatures);
        if (_used[digest]) revert Badges_Used(digest); // BDG-023
        _used[digest] = true;
        for (uint256 i; i < change.tokenIds.length; ++i) {
            uint256 tokenId = change.tokenIds[i];
            Record storage badge = _records[tokenId];
            uint8 stored = badge.stored;
            if (stored == STATE_NONE) revert Badges_Unknown(tokenId);
            if (change.state == STATE_REVOKED && stored != STATE_REVOKED) {
                _revoke(tokenId, change.reason);
                if (change.free) _free(badge); // BDG-022
            } else if (
                (change.state == STATE_SUSPENDED && stored == STATE_GRANTED)
                    || (change.state == STATE_GRANTED && stored == STATE_SUSPENDED)
            ) {
                (badge.stored, badge.newest) = (change.state, uint64(block.timestamp));
                emit BadgeState(tokenId, change.state, change.reason);
            } else {
                revert Badges_BadState(tokenId, change.state);
            }
            emit IERC4906.MetadataUpdate(tokenId);
        }
    }

    /// @inheritdoc IBadges
    function renounce(uint256 tokenId, Key calldata actor, Proof calldata proof) external nonReentrant {
        uint256 passport = _owned(tokenId).passport;
        bytes32 structHash =
            keccak256(abi.encode(RENOUNCE_TYPE, passport, tokenId, actNonceOf[passport]++, proof.deadline));
        _requireAct(passport, actor, proof, structHash, "Give a badge up");
        _revoke(tokenId, 0);
    }

    /// @inheritdoc IBadges
    function refresh() external {
        emit IERC4906.BatchMetadataUpdate(1, minted); // BDG-041
    }

    /// @inheritdoc IBadges
    function touchedBy(uint256 tokenId) external view returns (uint256 caseId) {
        if (tokenId == 0 || tokenId > minted) revert Badges_Unknown(tokenId);
        return _touched(_records[tokenId]);
    }

    /// @inheritdoc IERC721
    function balanceOf(address owner) external view returns (uint256 balance) {
        uint256 passport = _passportAt[owner];
        if (passport == 0) (passport,) = PASSPORT.passportOfAccount(owner); // BDG-040
        return _balances[passport];
    }

    /// @inheritdoc IERC721
    function ownerOf(uint256 tokenId) external view returns (address owner) {
        return addressOf(_owned(tokenId).passport);
    }

    /// @inheritdoc IERC721Metadata
    function tokenURI(uint256 tokenId) external view returns (string memory) {
        Badge memory badge = badgeOf(tokenId);
        return RENDERER.tokenURI(tokenId, badge, POLICIES.policyOf(badge.policy)); // BDG-042
    }

    /// @inheritdoc IERC5192
    function locked(uint256 tokenId) external view returns (bool) {
        _owned(tokenId);
        return true; // BDG-041
    }

    /// @inheritdoc IERC5484
    function burnAuth(uint256 tokenId) external view returns (BurnAuth) {
        _owned(tokenId);
        return BurnAuth.Both; // BDG-041
    }

    /// @inheritdoc IBadges
    function stateDigest(StateChange calldata change) public view returns (bytes32) {
        bytes32 tokenIds = keccak256(abi.encodePacked(change.tokenIds));
        return _digest(
            keccak256(
                abi.encode(
                    STATE_TYPE,
                    tokenIds,
                    change.state,
                    change.free,
                    change.reason,
                    change.number,
                    change.deadline
                )
            )
        );
    }

    /// @inheritdoc IERC721
    function transferFrom(address, address, uint256) external pure {
        revert Badges_Soulbound();
    }

    /// @inheritdoc IERC721
    function safeTransferFrom(address, address, uint256) external pure {
        revert Badges_Soulbound();
    }

    /// @inheritdoc IERC721
    function safeTransferFrom(address, address, uint256, bytes calldata) external pure {
        revert Badges_Soulbound();
    }

    /// @inheritdoc IERC721
    function approve(address, uint256) external pure {
        revert Badges_Soulbound();
    }

    /// @inheritdoc IERC721
    function setApprovalForAll(address, bool) external pure {
        revert Badges_Soulbound();
    }

    /// @inheritdoc IERC721
    function getApproved(uint256 tokenId) external view returns (address) {
        _owned(tokenId);
        return address(0);
    }

    /// @inheritdoc IERC721
    function isApprovedForAll(address, address) external pure returns (bool) {
        return false;
    }

    /// @inheritdoc IERC165
    function supportsInterface(bytes4 interfaceId) external pure returns (bool) {
        return interfaceId == type(IERC165).interfaceId || interfaceId == type(IERC721).interfaceId
            || interfaceId == type(IERC721Metadata).interfaceId || interfaceId == 0xb45a3c0e // EIP-5192
            || interfaceId == 0x0489b56f // EIP-5484
            || interfaceId == 0x49064906; // EIP-4906
    }

    /// @inheritdoc IERC721Metadata
    function name() external pure returns (string memory) {
        return "T-Rex Badge";
    }

    /// @inheritdoc IERC721Metadata
    function symbol() external pure returns (string memory) {
        return "BADGE";
    }

    /// @inheritdoc IBadges
    function contractURI() external pure returns (string memory) {
        return 'data:application/json;utf8,{"name":"T-Rex Badge","description":"What passports have shown, by published policies, attested and re-executable."}';
    }

    /// @inheritdoc IBadges
    function version() external pure returns (string memory) {
        return "1.0.0";
    }

    /// @dev A badge that has an owner.
    function _owned(uint256 tokenId) private view returns (Record storage badge) {
        badge = _records[tokenId];
        if (badge.stored == STATE_NONE || badge.stored == STATE_REVOKED) revert Badges_Unknown(tokenId);
    }

    function _domainName() internal pure override returns (string memory) {
        return "T-Rex Badge";
    }
}
