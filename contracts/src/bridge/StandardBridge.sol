// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {LowLevelCall} from "@openzeppelin/contracts/utils/LowLevelCall.sol";
import {ERC165Checker} from "@openzeppelin/contracts/utils/introspection/ERC165Checker.sol";
import {ICrossDomainMessenger} from "../interfaces/ICrossDomainMessenger.sol";
import {IOptimismMintableERC20} from "../interfaces/IOptimismMintableERC20.sol";
import {IStandardBridge} from "../interfaces/IStandardBridge.sol";
import {Bridge} from "./Bridge.sol";

/// @title StandardBridge
/// @notice What the bridges of both layers have in common; see {IStandardBridge}.
abstract contract StandardBridge is IStandardBridge, Bridge {
    using SafeERC20 for IERC20;

    /// @dev Gas on the other layer for ether that was sent without data.
    uint32 internal constant RECEIVE_GAS = 200_000;

    /// @inheritdoc IStandardBridge
    mapping(address localToken => mapping(address remoteToken => uint256)) public deposits;
    /// @dev Whether a token is being locked.
    bool private transient _locking;

    /// @param messenger_ The messenger of this layer.
    /// @param other The bridge of the other layer.
    constructor(ICrossDomainMessenger messenger_, address other) Bridge(messenger_, other) {}

    /// @notice Ether sent without data is bridged to its sender.
    receive() external payable onlyKeyHolder {
        _bridgeETH(msg.sender, RECEIVE_GAS, "");
    }

    /// @inheritdoc IStandardBridge
    function bridgeETH(uint32 minGasLimit, bytes calldata extraData) external payable onlyKeyHolder {
        _bridgeETH(msg.sender, minGasLimit, extraData);
    }

    /// @inheritdoc IStandardBridge
    function bridgeETHTo(address to, uint32 minGasLimit, bytes calldata extraData) external payable {
        _bridgeETH(to, minGasLimit, extraData);
    }

    /// @inheritdoc IStandardBridge
    function bridgeERC20(
        address localToken,
        address remoteToken,
        uint256 amount,
        uint32 minGasLimit,
        bytes calldata extraData
    ) external onlyKeyHolder {
        _bridgeERC20(localToken, remoteToken, msg.sender, amount, minGasLimit, extraData);
    }

    /// @inheritdoc IStandardBridge
    function bridgeERC20To(
        address localToken,
        address remoteToken,
        address to,
        uint256 amount,
        uint32 minGasLimit,
        bytes calldata extraData
    ) external {
        _bridgeERC20(localToken, remoteToken, to, amount, minGasLimit, extraData);
    }

    /// @inheritdoc IStandardBridge
    function finalizeBridgeETH(address from, address to, uint256 amount, bytes calldata extraData)
        external
        payable
        onlyOtherBridge
    {
        if (msg.value != amount) revert StandardBridge_WrongValue(msg.value, amount);
        _tellETH(true, from, to, amount, extraData);
        // What the recipient returns is not read: it could only make the delivery dearer.
        if (!LowLevelCall.callNoReturn(to, amount, "")) revert StandardBridge_TransferFailed(to); // the message can be relayed again
    }

    /// @inheritdoc IStandardBridge
    function finalizeBridgeERC20(
        address localToken,
        address remoteToken,
        address from,
        address to,
        uint256 amount,
        bytes calldata extraData
    ) external onlyOtherBridge {
        if (_isMintable(localToken)) {
            _checkPair(localToken, remoteToken);
            IOptimismMintableERC20(localToken).mint(to, amount); // BRG-023
        } else {
            uint256 locked = deposits[localToken][remoteToken];
            if (amount > locked) revert StandardBridge_NotLocked(localToken, remoteToken, amount, locked); // BRG-025
            deposits[localToken][remoteToken] = locked - amount;
            IERC20(localToken).safeTransfer(to, amount);
        }
        _tellERC20(true, localToken, remoteToken, from, to, amount, extraData);
    }

    /// @inheritdoc IStandardBridge
    function paused() external pure returns (bool) {
        return false;
    }

    /// @dev BRG-020; what could never be handed over there, or not to anyone, stays (BRG-032).
    function _bridgeETH(address to, uint32 minGasLimit, bytes memory extraData) internal {
        if (to == OTHER_BRIDGE || MESSENGER.isBlockedThere(to)) revert StandardBridge_BadRecipient(to);
        _tellETH(false, msg.sender, to, msg.value, extraData);
        MESSENGER.sendMessage{value: msg.value}(
            OTHER_BRIDGE,
            abi.encodeCall(IStandardBridge.finalizeBridgeETH, (msg.sender, to, msg.value, extraData)),
            minGasLimit
        );
    }

    /// @dev Burn or lock, and have the same minted or unlocked there (BRG-023..026).
    function _bridgeERC20(
        address localToken,
        address remoteToken,
        address to,
        uint256 amount,
        uint32 minGasLimit,
        bytes memory extraData
    ) internal {
        if (_isMintable(localToken)) {
            _checkPair(localToken, remoteToken);
            IOptimismMintableERC20(localToken).burn(msg.sender, amount);
        } else {
            amount = _lock(localToken, amount);
            deposits[localToken][remoteToken] += amount;
        }
        _tellERC20(false, localToken, remoteToken, msg.sender, to, amount, extraData);
        MESSENGER.sendMessage(
            OTHER_BRIDGE,
            // On the other layer, this one's token is the remote one.
            abi.encodeCall(
                IStandardBridge.finalizeBridgeERC20,
                (remoteToken, localToken, msg.sender, to, amount, extraData)
            ),
            minGasLimit
        );
    }

    /// @dev Events of ether, those of this layer's own names included.
    function _tellETH(bool finalized, address from, address to, uint256 amount, bytes memory extraData)
        internal
        virtual
    {
        if (finalized) emit ETHBridgeFinalized(from, to, amount, extraData);
        else emit ETHBridgeInitiated(from, to, amount, extraData);
    }

    /// @dev Events of tokens, those of this layer's own names included.
    function _tellERC20(
        bool finalized,
        address localToken,
        address remoteToken,
        address from,
        address to,
        uint256 amount,
        bytes memory extraData
    ) internal virtual {
        if (finalized) {
            emit ERC20BridgeFinalized(localToken, remoteToken, from, to, amount, extraData);
        } else {
            emit ERC20BridgeInitiated(localToken, remoteToken, from, to, amount, extraData);
        }
    }

    /// @dev Take tokens in; returns what arrived. A token that calls back in between is refused, as it could have the same
    ///      arrival counted twice (BRG-026).
    function _lock(address token, uint256 amount) private returns (uint256 arrived) {
        if (_locking) revert StandardBridge_Reentered(token);
        _locking = true;
        uint256 before = IERC20(token).balanceOf(address(this));
        IERC20(token).safeTransferFrom(msg.sender, address(this), amount);
        arrived = IERC20(token).balanceOf(address(this)) - before;
        _locking = false;
    }

    /// @dev Whether a token says that a bridge mints it.
    function _isMintable(address token) private view returns (bool) {
        return ERC165Checker.supportsInterface(token, type(IOptimismMintableERC20).interfaceId);
    }

    /// @dev BRG-024.
    function _checkPair(address localToken, address remoteToken) private view {
        if (IOptimismMintableERC20(localToken).remoteToken() != remoteToken) {
            revert StandardBridge_WrongPair(localToken, remoteToken);
        }
    }
}
