// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.36;

/// @title EIP-5192: tokens that are locked
interface IERC5192 {
    /// @notice The token cannot be transferred.
    event Locked(uint256 tokenId);
    /// @notice The token can be transferred.
    event Unlocked(uint256 tokenId);

    /// @notice Whether a token is locked; reverts for one without owner.
    function locked(uint256 tokenId) external view returns (bool);
}

/// @title EIP-5484: who may burn what was issued
interface IERC5484 {
    /// @notice Who may burn.
    enum BurnAuth {
        IssuerOnly,
        OwnerOnly,
        Both,
        Neither
    }

    /// @notice A token was issued.
    event Issued(address indexed from, address indexed to, uint256 indexed tokenId, BurnAuth burnAuth);

    /// @notice Who may burn a token.
    function burnAuth(uint256 tokenId) external view returns (BurnAuth);
}
