// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.36;

/// @title Where a network's contracts on L1 come from
/// @notice Creates them one after another, so that the address of each follows from this contract's own address and its
///         place alone: they can name each other, and L2's genesis can name them, before any of them exists. This contract
///         itself comes from CREATE2, its address from operator and salt (specs/portal.md PTL-080..082).
interface IDeployer {
    /// @notice A contract was created.
    /// @param place Its place, from 1.
    /// @param made Its address.
    event Created(uint64 indexed place, address indexed made);

    /// @notice Only the operator creates.
    error Deployer_NotOperator(address caller);

    /// @notice Contracts are created in order, each once.
    /// @param given The place asked for.
    /// @param next The place that is next.
    error Deployer_WrongPlace(uint64 given, uint64 next);

    /// @notice The creation code failed without a reason; a reason would be passed on.
    error Deployer_Failed(uint64 place);

    /// @notice Create the contract of a place. Only the operator, only the next place.
    /// @param place Its place, from 1.
    /// @param initCode Creation code with constructor arguments.
    /// @return made Its address.
    function create(uint64 place, bytes calldata initCode) external returns (address made);

    /// @notice Place of the contract to be created next.
    function next() external view returns (uint64 place);

    /// @notice Address of the contract of a place, created or not.
    /// @param place From 1 to 127.
    function addressOf(uint64 place) external view returns (address);

    /// @notice The only account that creates.
    function OPERATOR() external view returns (address);
}
