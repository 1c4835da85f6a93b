// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {OptimismMintableERC721} from "./OptimismMintableERC721.sol";

/// @title OptimismMintableERC721Factory
/// @notice Makes collections for the bridge to mint, anyone's for any collection of L1 (BRG-030).
/// @custom:predeploy 0x4200000000000000000000000000000000000017
contract OptimismMintableERC721Factory {
    /// @notice A collection was made.
    event OptimismMintableERC721Created(
        address indexed localToken, address indexed remoteToken, address deployer
    );

    /// @notice A collection needs one of L1 to stand for.
    error OptimismMintableERC721Factory_ZeroToken();

    /// @notice Who mints and burns.
    address public constant BRIDGE = 0x4200000000000000000000000000000000000014;
    /// @notice EIP-155 chain id of L1.
    uint256 public immutable REMOTE_CHAIN_ID;

    /// @notice Whether a collection was made here.
    mapping(address localToken => bool) public isOptimismMintableERC721;

    /// @param remoteChainId_ EIP-155 chain id of L1.
    constructor(uint256 remoteChainId_) {
        REMOTE_CHAIN_ID = remoteChainId_;
    }

    /// @notice The same as {BRIDGE}.
    function bridge() external pure returns (address) {
        return BRIDGE;
    }

    /// @notice The same as {REMOTE_CHAIN_ID}.
    function remoteChainID() external view returns (uint256) {
        return REMOTE_CHAIN_ID;
    }

    /// @notice Make a collection; its address follows from the three values.
    function createOptimismMintableERC721(address remoteToken, string calldata name, string calldata symbol)
        external
        returns (address localToken)
    {
        if (remoteToken == address(0)) revert OptimismMintableERC721Factory_ZeroToken();
        bytes32 salt = keccak256(abi.encode(remoteToken, name, symbol));
        localToken = address(
            new OptimismMintableERC721{salt: salt}(BRIDGE, REMOTE_CHAIN_ID, remoteToken, name, symbol)
        );
        isOptimismMintableERC721[localToken] = true;
        emit OptimismMintableERC721Created(localToken, remoteToken, msg.sender);
    }

    /// @notice Semantic version of this contract.
    function version() external pure returns (string memory) {
        return "1.0.0";
    }
}
