// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";

/// @title PersonaTimelock
/// @notice Delays every change of Passport and Badge by longer than it takes to leave the chain (PAS-062).
contract PersonaTimelock is TimelockController {
    /// @notice The delay would be shorter than the least allowed.
    error PersonaTimelock_TooShort(uint256 delayS, uint256 minimumS);

    /// @notice Least delay, seconds, whatever is voted.
    uint256 public constant LEAST_DELAY_S = 30 days;

    /// @param delayS First delay, seconds.
    /// @param proposers Who may schedule and cancel; anyone executes once the delay is over.
    constructor(uint256 delayS, address[] memory proposers)
        TimelockController(delayS, proposers, _anyone(), address(0))
    {
        if (delayS < LEAST_DELAY_S) revert PersonaTimelock_TooShort(delayS, LEAST_DELAY_S);
    }

    /// @inheritdoc TimelockController
    function updateDelay(uint256 delayS) public override {
        if (delayS < LEAST_DELAY_S) revert PersonaTimelock_TooShort(delayS, LEAST_DELAY_S);
        super.updateDelay(delayS);
    }

    /// @dev The zero address as executor means everyone.
    function _anyone() private pure returns (address[] memory executors) {
        executors = new address[](1);
    }
}
