// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {IERC5267} from "@openzeppelin/contracts/interfaces/IERC5267.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";

/// @title Domain
/// @notice EIP-712 domain of (name, "1", chain, this address), told by EIP-5267. Nothing is cached: it is right behind a proxy, at a genesis
///         address and after a change of chain id.
abstract contract Domain is IERC5267 {
    bytes32 private constant DOMAIN_TYPE =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    bytes32 private constant VERSION_HASH = keccak256("1");

    /// @dev Name in the domain.
    function _domainName() internal pure virtual returns (string memory);

    /// @notice The domain separator.
    function DOMAIN_SEPARATOR() public view returns (bytes32) {
        bytes32 name = keccak256(bytes(_domainName()));
        return keccak256(abi.encode(DOMAIN_TYPE, name, VERSION_HASH, block.chainid, address(this)));
    }

    /// @inheritdoc IERC5267
    function eip712Domain()
        external
        view
        returns (
            bytes1 fields,
            string memory name,
            string memory version,
            uint256 chainId,
            address verifyingContract,
            bytes32 salt,
            uint256[] memory extensions
        )
    {
        return (0x0f, _domainName(), "1", block.chainid, address(this), bytes32(0), extensions);
    }

    /// @dev EIP-712 digest of a struct's hash.
    function _digest(bytes32 structHash) internal view returns (bytes32) {
        return MessageHashUtils.toTypedDataHash(DOMAIN_SEPARATOR(), structHash);
    }
}
