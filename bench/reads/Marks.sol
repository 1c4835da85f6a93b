// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// Makes what the read benchmark looks for: logs, slots and accounts, many with one transaction.
contract Marks {
    mapping(uint256 => uint256) public values;

    event Mark(uint256 indexed id, uint256 indexed kind, uint256 value);

    /// Logs `start` to `start + count`, each id once, every kind once in a thousand.
    function log(uint256 start, uint256 count) external {
        for (uint256 id = start; id < start + count; id++) {
            emit Mark(id, id % 1000, id * id);
        }
    }

    /// Slots `start` to `start + count`, none of them zero.
    function store(uint256 start, uint256 count) external {
        for (uint256 id = start; id < start + count; id++) {
            values[id] = id + 1;
        }
    }

    /// Accounts that come to be with one wei each.
    function fund(uint256 start, uint256 count) external payable {
        for (uint256 id = start; id < start + count; id++) {
            (bool sent,) = address(uint160(uint256(keccak256(abi.encode(id))))).call{value: 1}("");
            require(sent, "not sent");
        }
    }
}
