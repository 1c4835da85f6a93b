// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {IMessagePasser} from "../interfaces/IMessagePasser.sol";
import {WithdrawalTransaction, Withdrawals} from "../portal/Withdrawals.sol";

/// @title L2ToL1MessagePasser
/// @notice Record of messages from L2 to L1; see {IMessagePasser}.
/// @dev The order of the variables is the storage layout that proofs are made by: do not reorder.
contract L2ToL1MessagePasser is IMessagePasser {
    /// @inheritdoc IMessagePasser
    uint16 public constant MESSAGE_VERSION = 1;
    /// @inheritdoc IMessagePasser
    uint256 public constant MAX_GAS_LIMIT = 14_000_000; // of the 2^24 that a transaction of L1 has (EIP-7825)
    /// @inheritdoc IMessagePasser
    uint256 public constant MAX_DATA = 100_000; // with its proof it fits one L1 transaction of a mempool (128 KiB)
    /// @dev The portal: it carries out no withdrawal to itself (PTL-035).
    address private immutable _PORTAL;
    /// @dev Gas on L1 of a withdrawal made by sending ether.
    uint256 private constant RECEIVE_GAS = 100_000;

    // slot 0
    /// @inheritdoc IMessagePasser
    mapping(bytes32 withdrawalHash => bool) public sentMessages;
    // slot 1
    /// @dev Withdrawals recorded.
    uint240 private _sent;

    /// @param portal The portal on L1.
    constructor(address portal) {
        _PORTAL = portal;
    }

    /// @notice Ether sent without data is a withdrawal to oneself.
    receive() external payable {
        _initiate(msg.sender, RECEIVE_GAS, "");
    }

    /// @inheritdoc IMessagePasser
    function initiateWithdrawal(address target, uint256 gasLimit, bytes calldata data) external payable {
        _initiate(target, gasLimit, data);
    }

    /// @inheritdoc IMessagePasser
    function burn() external {
        uint256 amount = address(this).balance;
        new Sink{value: amount}();
        emit WithdrawerBalanceBurnt(amount);
    }

    /// @inheritdoc IMessagePasser
    function messageNonce() public view returns (uint256) {
        return uint256(MESSAGE_VERSION) << 240 | _sent;
    }

    /// @inheritdoc IMessagePasser
    function version() external pure returns (string memory) {
        return "1.1.0";
    }

    /// @dev BRG-010, BRG-011; what L1 could never carry out is refused (BRG-013).
    function _initiate(address target, uint256 gasLimit, bytes memory data) private {
        if (target == _PORTAL) revert MessagePasser_BadTarget(target);
        if (gasLimit > MAX_GAS_LIMIT) revert MessagePasser_GasLimitTooHigh(gasLimit, MAX_GAS_LIMIT);
        if (data.length > MAX_DATA) revert MessagePasser_DataTooLarge(data.length, MAX_DATA);
        uint256 nonce = messageNonce();
        ++_sent;
        bytes32 withdrawalHash =
            Withdrawals.hash(WithdrawalTransaction(nonce, msg.sender, target, msg.value, gasLimit, data));
        sentMessages[withdrawalHash] = true;
        emit MessagePassed(nonce, msg.sender, target, msg.value, gasLimit, data, withdrawalHash);
    }
}

/// @dev Takes its ether with it: what destroys itself in the transaction that made it leaves nothing (EIP-6780).
contract Sink {
    constructor() payable {
        selfdestruct(payable(address(this)));
    }
}
