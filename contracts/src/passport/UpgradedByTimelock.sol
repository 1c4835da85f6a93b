// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";

/// @title UpgradedByTimelock
/// @notice An ERC-1967 implementation that only the timelock replaces (PAS-062). The timelock is part of the code, so no storage can forge it.
abstract contract UpgradedByTimelock is UUPSUpgradeable {
    /// @notice Only the timelock may upgrade.
    /// @param sender Who tried.
    error UpgradedByTimelock_NotTimelock(address sender);

    /// @notice Who may upgrade.
    address public immutable TIMELOCK;

    /// @param timelock Who may upgrade.
    constructor(address timelock) {
        TIMELOCK = timelock;
    }

    /// @inheritdoc UUPSUpgradeable
    function _authorizeUpgrade(address) internal view override {
        if (msg.sender != TIMELOCK) revert UpgradedByTimelock_NotTimelock(msg.sender);
    }
}
