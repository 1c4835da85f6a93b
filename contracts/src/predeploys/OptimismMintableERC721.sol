// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";
import {Strings} from "@openzeppelin/contracts/utils/Strings.sol";
import {IOptimismMintableERC721} from "../interfaces/IOptimismMintableERC721.sol";

/// @title OptimismMintableERC721
/// @notice A collection that the bridge mints for one of L1; see {IOptimismMintableERC721}.
contract OptimismMintableERC721 is IOptimismMintableERC721, ERC721 {
    /// @notice The bridge minted.
    event Mint(address indexed account, uint256 tokenId);
    /// @notice The bridge burned.
    event Burn(address indexed account, uint256 tokenId);

    /// @notice Only the bridge mints and burns.
    error OptimismMintableERC721_NotBridge(address caller);

    /// @inheritdoc IOptimismMintableERC721
    address public immutable bridge;
    /// @inheritdoc IOptimismMintableERC721
    address public immutable remoteToken;
    /// @inheritdoc IOptimismMintableERC721
    uint256 public immutable remoteChainId;

    /// @param bridge_ Who mints and burns.
    /// @param chainId EIP-155 chain id of L1.
    /// @param remote The collection of L1.
    /// @param name_ As the remote collection has, or another.
    /// @param symbol_ As the remote collection has, or another.
    constructor(address bridge_, uint256 chainId, address remote, string memory name_, string memory symbol_)
        ERC721(name_, symbol_)
    {
        bridge = bridge_;
        remoteChainId = chainId;
        remoteToken = remote;
    }

    /// @dev Only the bridge (BRG-031).
    modifier onlyBridge() {
        if (msg.sender != bridge) revert OptimismMintableERC721_NotBridge(msg.sender);
        _;
    }

    /// @inheritdoc IOptimismMintableERC721
    function safeMint(address to, uint256 tokenId) external onlyBridge {
        _safeMint(to, tokenId);
        emit Mint(to, tokenId);
    }

    /// @inheritdoc IOptimismMintableERC721
    function burn(address from, uint256 tokenId) external onlyBridge {
        _burn(tokenId);
        emit Burn(from, tokenId);
    }

    /// @notice The same as {bridge}.
    function BRIDGE() external view returns (address) {
        return bridge;
    }

    /// @notice The same as {remoteToken}.
    function REMOTE_TOKEN() external view returns (address) {
        return remoteToken;
    }

    /// @notice The same as {remoteChainId}.
    function REMOTE_CHAIN_ID() external view returns (uint256) {
        return remoteChainId;
    }

    /// @inheritdoc ERC721
    function supportsInterface(bytes4 id) public view override returns (bool) {
        return id == type(IOptimismMintableERC721).interfaceId || super.supportsInterface(id);
    }

    /// @dev Where on L1 the URI of a token is asked for (EIP-681).
    function _baseURI() internal view override returns (string memory) {
        return string.concat(
            "ethereum:",
            Strings.toHexString(remoteToken),
            "@",
            Strings.toString(remoteChainId),
            "/tokenURI?uint256="
        );
    }
}
