// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.36;

/// @title An ERC-721 token that a bridge mints for one of the other layer
interface IOptimismMintableERC721 {
    /// @notice The collection of the other layer.
    function remoteToken() external view returns (address);

    /// @notice EIP-155 chain id of that layer.
    function remoteChainId() external view returns (uint256);

    /// @notice The bridge that mints and burns.
    function bridge() external view returns (address);

    /// @notice Mint. Only the bridge.
    function safeMint(address to, uint256 tokenId) external;

    /// @notice Burn. Only the bridge.
    function burn(address from, uint256 tokenId) external;
}
