// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.36;

import {ICrossDomainMessenger} from "./ICrossDomainMessenger.sol";

/// @title One end of a bridge
/// @notice What the bridges of ether, ERC-20 and ERC-721 tokens have in common. Names are the OP Stack's (specs/bridge.md).
interface IBridge {
    /// @notice Contracts name a recipient: their address means nothing on the other layer (BRG-021).
    error Bridge_OnlyEOA(address caller);

    /// @notice Only the other bridge finalises (BRG-022, BRG-044).
    error Bridge_NotOtherBridge(address caller);

    /// @notice The messenger of this layer.
    function MESSENGER() external view returns (ICrossDomainMessenger);

    /// @notice The same.
    function messenger() external view returns (ICrossDomainMessenger);

    /// @notice The bridge of the other layer.
    function OTHER_BRIDGE() external view returns (address);

    /// @notice The same.
    function otherBridge() external view returns (address);

    /// @notice Semantic version of this contract.
    function version() external view returns (string memory);
}
