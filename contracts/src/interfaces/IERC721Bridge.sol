// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.36;

import {IBridge} from "./IBridge.sol";

/// @title Bridge of ERC-721 tokens
/// @notice One of two, each the other's counterpart: L1 locks, L2 mints. Names are the OP Stack's
///         (specs/bridge.md BRG-040..044).
interface IERC721Bridge is IBridge {
    /// @notice A token is on its way to the other layer.
    event ERC721BridgeInitiated(
        address indexed localToken,
        address indexed remoteToken,
        address indexed from,
        address to,
        uint256 tokenId,
        bytes extraData
    );
    /// @notice A token of the other layer was handed over.
    event ERC721BridgeFinalized(
        address indexed localToken,
        address indexed remoteToken,
        address indexed from,
        address to,
        uint256 tokenId,
        bytes extraData
    );

    /// @notice A bridged token needs a recipient and a counterpart.
    error ERC721Bridge_ZeroAddress();

    /// @notice The local token was not made for that remote token.
    error ERC721Bridge_WrongPair(address localToken, address remoteToken);

    /// @notice The caller does not own the token.
    error ERC721Bridge_NotOwner(address caller, uint256 tokenId);

    /// @notice The token is not locked for that pair.
    error ERC721Bridge_NotLocked(address localToken, address remoteToken, uint256 tokenId);

    /// @notice Bridge a token to oneself. Only accounts with a key.
    function bridgeERC721(
        address localToken,
        address remoteToken,
        uint256 tokenId,
        uint32 minGasLimit,
        bytes calldata extraData
    ) external;

    /// @notice Bridge a token.
    function bridgeERC721To(
        address localToken,
        address remoteToken,
        address to,
        uint256 tokenId,
        uint32 minGasLimit,
        bytes calldata extraData
    ) external;

    /// @notice Mint or unlock a token that was bridged. Only the other bridge.
    function finalizeBridgeERC721(
        address localToken,
        address remoteToken,
        address from,
        address to,
        uint256 tokenId,
        bytes calldata extraData
    ) external;
}
