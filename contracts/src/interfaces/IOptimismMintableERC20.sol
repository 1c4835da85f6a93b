// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.36;

/// @title A token that a bridge mints for one of the other layer
/// @notice ERC-165 identifier 0xec4fc8e3, as in the OP Stack: other tokens that say so are bridged alike.
interface IOptimismMintableERC20 {
    /// @notice The token of the other layer.
    function remoteToken() external view returns (address);

    /// @notice The bridge that mints and burns.
    function bridge() external view returns (address);

    /// @notice Mint. Only the bridge.
    function mint(address to, uint256 amount) external;

    /// @notice Burn. Only the bridge.
    function burn(address from, uint256 amount) external;
}
