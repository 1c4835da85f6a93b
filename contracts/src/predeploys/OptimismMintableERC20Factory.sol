// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {OptimismMintableERC20} from "./OptimismMintableERC20.sol";

/// @title OptimismMintableERC20Factory
/// @notice Makes tokens for the bridge to mint. Anyone may have one made for any token of L1: the bridge keeps what is
///         locked for each apart, so that a token someone makes up stands for nothing but itself (BRG-030).
/// @custom:predeploy 0x4200000000000000000000000000000000000012
contract OptimismMintableERC20Factory {
    /// @notice A token was made.
    event StandardL2TokenCreated(address indexed remoteToken, address indexed localToken);
    /// @notice The same.
    event OptimismMintableERC20Created(
        address indexed localToken, address indexed remoteToken, address deployer
    );

    /// @notice A token needs one of L1 to stand for.
    error OptimismMintableERC20Factory_ZeroToken();

    /// @notice Who mints and burns.
    address public constant BRIDGE = 0x4200000000000000000000000000000000000010;

    /// @notice The token of L1 that a token made here stands for.
    mapping(address localToken => address remoteToken) public deployments;

    /// @notice The same as {BRIDGE}.
    function bridge() external pure returns (address) {
        return BRIDGE;
    }

    /// @notice Make a token of 18 decimals.
    function createStandardL2Token(address remoteToken, string calldata name, string calldata symbol)
        external
        returns (address)
    {
        return createOptimismMintableERC20WithDecimals(remoteToken, name, symbol, 18);
    }

    /// @notice The same.
    function createOptimismMintableERC20(address remoteToken, string calldata name, string calldata symbol)
        external
        returns (address)
    {
        return createOptimismMintableERC20WithDecimals(remoteToken, name, symbol, 18);
    }

    /// @notice Make a token; its address follows from the four values.
    function createOptimismMintableERC20WithDecimals(
        address remoteToken,
        string calldata name,
        string calldata symbol,
        uint8 decimals
    ) public returns (address localToken) {
        if (remoteToken == address(0)) revert OptimismMintableERC20Factory_ZeroToken();
        bytes32 salt = keccak256(abi.encode(remoteToken, name, symbol, decimals));
        localToken =
            address(new OptimismMintableERC20{salt: salt}(BRIDGE, remoteToken, name, symbol, decimals));
        deployments[localToken] = remoteToken;
        emit StandardL2TokenCreated(remoteToken, localToken);
        emit OptimismMintableERC20Created(localToken, remoteToken, msg.sender);
    }

    /// @notice Semantic version of this contract.
    function version() external pure returns (string memory) {
        return "1.0.0";
    }
}
