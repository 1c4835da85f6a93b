// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.36;

/// @notice The cheatcodes that scripts and tests here call; forge answers them at a fixed address.
interface Vm {
    function addr(uint256 key) external pure returns (address);
    function assertEq(uint256 left, uint256 right) external pure;
    function assertEq(bytes32 left, bytes32 right) external pure;
    function assertTrue(bool condition) external pure;
    function deal(address account, uint256 balance) external;
    function envUint(string calldata name) external view returns (uint256);
    function expectRevert(bytes calldata data) external;
    function prank(address sender) external;
    function rollFork(uint256 number) external;
    function startBroadcast(uint256 key) external;
    function stopBroadcast() external;
    function warp(uint256 timestamp) external;
}
