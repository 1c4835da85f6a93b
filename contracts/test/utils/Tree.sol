// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

/// @notice A Merkle tree with pairs in ascending order; a lone node is carried up.
library Tree {
    function pair(bytes32 a, bytes32 b) internal pure returns (bytes32) {
        return a < b ? keccak256(abi.encode(a, b)) : keccak256(abi.encode(b, a));
    }

    function up(bytes32[] memory level) private pure returns (bytes32[] memory next) {
        next = new bytes32[]((level.length + 1) / 2);
        for (uint256 i; i < next.length; ++i) {
            next[i] = 2 * i + 1 < level.length ? pair(level[2 * i], level[2 * i + 1]) : level[2 * i];
        }
    }

    /// @dev All levels, leaves first.
    function levels(bytes32[] memory leaves) internal pure returns (bytes32[][] memory all) {
        uint256 height = 1;
        for (uint256 size = leaves.length; size > 1; size = (size + 1) / 2) {
            ++height;
        }
        all = new bytes32[][](height);
        all[0] = leaves;
        for (uint256 i = 1; i < height; ++i) {
            all[i] = up(all[i - 1]);
        }
    }

    function root(bytes32[] memory leaves) internal pure returns (bytes32) {
        bytes32[][] memory all = levels(leaves);
        return all[all.length - 1][0];
    }

    function proof(bytes32[] memory leaves, uint256 index) internal pure returns (bytes32[] memory path) {
        return proof(levels(leaves), index);
    }

    function proof(bytes32[][] memory all, uint256 index) internal pure returns (bytes32[] memory path) {
        path = new bytes32[](all.length - 1);
        uint256 length;
        for (uint256 i; i + 1 < all.length; ++i) {
            if (index ^ 1 < all[i].length) path[length++] = all[i][index ^ 1];
            index >>= 1;
        }
        assembly ("memory-safe") {
            mstore(path, length)
        }
    }
}
