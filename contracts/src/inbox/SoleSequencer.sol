// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {ISequencerSet} from "../interfaces/ISequencerSet.sol";
import {ISoleSequencer} from "../interfaces/ISoleSequencer.sol";

/// @title SoleSequencer
/// @notice A sequencer set of one key; see {ISoleSequencer}.
contract SoleSequencer is ISoleSequencer {
    /// @inheritdoc ISoleSequencer
    address public sequencer;
    /// @inheritdoc ISoleSequencer
    address public heir;

    /// @param first Who may append at first.
    constructor(address first) {
        if (first == address(0)) revert SoleSequencer_ZeroSequencer();
        sequencer = first;
    }

    /// @inheritdoc ISoleSequencer
    function startHandover(address to) external {
        if (msg.sender != sequencer) revert SoleSequencer_NotSequencer(msg.sender);
        heir = to;
        emit HandoverStarted(msg.sender, to);
    }

    /// @inheritdoc ISoleSequencer
    function takeOver() external {
        if (msg.sender != heir) revert SoleSequencer_NotHeir(msg.sender);
        emit HandedOver(sequencer, msg.sender);
        sequencer = msg.sender;
        heir = address(0);
    }

    /// @inheritdoc ISequencerSet
    function mayAppend(address account) external view returns (bool) {
        return account == sequencer;
    }

    /// @inheritdoc ISequencerSet
    function id() external view returns (bytes32) {
        return bytes32(uint256(uint160(sequencer))); // INB-031
    }
}
