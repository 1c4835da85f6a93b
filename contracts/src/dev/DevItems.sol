// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {ERC1155} from "@openzeppelin/contracts/token/ERC1155/ERC1155.sol";

/// @title DevItems
/// @notice Items of development networks: anyone makes as many of any kind as they like.
contract DevItems is ERC1155 {
    constructor() ERC1155("") {}

    /// @notice Makes items.
    /// @param to Who gets them.
    /// @param kind Which.
    /// @param amount How many.
    function mint(address to, uint256 kind, uint256 amount) external {
        _mint(to, kind, amount, "");
    }
}
