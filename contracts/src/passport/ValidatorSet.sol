// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {IValidatorSet} from "../interfaces/IValidatorSet.sol";
import {Domain} from "./Domain.sol";

/// @title ValidatorSet
/// @notice Counts signatures of the attestors in force; see {IValidatorSet}.
contract ValidatorSet is IValidatorSet, Domain {
    /// @dev Longest time for which an outgoing set counts (PAS-061).
    uint256 private constant MAX_GRACE_S = 7 days;
    bytes32 private constant ROTATE_TYPE =
        keccak256("RotateSet(uint64 epoch,address[] members,uint8 threshold,uint64 graceS)");

    /// @dev One set.
    struct Set {
        address[] members;
        uint8 threshold;
        /// Last second, once a newer set is there.
        uint64 until;
    }

    /// @inheritdoc IValidatorSet
    address public immutable GOVERNOR;
    /// @inheritdoc IValidatorSet
    uint64 public epoch;
    mapping(uint64 epoch => Set) private _sets;
    /// @inheritdoc IValidatorSet
    mapping(uint64 epoch => mapping(address member => uint256)) public placeOf;

    /// @param governor Timelock that may replace a set which lost its quorum.
    /// @param members First set, ascending.
    /// @param threshold Its threshold.
    constructor(address governor, address[] memory members, uint8 threshold) {
        GOVERNOR = governor;
        _install(members, threshold, 0);
    }

    /// @inheritdoc IValidatorSet
    function check(bytes32 digest, uint64 setEpoch, bytes calldata signatures)
        external
        view
        returns (uint256 bitmap)
    {
        return _check(digest, setEpoch, signatures);
    }

    /// @inheritdoc IValidatorSet
    function rotate(address[] calldata members, uint8 threshold, uint64 graceS, bytes calldata signatures)
        external
    {
        if (graceS > MAX_GRACE_S) revert ValidatorSet_GraceTooLong(graceS, MAX_GRACE_S);
        _check(rotationDigest(members, threshold, graceS), epoch, signatures);
        _install(members, threshold, graceS);
    }

    /// @inheritdoc IValidatorSet
    function replace(address[] calldata members, uint8 threshold) external {
        if (msg.sender != GOVERNOR) revert ValidatorSet_NotGovernor(msg.sender); // PAS-062
        _install(members, threshold, 0);
    }

    /// @inheritdoc IValidatorSet
    function membersOf(uint64 setEpoch) external view returns (address[] memory) {
        return _sets[setEpoch].members;
    }

    /// @inheritdoc IValidatorSet
    function thresholdOf(uint64 setEpoch) external view returns (uint8) {
        return _sets[setEpoch].threshold;
    }

    /// @inheritdoc IValidatorSet
    function inForce(uint64 setEpoch) public view returns (bool) {
        return setEpoch == epoch || (setEpoch + 1 == epoch && block.timestamp < _sets[setEpoch].until); // PAS-061
    }

    /// @inheritdoc IValidatorSet
    function rotationDigest(address[] calldata members, uint8 threshold, uint64 graceS)
        public
        view
        returns (bytes32)
    {
        bytes32 packed = keccak256(abi.encodePacked(members));
        return _digest(keccak256(abi.encode(ROTATE_TYPE, epoch + 1, packed, threshold, graceS)));
    }

    /// @dev PAS-060.
    function _check(bytes32 digest, uint64 setEpoch, bytes calldata signatures)
        private
        view
        returns (uint256 bitmap)
    {
        if (!inForce(setEpoch)) revert ValidatorSet_NotInForce(setEpoch);
        uint256 count = signatures.length / 65;
        if (count * 65 != signatures.length) revert ValidatorSet_BadSignature(count);
        uint256 threshold = _sets[setEpoch].threshold;
        if (count < threshold) revert ValidatorSet_TooFew(count, threshold);
        address last;
        for (uint256 i; i < count; ++i) {
            (address signer, ECDSA.RecoverError problem,) =
                ECDSA.tryRecoverCalldata(digest, signatures[i * 65:i * 65 + 65]);
            if (problem != ECDSA.RecoverError.NoError) revert ValidatorSet_BadSignature(i);
            if (signer <= last) revert ValidatorSet_NotAscending(last, signer);
            uint256 place = placeOf[setEpoch][signer];
            if (place == 0) revert ValidatorSet_NotMember(setEpoch, signer);
            bitmap |= 1 << (place - 1);
            last = signer;
        }
    }

    /// @dev Stores a set and puts it in force.
    function _install(address[] memory members, uint8 threshold, uint64 graceS) private {
        uint256 size = members.length;
        if (size == 0 || size > 255 || threshold > size || uint256(threshold) * 2 <= size) {
            revert ValidatorSet_BadShape(size, threshold);
        }
        uint64 until;
        if (epoch != 0) {
            until = uint64(block.timestamp) + graceS;
            _sets[epoch].until = until;
        }
        uint64 next = ++epoch;
        address last;
        for (uint256 i; i < size; ++i) {
            if (members[i] <= last) revert ValidatorSet_NotAscending(last, members[i]);
            last = members[i];
            placeOf[next][last] = i + 1;
        }
        (_sets[next].members, _sets[next].threshold) = (members, threshold);
        emit SetChanged(next, members, threshold, until);
    }

    /// @inheritdoc Domain
    function _domainName() internal pure override returns (string memory) {
        return "T-Rex ValidatorSet";
    }
}
