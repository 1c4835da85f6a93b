// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.36;

import {IBridge} from "./IBridge.sol";

/// @title Bridge of ether and ERC-20 tokens
/// @notice One of two, each the other's counterpart. A token native to this layer is locked here and minted there; a token
///         that the bridge minted here is burned, and unlocked there. Names are the OP Stack's
///         (specs/bridge.md BRG-020..032).
interface IStandardBridge is IBridge {
    /// @notice Ether is on its way to the other layer.
    event ETHBridgeInitiated(address indexed from, address indexed to, uint256 amount, bytes extraData);
    /// @notice Ether of the other layer was handed over.
    event ETHBridgeFinalized(address indexed from, address indexed to, uint256 amount, bytes extraData);
    /// @notice Tokens are on their way to the other layer; the amount is what arrived here.
    event ERC20BridgeInitiated(
        address indexed localToken,
        address indexed remoteToken,
        address indexed from,
        address to,
        uint256 amount,
        bytes extraData
    );
    /// @notice Tokens of the other layer were minted or unlocked.
    event ERC20BridgeFinalized(
        address indexed localToken,
        address indexed remoteToken,
        address indexed from,
        address to,
        uint256 amount,
        bytes extraData
    );

    /// @notice Wei sent along are not the amount.
    error StandardBridge_WrongValue(uint256 given, uint256 wanted);

    /// @notice Ether to the bridge, the messenger, the portal or the message passer would be lost (BRG-032).
    error StandardBridge_BadRecipient(address to);

    /// @notice The recipient refused the ether.
    error StandardBridge_TransferFailed(address to);

    /// @notice The local token was made for another remote token (BRG-024).
    error StandardBridge_WrongPair(address localToken, address remoteToken);

    /// @notice More would be unlocked than was locked for that pair (BRG-025).
    error StandardBridge_NotLocked(address localToken, address remoteToken, uint256 amount, uint256 locked);

    /// @notice A token called back while it was being locked (BRG-026).
    error StandardBridge_Reentered(address localToken);

    /// @notice Bridge the ether sent along to oneself. Only accounts with a key.
    function bridgeETH(uint32 minGasLimit, bytes calldata extraData) external payable;

    /// @notice Bridge the ether sent along.
    function bridgeETHTo(address to, uint32 minGasLimit, bytes calldata extraData) external payable;

    /// @notice Bridge tokens to oneself. Only accounts with a key.
    function bridgeERC20(
        address localToken,
        address remoteToken,
        uint256 amount,
        uint32 minGasLimit,
        bytes calldata extraData
    ) external;

    /// @notice Bridge tokens. What arrives there is what arrived here: a token that takes a fee takes it first.
    function bridgeERC20To(
        address localToken,
        address remoteToken,
        address to,
        uint256 amount,
        uint32 minGasLimit,
        bytes calldata extraData
    ) external;

    /// @notice Hand over ether that was bridged. Only the other bridge.
    function finalizeBridgeETH(address from, address to, uint256 amount, bytes calldata extraData)
        external
        payable;

    /// @notice Mint or unlock tokens that were bridged. Only the other bridge.
    function finalizeBridgeERC20(
        address localToken,
        address remoteToken,
        address from,
        address to,
        uint256 amount,
        bytes calldata extraData
    ) external;

    /// @notice Tokens locked here for a remote token.
    function deposits(address localToken, address remoteToken) external view returns (uint256);

    /// @notice No one can pause.
    function paused() external view returns (bool);
}
