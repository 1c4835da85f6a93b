// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {IBridge} from "../interfaces/IBridge.sol";
import {ICrossDomainMessenger} from "../interfaces/ICrossDomainMessenger.sol";
import {KeyHolder} from "./KeyHolder.sol";

/// @title Bridge
/// @notice What all bridges have in common; see {IBridge}.
abstract contract Bridge is IBridge {
    /// @inheritdoc IBridge
    ICrossDomainMessenger public immutable MESSENGER;
    /// @inheritdoc IBridge
    address public immutable OTHER_BRIDGE;

    /// @param messenger_ The messenger of this layer.
    /// @param other The bridge of the other layer.
    constructor(ICrossDomainMessenger messenger_, address other) {
        MESSENGER = messenger_;
        OTHER_BRIDGE = other;
    }

    /// @dev Contracts name a recipient (BRG-021).
    modifier onlyKeyHolder() {
        if (!KeyHolder.called()) revert Bridge_OnlyEOA(msg.sender);
        _;
    }

    /// @dev Only what the other bridge says (BRG-022, BRG-044).
    modifier onlyOtherBridge() {
        if (msg.sender != address(MESSENGER) || MESSENGER.xDomainMessageSender() != OTHER_BRIDGE) {
            revert Bridge_NotOtherBridge(msg.sender);
        }
        _;
    }

    /// @inheritdoc IBridge
    function messenger() external view returns (ICrossDomainMessenger) {
        return MESSENGER;
    }

    /// @inheritdoc IBridge
    function otherBridge() external view returns (address) {
        return OTHER_BRIDGE;
    }

    /// @inheritdoc IBridge
    function version() external pure returns (string memory) {
        return "2.0.0";
    }
}
