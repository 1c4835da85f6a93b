// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @title DevToken
/// @notice A token of development networks: anyone makes as much of it as they like, so it is worth nothing.
contract DevToken is ERC20 {
    constructor() ERC20("Development coin", "DEV") {}

    /// @notice Makes tokens.
    /// @param to Who gets them.
    /// @param amount How many, in the smallest unit (18 decimals).
    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }
}
