// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.36;

/// @dev What a quarantine case distrusts (BDG-030).
uint8 constant CASE_ATTESTOR = 1;
uint8 constant CASE_VERSION = 2;

/// @notice Something distrusted.
/// @param kind CASE_ATTESTOR or CASE_VERSION.
/// @param subject The attestor's address, or the version.
/// @param since First second recorded that is distrusted.
/// @param until Last one.
/// @param reason Hash of the reason.
/// @param number Chosen by the attestors; serves once.
/// @param deadline Last second at which the attestation counts.
struct Case {
    uint8 kind;
    bytes32 subject;
    uint64 since;
    uint64 until;
    bytes32 reason;
    uint256 number;
    uint64 deadline;
}

/// @title What is distrusted
/// @notice Rules BDG-030 to BDG-033 of specs/badges.md.
interface IQuarantine {
    /// @notice Something is distrusted.
    event CaseOpened(
        uint256 indexed caseId,
        uint8 kind,
        bytes32 indexed subject,
        uint64 since,
        uint64 until,
        bytes32 reason
    );
    /// @notice It was unfounded.
    event CaseClosed(uint256 indexed caseId);

    /// @notice Kind or times of a case make no sense.
    error Quarantine_BadCase(uint8 kind, uint64 since, uint64 until);
    /// @notice No such open case.
    error Quarantine_NoCase(uint256 caseId);
    /// @notice As many cases are open as may be.
    error Quarantine_TooManyCases(uint256 maximum);

    /// @notice The attestation served already.
    error Quarantine_Used(bytes32 digest);
    /// @notice The attestation's last second has passed.
    error Quarantine_Expired(uint256 deadline);

    /// @notice Opens a case. Attested: `Case(uint8 kind,bytes32 subject,uint64 since,uint64 until,bytes32 reason,uint256 number,uint64
    ///         deadline)`; the steward needs no signatures.
    function openCase(Case calldata distrust, uint64 setEpoch, bytes calldata signatures)
        external
        returns (uint256 caseId);
    /// @notice Closes a case. Attested: `CloseCase(uint256 caseId)`.
    function closeCase(uint256 caseId, uint64 setEpoch, bytes calldata signatures) external;

    /// @notice The first open case that touches what some attestors attested with some version at some time (BDG-031), zero for none.
    /// @param setEpoch Set of the attestors.
    /// @param signers Bitmap of who signed.
    /// @param recordedAt When the chain recorded it.
    /// @param validatorVersion Version that made it.
    function touching(uint64 setEpoch, uint256 signers, uint64 recordedAt, bytes32 validatorVersion)
        external
        view
        returns (uint256 caseId);
    /// @notice Numbers of the open cases.
    function openCases() external view returns (uint256[] memory);
    /// @notice A case as it was opened.
    function caseOf(uint256 caseId) external view returns (Case memory);
    /// @notice EIP-712 digest of a case.
    function caseDigest(Case calldata distrust) external view returns (bytes32);
    /// @notice EIP-712 digest of the closing of a case.
    function closeDigest(uint256 caseId) external view returns (bytes32);
}
