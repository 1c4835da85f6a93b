// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {IDeployer} from "../interfaces/IDeployer.sol";

/// @title Deployer
/// @notice Where a network's contracts on L1 come from; see {IDeployer}.
contract Deployer is IDeployer {
    /// @inheritdoc IDeployer
    address public immutable OPERATOR;

    /// @inheritdoc IDeployer
    uint64 public next = 1; // a contract's nonce starts there

    /// @param operator Who creates.
    constructor(address operator) {
        OPERATOR = operator;
    }

    /// @inheritdoc IDeployer
    function create(uint64 place, bytes calldata initCode) external returns (address made) {
        if (msg.sender != OPERATOR) revert Deployer_NotOperator(msg.sender); // PTL-081
        if (place != next) revert Deployer_WrongPlace(place, next); // PTL-081
        next = place + 1;
        bytes memory code = initCode;
        assembly ("memory-safe") {
            made := create(0, add(code, 32), mload(code))
        }
        if (made == address(0)) {
            assembly ("memory-safe") {
                if returndatasize() {
                    let reason := mload(0x40)
                    returndatacopy(reason, 0, returndatasize())
                    revert(reason, returndatasize())
                }
            }
            revert Deployer_Failed(place);
        }
        emit Created(place, made);
    }

    /// @inheritdoc IDeployer
    function addressOf(uint64 place) external view returns (address) {
        // PTL-082: RLP of (address, nonce), for nonces of one byte
        return address(
            uint160(uint256(keccak256(abi.encodePacked(hex"d694", address(this), bytes1(uint8(place))))))
        );
    }
}
