// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {ICrossDomainMessenger} from "../interfaces/ICrossDomainMessenger.sol";
import {StandardBridge} from "./StandardBridge.sol";

/// @title L1StandardBridge
/// @notice The bridge of L1. Its own functions are older names of the OP Stack's that clients still use.
contract L1StandardBridge is StandardBridge {
    /// @notice Ether is on its way to L2.
    event ETHDepositInitiated(address indexed from, address indexed to, uint256 amount, bytes extraData);
    /// @notice Ether of L2 was handed over.
    event ETHWithdrawalFinalized(address indexed from, address indexed to, uint256 amount, bytes extraData);
    /// @notice Tokens are on their way to L2.
    event ERC20DepositInitiated(
        address indexed l1Token,
        address indexed l2Token,
        address indexed from,
        address to,
        uint256 amount,
        bytes extraData
    );
    /// @notice Tokens of L2 were handed over.
    event ERC20WithdrawalFinalized(
        address indexed l1Token,
        address indexed l2Token,
        address indexed from,
        address to,
        uint256 amount,
        bytes extraData
    );

    /// @param messenger_ The messenger of L1.
    constructor(ICrossDomainMessenger messenger_)
        StandardBridge(messenger_, 0x4200000000000000000000000000000000000010)
    {}

    /// @notice Bridge the ether sent along to oneself. Only accounts with a key.
    function depositETH(uint32 minGasLimit, bytes calldata extraData) external payable onlyKeyHolder {
        _bridgeETH(msg.sender, minGasLimit, extraData);
    }

    /// @notice Bridge the ether sent along.
    function depositETHTo(address to, uint32 minGasLimit, bytes calldata extraData) external payable {
        _bridgeETH(to, minGasLimit, extraData);
    }

    /// @notice Bridge tokens to oneself. Only accounts with a key.
    function depositERC20(
        address l1Token,
        address l2Token,
        uint256 amount,
        uint32 minGasLimit,
        bytes calldata extraData
    ) external onlyKeyHolder {
        _bridgeERC20(l1Token, l2Token, msg.sender, amount, minGasLimit, extraData);
    }

    /// @notice Bridge tokens.
    function depositERC20To(
        address l1Token,
        address l2Token,
        address to,
        uint256 amount,
        uint32 minGasLimit,
        bytes calldata extraData
    ) external {
        _bridgeERC20(l1Token, l2Token, to, amount, minGasLimit, extraData);
    }

    /// @notice The bridge of L2.
    function l2TokenBridge() external view returns (address) {
        return OTHER_BRIDGE;
    }

    /// @inheritdoc StandardBridge
    function _tellETH(bool finalized, address from, address to, uint256 amount, bytes memory extraData)
        internal
        override
    {
        if (finalized) emit ETHWithdrawalFinalized(from, to, amount, extraData);
        else emit ETHDepositInitiated(from, to, amount, extraData);
        super._tellETH(finalized, from, to, amount, extraData);
    }

    /// @inheritdoc StandardBridge
    function _tellERC20(
        bool finalized,
        address localToken,
        address remoteToken,
        address from,
        address to,
        uint256 amount,
        bytes memory extraData
    ) internal override {
        if (finalized) {
            emit ERC20WithdrawalFinalized(localToken, remoteToken, from, to, amount, extraData);
        } else {
            emit ERC20DepositInitiated(localToken, remoteToken, from, to, amount, extraData);
        }
        super._tellERC20(finalized, localToken, remoteToken, from, to, amount, extraData);
    }
}
