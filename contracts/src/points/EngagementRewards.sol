// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {EpochRewards, IEngagementRewards, RewardClaim} from "../interfaces/IEngagementRewards.sol";
import {IPassport} from "../interfaces/IPassport.sol";
import {IValidatorSet} from "../interfaces/IValidatorSet.sol";
import {Domain} from "../passport/Domain.sol";

/// @title EngagementRewards
/// @notice Pays rewards by Merkle root; see {IEngagementRewards}.
contract EngagementRewards is IEngagementRewards, Domain, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    /// @dev PTS-022.
    uint64 private constant DISPUTE_S = 1 days;
    /// @dev PTS-025.
    uint64 private constant LEAST_CLAIM_S = 30 days;
    /// @dev PTS-025: so what `publish` and `reserved` read is bounded by the epochs of a year.
    uint64 private constant MOST_CLAIM_S = 365 days;
    /// @dev Gas that a payout address may use to take ether.
    uint256 private constant PAYOUT_GAS = 50_000;
    bytes32 private constant PUBLISH_TYPE = keccak256(
        "EpochRewards(uint256 epoch,bytes32 root,uint256 total,address token,uint64 claimUntil,bytes32 formula)"
    );
    bytes32 private constant CANCEL_TYPE = keccak256("CancelEpoch(uint256 epoch)");

    /// @notice Passports that are paid.
    IPassport public immutable PASSPORT;
    /// @notice Who attests.
    IValidatorSet public immutable VALIDATORS;
    /// @notice Who may cancel an epoch before its claims open.
    address public immutable STEWARD;

    /// @dev An epoch, packed so that a claim reads three slots and writes one. What its token must keep is `left`.
    struct Epoch {
        bytes32 root;
        uint128 left;
        uint64 opensAt;
        uint64 claimUntil;
        address token;
        uint128 total;
        bytes32 formula;
    }

    uint128 private _epochCount;
    /// @dev No epoch before it has anything left; moved on by `publish`.
    uint128 private _firstOwing = 1;
    mapping(uint256 epoch => Epoch) private _epochs;
    mapping(uint256 epoch => mapping(uint256 word => uint256)) private _paid;

    /// @param passport Passports that are paid.
    /// @param validators Who attests.
    /// @param steward Who may cancel.
    constructor(IPassport passport, IValidatorSet validators, address steward) {
        (PASSPORT, VALIDATORS, STEWARD) = (passport, validators, steward);
    }

    /// @notice Takes ether to pay rewards with, from anyone.
    receive() external payable {}

    /// @inheritdoc IEngagementRewards
    function publish(EpochRewards calldata rewards, uint64 setEpoch, bytes calldata signatures) external {
        VALIDATORS.check(publishDigest(rewards), setEpoch, signatures); // PTS-020
        uint64 opensAt = uint64(block.timestamp) + DISPUTE_S;
        if (rewards.claimUntil < opensAt + LEAST_CLAIM_S) {
            revert EngagementRewards_TooShort(rewards.claimUntil, opensAt + LEAST_CLAIM_S);
        }
        if (rewards.claimUntil > opensAt + MOST_CLAIM_S) {
            revert EngagementRewards_TooLong(rewards.claimUntil, opensAt + MOST_CLAIM_S);
        }
        if (rewards.total > type(uint128).max) revert EngagementRewards_TooLarge(rewards.total);
        _closeOver();
        address token = rewards.token;
        uint256 held = token == address(0) ? address(this).balance : IERC20(token).balanceOf(address(this));
        uint256 available = held - reserved(token);
        if (rewards.total > available) {
            revert EngagementRewards_Unfunded(token, rewards.total, available);
        }
        uint256 epoch = ++_epochCount;
        uint128 total = uint128(rewards.total);
        _epochs[epoch] =
            Epoch(rewards.root, total, opensAt, rewards.claimUntil, token, total, rewards.formula);
        emit EpochPublished(epoch, rewards, opensAt);
    }

    /// @inheritdoc IEngagementRewards
    function cancel(uint256 epoch, uint64 setEpoch, bytes calldata signatures) external {
        if (msg.sender != STEWARD) VALIDATORS.check(cancelDigest(epoch), setEpoch, signatures);
        if (block.timestamp >= _epochs[epoch].opensAt) revert EngagementRewards_Open(epoch); // PTS-022
        delete _epochs[epoch];
        emit EpochCancelled(epoch);
    }

    /// @inheritdoc IEngagementRewards
    function claim(uint256 epoch, RewardClaim calldata wanted) external nonReentrant {
        _requireOpen(epoch);
        if (isPaid(epoch, wanted.index)) revert EngagementRewards_Paid(wanted.index);
        address payout = PASSPORT.payoutOf(wanted.passport);
        if (payout == address(0)) revert EngagementRewards_NoPayout(wanted.passport);
        if (!_pay(epoch, _epochs[epoch].root, wanted, payout)) revert EngagementRewards_Refused(payout);
    }

    /// @inheritdoc IEngagementRewards
    function claimMany(uint256 epoch, RewardClaim[] calldata wanted)
        external
        nonReentrant
        returns (uint256 paid)
    {
        _requireOpen(epoch);
        bytes32 root = _epochs[epoch].root;
        for (uint256 i; i < wanted.length; ++i) {
            RewardClaim calldata one = wanted[i];
            address payout = isPaid(epoch, one.index) ? address(0) : PASSPORT.payoutOf(one.passport);
            if (payout != address(0) && _pay(epoch, root, one, payout)) {
                ++paid;
            } else {
                emit RewardSkipped(epoch, one.passport, one.index); // PTS-024
            }
        }
    }

    /// @inheritdoc IEngagementRewards
    function close(uint256 epoch) external {
        if (!_closed(epoch)) revert EngagementRewards_NotOver(epoch);
    }

    /// @inheritdoc IEngagementRewards
    function epochOf(uint256 epoch)
        external
        view
        returns (EpochRewards memory rewards, uint64 opensAt, uint256 left)
    {
        Epoch storage one = _epochs[epoch];
        rewards = EpochRewards(one.root, one.total, one.token, one.claimUntil, one.formula);
        return (rewards, one.opensAt, one.left);
    }

    /// @inheritdoc IEngagementRewards
    function epochCount() public view returns (uint256) {
        return _epochCount;
    }

    /// @inheritdoc IEngagementRewards
    function reserved(address token) public view returns (uint256 sum) {
        uint256 last = _epochCount;
        for (uint256 epoch = _firstOwing; epoch <= last; ++epoch) {
            if (_epochs[epoch].left != 0 && _epochs[epoch].token == token) sum += _epochs[epoch].left;
        }
    }

    /// @inheritdoc IEngagementRewards
    function isPaid(uint256 epoch, uint256 index) public view returns (bool) {
        return _paid[epoch][index >> 8] >> (index & 0xff) & 1 == 1;
    }

    /// @inheritdoc IEngagementRewards
    function publishDigest(EpochRewards calldata rewards) public view returns (bytes32) {
        return _digest(
            keccak256(
                abi.encode(
                    PUBLISH_TYPE,
                    uint256(_epochCount) + 1,
                    rewards.root,
                    rewards.total,
                    rewards.token,
                    rewards.claimUntil,
                    rewards.formula
                )
            )
        );
    }

    /// @inheritdoc IEngagementRewards
    function cancelDigest(uint256 epoch) public view returns (bytes32) {
        return _digest(keccak256(abi.encode(CANCEL_TYPE, epoch)));
    }

    /// @dev Whether claims are open.
    function _requireOpen(uint256 epoch) private view {
        Epoch storage one = _epochs[epoch];
        uint64 opensAt = one.opensAt;
        if (opensAt == 0 || block.timestamp < opensAt || block.timestamp > one.claimUntil) {
            revert EngagementRewards_Closed(epoch);
        }
    }

    /// @dev Closes every epoch whose claims are over (PTS-025); `_firstOwing` moves past those that have nothing left.
    function _closeOver() private {
        uint256 last = _epochCount;
        uint256 first = last + 1;
        for (uint256 epoch = last; epoch >= _firstOwing; --epoch) {
            if (!_closed(epoch) && _epochs[epoch].left != 0) first = epoch;
        }
        _firstOwing = uint128(first);
    }

    /// @dev Sets free what is left of an epoch whose claims are over. False, and nothing changed, when there is nothing to set free.
    function _closed(uint256 epoch) private returns (bool) {
        uint256 unclaimed = _epochs[epoch].left;
        if (unclaimed == 0 || block.timestamp <= _epochs[epoch].claimUntil) return false;
        _epochs[epoch].left = 0; // PTS-025
        emit EpochClosed(epoch, unclaimed);
        return true;
    }

    /// @dev Pays a claim that was not paid. False, and nothing changed, when the payout address or the token refuses.
    function _pay(uint256 epoch, bytes32 root, RewardClaim calldata wanted, address payout)
        private
        returns (bool)
    {
        bytes32 leaf = keccak256(
            bytes.concat(keccak256(abi.encode(epoch, wanted.index, wanted.passport, wanted.amount)))
        ); // PTS-021
        if (!MerkleProof.verifyCalldata(wanted.proof, root, leaf)) {
            revert EngagementRewards_WrongProof(wanted.index);
        }
        uint128 left = _epochs[epoch].left;
        if (wanted.amount > left) revert EngagementRewards_OverTotal(epoch, wanted.amount, left); // PTS-026
        address token = _epochs[epoch].token;
        if (token == address(0)) {
            (bool taken,) = payout.call{value: wanted.amount, gas: PAYOUT_GAS}("");
            if (!taken) return false;
        } else {
            if (!IERC20(token).trySafeTransfer(payout, wanted.amount)) return false; // PTS-024
        }
        _paid[epoch][wanted.index >> 8] |= 1 << (wanted.index & 0xff);
        _epochs[epoch].left = left - uint128(wanted.amount);
        emit RewardPaid(epoch, wanted.passport, wanted.index, wanted.amount, payout);
        return true;
    }

    function _domainName() internal pure override returns (string memory) {
        return "T-Rex EngagementRewards";
    }
}
