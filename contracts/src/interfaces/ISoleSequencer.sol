// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.36;

import {ISequencerSet} from "./ISequencerSet.sol";

/// @title A sequencer set of one key
/// @notice The key hands itself over in two steps; nobody else can move it. A lost key does not stop the chain: batches
///         are then forced in by anyone (INB-020), and the inbox can be given another set behind its timelock.
interface ISoleSequencer is ISequencerSet {
    /// @notice The sequencer named an heir.
    /// @param from The sequencer.
    /// @param to Who may take over.
    event HandoverStarted(address indexed from, address indexed to);

    /// @notice The heir took over.
    /// @param from Who was the sequencer.
    /// @param to Who is now.
    event HandedOver(address indexed from, address indexed to);

    /// @notice Someone other than the sequencer tried to name an heir.
    /// @param caller Who called.
    error SoleSequencer_NotSequencer(address caller);

    /// @notice Someone other than the heir tried to take over.
    /// @param caller Who called.
    error SoleSequencer_NotHeir(address caller);

    /// @notice A set needs a sequencer.
    error SoleSequencer_ZeroSequencer();

    /// @notice Who may append.
    function sequencer() external view returns (address);

    /// @notice Who may take over, zero when nobody.
    function heir() external view returns (address);

    /// @notice Name who may take over; zero takes the last naming back. Only the sequencer.
    /// @param to The heir.
    function startHandover(address to) external;

    /// @notice Become the sequencer. Only the heir.
    function takeOver() external;
}
