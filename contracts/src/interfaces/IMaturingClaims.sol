// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.36;

import {IOutputClaims} from "./IOutputClaims.sol";

/// @title Claims that become true by waiting
/// @notice One account proposes, another may reject within a window; what is not rejected counts as true. Nothing proves
///         who of them is right: this stands in the place of a dispute until there is one, and a chain that uses it is only
///         as safe as its disputer is awake (specs/portal.md PTL-043..046).
interface IMaturingClaims is IOutputClaims {
    /// @notice A claim was rejected.
    event ClaimRejected(uint256 indexed id, address indexed game);

    /// @notice The caller may not reject, or no longer.
    error MaturingClaims_MayNotDispute(uint256 id, address caller);

    /// @notice Reject a claim within its window. Only {DISPUTER}.
    function reject(uint256 id) external;

    /// @notice The only account that proposes.
    function PROPOSER() external view returns (address);

    /// @notice The only account that rejects.
    function DISPUTER() external view returns (address);
}
