// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {IPortal} from "../interfaces/IPortal.sol";
import {CrossDomainMessenger} from "./CrossDomainMessenger.sol";

/// @title L1CrossDomainMessenger
/// @notice The messenger of L1: sends by deposits, receives by withdrawals.
contract L1CrossDomainMessenger is CrossDomainMessenger {
    /// @notice The door to L2.
    IPortal public immutable PORTAL;

    /// @param portal_ The door to L2: may be an address that gets its code later.
    constructor(IPortal portal_)
        CrossDomainMessenger(
            0x4200000000000000000000000000000000000007, 0x4200000000000000000000000000000000000016
        )
    {
        PORTAL = portal_;
    }

    /// @notice The same as {PORTAL}.
    function portal() external view returns (IPortal) {
        return PORTAL;
    }

    /// @inheritdoc CrossDomainMessenger
    function _send(uint64 gasLimit, bytes memory data) internal override {
        PORTAL.depositTransaction{value: msg.value}(OTHER_MESSENGER, msg.value, gasLimit, false, data);
    }

    /// @inheritdoc CrossDomainMessenger
    function _isOther() internal view override returns (bool) {
        return msg.sender == address(PORTAL) && PORTAL.l2Sender() == OTHER_MESSENGER;
    }

    /// @inheritdoc CrossDomainMessenger
    function _isBlocked(address target) internal view override returns (bool) {
        return target == address(PORTAL);
    }
}
