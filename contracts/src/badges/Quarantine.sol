// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {CASE_ATTESTOR, CASE_VERSION, Case, IQuarantine} from "../interfaces/IQuarantine.sol";
import {IValidatorSet} from "../interfaces/IValidatorSet.sol";
import {Domain} from "../passport/Domain.sol";

/// @title Quarantine
/// @notice Suspends exactly what a compromised attestor or a faulty validator version touched; see {IQuarantine}.
/// @dev Nothing is listed or walked: whether a case touches a badge is read off what the badge stores (BDG-031).
contract Quarantine is IQuarantine, Domain {
    /// @dev BDG-033.
    uint256 private constant MAX_CASES = 16;
    bytes32 private constant CASE_TYPE = keccak256(
        "Case(uint8 kind,bytes32 subject,uint64 since,uint64 until,bytes32 reason,uint256 number,uint64 deadline)"
    );
    bytes32 private constant CLOSE_TYPE = keccak256("CloseCase(uint256 caseId)");

    /// @notice May open cases without waiting for a quorum, and nothing else.
    address public immutable STEWARD;
    /// @notice Who attests.
    IValidatorSet public immutable VALIDATORS;

    mapping(uint256 caseId => Case) private _cases;
    uint256 private _caseCount;
    uint256[] private _open;
    /// @dev Attestations that have served.
    mapping(bytes32 digest => bool) private _used;

    /// @param validators Who attests.
    /// @param steward Who may open cases at once.
    constructor(IValidatorSet validators, address steward) {
        (VALIDATORS, STEWARD) = (validators, steward);
    }

    /// @inheritdoc IQuarantine
    function openCase(Case calldata distrust, uint64 setEpoch, bytes calldata signatures)
        external
        returns (uint256 caseId)
    {
        if (msg.sender != STEWARD) {
            if (block.timestamp > distrust.deadline) revert Quarantine_Expired(distrust.deadline);
            bytes32 digest = caseDigest(distrust);
            VALIDATORS.check(digest, setEpoch, signatures); // BDG-030
            if (_used[digest]) revert Quarantine_Used(digest); // BDG-023
            _used[digest] = true;
        }
        bool sound = distrust.until >= distrust.since
            && (distrust.kind == CASE_VERSION
                || (distrust.kind == CASE_ATTESTOR && uint256(distrust.subject) >> 160 == 0));
        if (!sound) revert Quarantine_BadCase(distrust.kind, distrust.since, distrust.until);
        if (_open.length == MAX_CASES) revert Quarantine_TooManyCases(MAX_CASES);
        caseId = ++_caseCount;
        _cases[caseId] = distrust;
        _open.push(caseId);
        emit CaseOpened(
            caseId, distrust.kind, distrust.subject, distrust.since, distrust.until, distrust.reason
        );
    }

    /// @inheritdoc IQuarantine
    function closeCase(uint256 caseId, uint64 setEpoch, bytes calldata signatures) external {
        VALIDATORS.check(closeDigest(caseId), setEpoch, signatures);
        uint256 last = _open.length;
        for (uint256 i; i < last; ++i) {
            if (_open[i] == caseId) {
                _open[i] = _open[last - 1];
                _open.pop();
                emit CaseClosed(caseId);
                return;
            }
        }
        revert Quarantine_NoCase(caseId);
    }

    /// @inheritdoc IQuarantine
    function openCases() external view returns (uint256[] memory) {
        return _open;
    }

    /// @inheritdoc IQuarantine
    function caseOf(uint256 caseId) external view returns (Case memory) {
        if (caseId == 0 || caseId > _caseCount) revert Quarantine_NoCase(caseId);
        return _cases[caseId];
    }

    /// @inheritdoc IQuarantine
    function caseDigest(Case calldata distrust) public view returns (bytes32) {
        return _digest(keccak256(abi.encode(CASE_TYPE, distrust)));
    }

    /// @inheritdoc IQuarantine
    function closeDigest(uint256 caseId) public view returns (bytes32) {
        return _digest(keccak256(abi.encode(CLOSE_TYPE, caseId)));
    }

    /// @inheritdoc IQuarantine
    function touching(uint64 setEpoch, uint256 signers, uint64 recordedAt, bytes32 validatorVersion)
        external
        view
        returns (uint256 caseId)
    {
        uint256 count = _open.length;
        for (uint256 i; i < count; ++i) {
            Case storage distrust = _cases[_open[i]];
            if (recordedAt < distrust.since || recordedAt > distrust.until) continue;
            bytes32 subject = distrust.subject;
            if (distrust.kind == CASE_VERSION) {
                if (subject == validatorVersion) return _open[i];
                continue;
            }
            uint256 place = VALIDATORS.placeOf(setEpoch, address(uint160(uint256(subject))));
            if (place != 0 && signers >> (place - 1) & 1 == 1) return _open[i];
        }
        return 0;
    }

    function _domainName() internal pure override returns (string memory) {
        return "T-Rex Quarantine";
    }
}
