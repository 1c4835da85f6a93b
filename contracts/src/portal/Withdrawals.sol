// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.36;

/// @notice A message from L2 to L1, as the message passer recorded it.
/// @param nonce The message passer's, version in the top two bytes.
/// @param sender Who sent it on L2.
/// @param target Whom to call on L1.
/// @param value Wei to send along.
/// @param gasLimit Least gas the call must get.
/// @param data What to call with.
struct WithdrawalTransaction {
    uint256 nonce;
    address sender;
    address target;
    uint256 value;
    uint256 gasLimit;
    bytes data;
}

/// @notice What an output root is the hash of.
/// @param version Zero.
/// @param stateRoot Root of the L2 state.
/// @param messagePasserStorageRoot Root of the message passer's storage in it.
/// @param latestBlockhash Hash of the L2 block.
struct OutputRootProof {
    bytes32 version;
    bytes32 stateRoot;
    bytes32 messagePasserStorageRoot;
    bytes32 latestBlockhash;
}

/// @title Hashes of withdrawals and outputs
library Withdrawals {
    /// @notice What the message passer keeps of a withdrawal (PTL-030).
    function hash(WithdrawalTransaction memory withdrawal) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(
                withdrawal.nonce,
                withdrawal.sender,
                withdrawal.target,
                withdrawal.value,
                withdrawal.gasLimit,
                withdrawal.data
            )
        );
    }

    /// @notice Key of a withdrawal in the trie of the message passer's storage: `sentMessages` is its slot 0 (PTL-031).
    function trieKey(bytes32 withdrawalHash) internal pure returns (bytes memory) {
        return abi.encodePacked(keccak256(abi.encode(keccak256(abi.encode(withdrawalHash, uint256(0))))));
    }

    /// @notice The output root of a version 0 output (PTL-032).
    function outputRoot(OutputRootProof memory output) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(
                output.version, output.stateRoot, output.messagePasserStorageRoot, output.latestBlockhash
            )
        );
    }
}
