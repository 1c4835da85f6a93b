// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {ICrossDomainMessenger} from "../interfaces/ICrossDomainMessenger.sol";
import {IERC721Bridge} from "../interfaces/IERC721Bridge.sol";
import {Bridge} from "./Bridge.sol";

/// @title ERC721Bridge
/// @notice What the bridges of both layers have in common; see {IERC721Bridge}.
abstract contract ERC721Bridge is IERC721Bridge, Bridge {
    /// @param messenger_ The messenger of this layer.
    /// @param other The bridge of the other layer.
    constructor(ICrossDomainMessenger messenger_, address other) Bridge(messenger_, other) {}

    /// @inheritdoc IERC721Bridge
    function bridgeERC721(
        address localToken,
        address remoteToken,
        uint256 tokenId,
        uint32 minGasLimit,
        bytes calldata extraData
    ) external onlyKeyHolder {
        _bridge(localToken, remoteToken, msg.sender, tokenId, minGasLimit, extraData);
    }

    /// @inheritdoc IERC721Bridge
    function bridgeERC721To(
        address localToken,
        address remoteToken,
        address to,
        uint256 tokenId,
        uint32 minGasLimit,
        bytes calldata extraData
    ) external {
        if (to == address(0)) revert ERC721Bridge_ZeroAddress();
        _bridge(localToken, remoteToken, to, tokenId, minGasLimit, extraData);
    }

    /// @inheritdoc IERC721Bridge
    function finalizeBridgeERC721(
        address localToken,
        address remoteToken,
        address from,
        address to,
        uint256 tokenId,
        bytes calldata extraData
    ) external onlyOtherBridge {
        _give(localToken, remoteToken, to, tokenId);
        emit ERC721BridgeFinalized(localToken, remoteToken, from, to, tokenId, extraData);
    }

    /// @dev Take a token from the caller: lock or burn it.
    function _take(address localToken, address remoteToken, uint256 tokenId) internal virtual;

    /// @dev Give a token: unlock or mint it.
    function _give(address localToken, address remoteToken, address to, uint256 tokenId) internal virtual;

    /// @dev Take here, have it given there (BRG-040).
    function _bridge(
        address localToken,
        address remoteToken,
        address to,
        uint256 tokenId,
        uint32 minGasLimit,
        bytes calldata extraData
    ) private {
        if (remoteToken == address(0)) revert ERC721Bridge_ZeroAddress();
        _take(localToken, remoteToken, tokenId);
        emit ERC721BridgeInitiated(localToken, remoteToken, msg.sender, to, tokenId, extraData);
        MESSENGER.sendMessage(
            OTHER_BRIDGE,
            abi.encodeCall(
                IERC721Bridge.finalizeBridgeERC721,
                (remoteToken, localToken, msg.sender, to, tokenId, extraData)
            ),
            minGasLimit
        );
    }
}
