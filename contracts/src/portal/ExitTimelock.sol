// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";

/// @title ExitTimelock
/// @notice What can be changed at all is changed through here, no sooner than everyone could have left (PTL-070, PTL-071).
///         Anyone may carry out what has waited long enough.
contract ExitTimelock is TimelockController {
    /// @notice The delay can be made longer, never shorter than this, seconds.
    uint256 public immutable LEAST_DELAY;

    /// @notice Keccak-256 of the ABI encoding of those who could put changes on the table at first. Nobody else could: so there
    ///         is no need to search the chain's events for who was let in beside them.
    bytes32 public immutable FIRST_PROPOSERS;

    /// @notice A delay shorter than the least.
    error ExitTimelock_TooShort(uint256 delaySeconds, uint256 leastSeconds);

    /// @param leastDelaySeconds Longer than an exit takes.
    /// @param proposers Who may put changes on the table, and take them off.
    constructor(uint256 leastDelaySeconds, address[] memory proposers)
        TimelockController(leastDelaySeconds, proposers, new address[](1), address(0))
    {
        LEAST_DELAY = leastDelaySeconds;
        FIRST_PROPOSERS = keccak256(abi.encode(proposers));
    }

    /// @inheritdoc TimelockController
    function updateDelay(uint256 newDelay) public override {
        if (newDelay < LEAST_DELAY) revert ExitTimelock_TooShort(newDelay, LEAST_DELAY);
        super.updateDelay(newDelay);
    }
}
