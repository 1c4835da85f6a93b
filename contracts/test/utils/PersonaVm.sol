// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.36;

import {Vm} from "./Vm.sol";

/// @notice The cheatcodes for keys, time and chains that tests of persona contracts call besides those of {Vm}.
interface PersonaVm is Vm {
    function addr(uint256 privateKey) external pure returns (address);
    function allowCheatcodes(address account) external;
    function chainId(uint256 id) external;
    function createEd25519Key(bytes32 salt) external returns (bytes32 publicKey, bytes32 privateKey);
    function expectRevert() external;
    function expectRevert(bytes4 selector) external;
    function expectPartialRevert(bytes4 selector) external;
    function publicKeyP256(uint256 privateKey) external pure returns (uint256 x, uint256 y);
    function readFileBinary(string calldata path) external view returns (bytes memory);
    function parseJsonString(string calldata json, string calldata key) external pure returns (string memory);
    function parseJsonBytes(string calldata json, string calldata key) external pure returns (bytes memory);
    function parseJsonBytes32(string calldata json, string calldata key) external pure returns (bytes32);
    function parseJsonUint(string calldata json, string calldata key) external pure returns (uint256);
    function parseJsonAddress(string calldata json, string calldata key) external pure returns (address);
    function sign(uint256 privateKey, bytes32 digest) external pure returns (uint8 v, bytes32 r, bytes32 s);
    function signEd25519(bytes calldata namespace, bytes calldata message, bytes32 privateKey)
        external
        pure
        returns (bytes memory signature);
    function signP256(uint256 privateKey, bytes32 digest) external pure returns (bytes32 r, bytes32 s);
    function prank(address sender, address origin) external;
    function startPrank(address sender) external;
    function txGasPrice(uint256 price) external;
    function stopPrank() external;
    function verifyEd25519(
        bytes calldata signature,
        bytes calldata namespace,
        bytes calldata message,
        bytes32 publicKey
    ) external pure returns (bool valid);
    function warp(uint256 timestamp) external;
    function assertEq(string calldata left, string calldata right) external pure;
    function assertEq(bytes calldata left, bytes calldata right) external pure;
    function assertGt(uint256 left, uint256 right) external pure;
    function assertLt(uint256 left, uint256 right) external pure;
    function assertTrue(bool condition, string calldata reason) external pure;
}

PersonaVm constant pvm = PersonaVm(0x7109709ECfa91a80626fF3989D68f67F5b1DD12D);
