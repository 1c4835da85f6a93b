// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.36;

/// @title Who may append batches
/// @notice The seam between the inbox and whatever decides who sequences: one key, or a bonded set that joins, leaves and
///         is slashed by its own rules. The inbox asks nothing else of it (specs/inbox.md INB-030).
interface ISequencerSet {
    /// @notice Tells whether `account` may append a batch now.
    /// @param account Who would call the inbox.
    function mayAppend(address account) external view returns (bool allowed);

    /// @notice What a batch's header says about the set that appended it; never zero.
    function id() external view returns (bytes32 setId);
}
