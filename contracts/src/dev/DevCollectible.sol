// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";

/// @title DevCollectible
/// @notice A collection of development networks: anyone makes any number of it that is free.
contract DevCollectible is ERC721 {
    constructor() ERC721("Development collectible", "DEVC") {}

    /// @notice Makes one.
    /// @param to Who gets it.
    /// @param number Its number, free as yet.
    function mint(address to, uint256 number) external {
        _mint(to, number);
    }
}
