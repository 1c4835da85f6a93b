// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {IERC721} from "@openzeppelin/contracts/token/ERC721/IERC721.sol";
import {ICrossDomainMessenger} from "../interfaces/ICrossDomainMessenger.sol";
import {ERC721Bridge} from "./ERC721Bridge.sol";

/// @title L1ERC721Bridge
/// @notice The bridge of L1: locks tokens.
contract L1ERC721Bridge is ERC721Bridge {
    /// @notice Whether a token is locked for a token of L2.
    mapping(address l1Token => mapping(address l2Token => mapping(uint256 tokenId => bool))) public deposits;

    /// @param messenger_ The messenger of L1.
    constructor(ICrossDomainMessenger messenger_)
        ERC721Bridge(messenger_, 0x4200000000000000000000000000000000000014)
    {}

    /// @dev BRG-041.
    function _take(address localToken, address remoteToken, uint256 tokenId) internal override {
        deposits[localToken][remoteToken][tokenId] = true;
        IERC721(localToken).transferFrom(msg.sender, address(this), tokenId);
    }

    /// @dev BRG-041.
    function _give(address localToken, address remoteToken, address to, uint256 tokenId) internal override {
        if (!deposits[localToken][remoteToken][tokenId]) {
            revert ERC721Bridge_NotLocked(localToken, remoteToken, tokenId);
        }
        deposits[localToken][remoteToken][tokenId] = false;
        IERC721(localToken).safeTransferFrom(address(this), to, tokenId);
    }
}
