// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.36;

/// @title Record of messages from L2 to L1
/// @notice Its storage root is part of every output root; a withdrawal is proven by its slot there. Names and storage layout
///         are the OP Stack's (specs/bridge.md BRG-010..013).
/// @custom:predeploy 0x4200000000000000000000000000000000000016
interface IMessagePasser {
    /// @notice A withdrawal was recorded.
    event MessagePassed(
        uint256 indexed nonce,
        address indexed sender,
        address indexed target,
        uint256 value,
        uint256 gasLimit,
        bytes data,
        bytes32 withdrawalHash
    );

    /// @notice Ether that has left for L1 was taken out of existence here.
    event WithdrawerBalanceBurnt(uint256 indexed amount);

    /// @notice The portal on L1 carries out nothing that is addressed to itself (PTL-035).
    error MessagePasser_BadTarget(address target);

    /// @notice More gas than a transaction of L1 could give.
    error MessagePasser_GasLimitTooHigh(uint256 gasLimit, uint256 most);

    /// @notice More calldata than a transaction of L1 could bring.
    error MessagePasser_DataTooLarge(uint256 bytes_, uint256 most);

    /// @notice Record a withdrawal, with the wei sent along.
    /// @param target Whom to call on L1; not the portal.
    /// @param gasLimit Gas the call gets at least; at most {MAX_GAS_LIMIT}.
    /// @param data Calldata; at most {MAX_DATA} bytes.
    function initiateWithdrawal(address target, uint256 gasLimit, bytes calldata data) external payable;

    /// @notice Take ether that has left for L1 out of existence here. Anyone.
    function burn() external;

    /// @notice Whether a withdrawal was recorded, by its hash.
    function sentMessages(bytes32 withdrawalHash) external view returns (bool);

    /// @notice Nonce of the next withdrawal, version in its top two bytes.
    function messageNonce() external view returns (uint256);

    /// @notice Most gas that a withdrawal may ask for.
    function MAX_GAS_LIMIT() external view returns (uint256);

    /// @notice Most bytes of calldata of a withdrawal.
    function MAX_DATA() external view returns (uint256);

    /// @notice Version of withdrawals.
    function MESSAGE_VERSION() external view returns (uint16);

    /// @notice Semantic version of this contract.
    function version() external view returns (string memory);
}
