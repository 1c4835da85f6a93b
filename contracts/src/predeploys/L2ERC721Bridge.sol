// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {IERC721} from "@openzeppelin/contracts/token/ERC721/IERC721.sol";
import {ERC165Checker} from "@openzeppelin/contracts/utils/introspection/ERC165Checker.sol";
import {ERC721Bridge} from "../bridge/ERC721Bridge.sol";
import {ICrossDomainMessenger} from "../interfaces/ICrossDomainMessenger.sol";
import {IOptimismMintableERC721} from "../interfaces/IOptimismMintableERC721.sol";

/// @title L2ERC721Bridge
/// @notice The bridge of L2: mints and burns.
/// @custom:predeploy 0x4200000000000000000000000000000000000014
contract L2ERC721Bridge is ERC721Bridge {
    /// @param l1Bridge The bridge of L1.
    constructor(address l1Bridge)
        ERC721Bridge(ICrossDomainMessenger(0x4200000000000000000000000000000000000007), l1Bridge)
    {}

    /// @dev BRG-042.
    function _take(address localToken, address remoteToken, uint256 tokenId) internal override {
        _checkPair(localToken, remoteToken);
        if (IERC721(localToken).ownerOf(tokenId) != msg.sender) {
            revert ERC721Bridge_NotOwner(msg.sender, tokenId);
        }
        IOptimismMintableERC721(localToken).burn(msg.sender, tokenId);
    }

    /// @dev BRG-042.
    function _give(address localToken, address remoteToken, address to, uint256 tokenId) internal override {
        _checkPair(localToken, remoteToken);
        IOptimismMintableERC721(localToken).safeMint(to, tokenId);
    }

    /// @dev BRG-043.
    function _checkPair(address localToken, address remoteToken) private view {
        if (
            !ERC165Checker.supportsInterface(localToken, type(IOptimismMintableERC721).interfaceId)
                || IOptimismMintableERC721(localToken).remoteToken() != remoteToken
        ) revert ERC721Bridge_WrongPair(localToken, remoteToken);
    }
}
