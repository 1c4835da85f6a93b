// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {CrossDomainMessenger} from "../bridge/CrossDomainMessenger.sol";
import {IMessagePasser} from "../interfaces/IMessagePasser.sol";
import {L1Alias} from "../portal/L1Alias.sol";

/// @title L2CrossDomainMessenger
/// @notice The messenger of L2: sends by withdrawals, receives by deposits.
/// @custom:predeploy 0x4200000000000000000000000000000000000007
contract L2CrossDomainMessenger is CrossDomainMessenger {
    /// @dev Where withdrawals are recorded.
    IMessagePasser private constant PASSER = IMessagePasser(0x4200000000000000000000000000000000000016);

    /// @param l1Messenger The messenger of L1.
    /// @param l1Portal The portal.
    constructor(address l1Messenger, address l1Portal) CrossDomainMessenger(l1Messenger, l1Portal) {}

    /// @notice The same as {OTHER_MESSENGER}.
    function l1CrossDomainMessenger() external view returns (address) {
        return OTHER_MESSENGER;
    }

    /// @inheritdoc CrossDomainMessenger
    function _send(uint64 gasLimit, bytes memory data) internal override {
        PASSER.initiateWithdrawal{value: msg.value}(OTHER_MESSENGER, gasLimit, data);
    }

    /// @inheritdoc CrossDomainMessenger
    function _isOther() internal view override returns (bool) {
        return L1Alias.undo(msg.sender) == OTHER_MESSENGER;
    }

    /// @inheritdoc CrossDomainMessenger
    function _isBlocked(address target) internal pure override returns (bool) {
        return target == address(PASSER);
    }
}
