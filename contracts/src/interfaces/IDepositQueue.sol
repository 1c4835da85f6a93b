// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.36;

/// @title The queue of deposits, as a hash chain
/// @notice What L1 owes L2, in order. The contract stores no deposit, only how many there were and what they hash to
///         after each L1 block that had any (specs/portal.md PTL-001..004).
interface IDepositQueue {
    /// @notice Deposits so far.
    function depositCount() external view returns (uint64 count);

    /// @notice Accumulator of all deposits so far; zero before the first.
    function depositAccumulator() external view returns (bytes32 accumulator);

    /// @notice The queue as it stood at the end of an L1 block.
    /// @dev Final once that block is past. The work grows with the logarithm of how many later blocks had deposits.
    /// @param l1Block L1 block number.
    /// @return count Deposits up to and including that block.
    /// @return accumulator Their accumulator.
    function depositsAt(uint64 l1Block) external view returns (uint64 count, bytes32 accumulator);
}
