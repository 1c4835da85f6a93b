// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {ERC20, ERC4626, IERC20} from "@openzeppelin/contracts/token/ERC20/extensions/ERC4626.sol";

/// @title DevVault
/// @notice Takes a token of development networks and gives shares of it (ERC-4626).
contract DevVault is ERC20("Development vault", "vDEV"), ERC4626 {
    /// @param asset The token.
    constructor(IERC20 asset) ERC4626(asset) {}

    /// @inheritdoc ERC4626
    function decimals() public view override(ERC20, ERC4626) returns (uint8) {
        return ERC4626.decimals();
    }
}
