// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {TrieProof} from "@openzeppelin/contracts/utils/cryptography/TrieProof.sol";
import {AssuredCall} from "../bridge/AssuredCall.sol";
import {IAnchorStateRegistry} from "../interfaces/IAnchorStateRegistry.sol";
import {GameStatus, IDisputeGame} from "../interfaces/IDisputeGame.sol";
import {IDisputeGameFactory} from "../interfaces/IDisputeGameFactory.sol";
import {IPortal} from "../interfaces/IPortal.sol";
import {DepositMeter} from "./DepositMeter.sol";
import {DepositQueue} from "./DepositQueue.sol";
import {L1Alias} from "./L1Alias.sol";
import {OutputRootProof, WithdrawalTransaction, Withdrawals} from "./Withdrawals.sol";

/// @title Portal
/// @notice Deposits and withdrawals; see {IPortal}.
contract Portal is IPortal, DepositQueue, DepositMeter {
    using Withdrawals for WithdrawalTransaction;
    using Withdrawals for OutputRootProof;

    /// @dev A proof of a withdrawal.
    struct ProvenWithdrawal {
        address disputeGameProxy;
        uint64 timestamp;
    }

    /// @dev Layout of a deposit's data.
    uint256 private constant DEPOSIT_VERSION = 0;
    /// @dev Most calldata of a deposit: with the rest it fits one L1 transaction of a mempool (128 KiB).
    uint256 private constant MAX_CALLDATA = 120_000;
    /// @dev Gas of a deposit made by sending ether.
    uint64 private constant RECEIVE_GAS = 100_000;
    /// @dev What `l2Sender` is outside of a withdrawal.
    address private constant NO_SENDER = 0x000000000000000000000000000000000000dEaD;
    /// @dev Clients that estimate gas send from here and want failures to show.
    address private constant ESTIMATOR = address(1);

    /// @inheritdoc IPortal
    IAnchorStateRegistry public immutable anchorStateRegistry;
    /// @inheritdoc IPortal
    uint256 public immutable proofMaturityDelaySeconds;

    /// @inheritdoc IPortal
    mapping(bytes32 withdrawalHash => mapping(address proofSubmitter => ProvenWithdrawal)) public
        provenWithdrawals;
    /// @inheritdoc IPortal
    mapping(bytes32 withdrawalHash => address[]) public proofSubmitters;
    /// @inheritdoc IPortal
    mapping(bytes32 withdrawalHash => bool) public finalizedWithdrawals;
    /// @inheritdoc IPortal
    mapping(bytes32 withdrawalHash => bool) public failedWithdrawals;

    /// @dev Sender on L2 of the withdrawal being carried out, zero outside of one.
    address private transient _l2Sender;

    /// @param registry Which claims withdrawals may use: may be an address that gets its code later.
    /// @param proofMaturitySeconds Seconds between a proof and the withdrawal.
    constructor(IAnchorStateRegistry registry, uint256 proofMaturitySeconds) {
        anchorStateRegistry = registry;
        proofMaturityDelaySeconds = proofMaturitySeconds;
    }

    /// @notice Ether sent without data is a deposit to oneself.
    receive() external payable {
        _deposit(msg.sender, msg.value, RECEIVE_GAS, false, "");
    }

    /// @inheritdoc IPortal
    function depositTransaction(
        address to,
        uint256 value,
        uint64 gasLimit,
        bool isCreation,
        bytes calldata data
    ) external payable {
        _deposit(to, value, gasLimit, isCreation, data);
    }

    /// @inheritdoc IPortal
    function donateETH() external payable {}

    /// @inheritdoc IPortal
    function proveWithdrawalTransaction(
        WithdrawalTransaction calldata withdrawal,
        uint256 disputeGameIndex,
        OutputRootProof calldata outputRootProof,
        bytes[] calldata withdrawalProof
    ) external {
        if (withdrawal.target == address(this)) {
            revert OptimismPortal_BadTarget(); // PTL-035
        }
        (,, address proxy) = disputeGameFactory().gameAtIndex(disputeGameIndex);
        _checkProvable(IDisputeGame(proxy)); // PTL-033
        if (IDisputeGame(proxy).rootClaim() != outputRootProof.outputRoot()) {
            revert OptimismPortal_InvalidOutputRootProof(); // PTL-032
        }
        bytes32 withdrawalHash = withdrawal.hash();
        if (_stands(withdrawalHash, msg.sender)) return; // PTL-039
        _checkRecorded(withdrawalHash, outputRootProof.messagePasserStorageRoot, withdrawalProof);

        _enlist(withdrawalHash, msg.sender);
        provenWithdrawals[withdrawalHash][msg.sender] = ProvenWithdrawal(proxy, uint64(block.timestamp));
        emit WithdrawalProven(withdrawalHash, withdrawal.sender, withdrawal.target);
        emit WithdrawalProvenExtension1(withdrawalHash, msg.sender);
    }

    /// @inheritdoc IPortal
    function finalizeWithdrawalTransaction(WithdrawalTransaction calldata withdrawal) external {
        finalizeWithdrawalTransactionExternalProof(withdrawal, msg.sender);
    }

    /// @inheritdoc IPortal
    function finalizeWithdrawalTransactionExternalProof(
        WithdrawalTransaction calldata withdrawal,
        address proofSubmitter
    ) public {
        if (withdrawal.target == address(this)) {
            revert OptimismPortal_BadTarget();
        }
        bytes32 withdrawalHash = withdrawal.hash();
        checkWithdrawal(withdrawalHash, proofSubmitter);
        finalizedWithdrawals[withdrawalHash] = true;
        bool success = _carryOut(withdrawal);
        if (!success) failedWithdrawals[withdrawalHash] = true;
        emit WithdrawalFinalized(withdrawalHash, success);
        if (!success && tx.origin == ESTIMATOR) revert OptimismPortal_GasEstimation();
    }

    /// @inheritdoc IPortal
    function replayWithdrawal(WithdrawalTransaction calldata withdrawal) external {
        bytes32 withdrawalHash = withdrawal.hash();
        if (!failedWithdrawals[withdrawalHash]) revert OptimismPortal_NotFailed(); // PTL-037
        failedWithdrawals[withdrawalHash] = false;
        bool success = _carryOut(withdrawal);
        if (!success) failedWithdrawals[withdrawalHash] = true;
        emit WithdrawalReplayed(withdrawalHash, success);
    }

    /// @inheritdoc IPortal
    function checkWithdrawal(bytes32 withdrawalHash, address proofSubmitter) public view {
        if (finalizedWithdrawals[withdrawalHash]) revert OptimismPortal_AlreadyFinalized();
        ProvenWithdrawal memory proven = provenWithdrawals[withdrawalHash][proofSubmitter];
        if (proven.timestamp == 0) revert OptimismPortal_Unproven();
        if (IDisputeGame(proven.disputeGameProxy).status() == GameStatus.CHALLENGER_WINS) {
            revert OptimismPortal_InvalidRootClaim(); // before all waits: who has to prove again hears it at once
        }
        if (block.timestamp - proven.timestamp <= proofMaturityDelaySeconds) {
            revert OptimismPortal_ProofNotOldEnough(); // PTL-034
        }
        if (!anchorStateRegistry.isGameClaimValid(proven.disputeGameProxy)) {
            revert OptimismPortal_InvalidRootClaim(); // PTL-034
        }
    }

    /// @inheritdoc IPortal
    function minimumGasLimit(uint64 byteCount) public pure returns (uint64) {
        return byteCount * 40 + 21_000; // PTL-013: the floor of EIP-7623 for bytes that are not zero
    }

    /// @inheritdoc IPortal
    function numProofSubmitters(bytes32 withdrawalHash) external view returns (uint256) {
        return proofSubmitters[withdrawalHash].length;
    }

    /// @inheritdoc IPortal
    function l2Sender() external view returns (address) {
        return _l2Sender == address(0) ? NO_SENDER : _l2Sender;
    }

    /// @inheritdoc IPortal
    function disputeGameFinalityDelaySeconds() external view returns (uint256) {
        return anchorStateRegistry.disputeGameFinalityDelaySeconds();
    }

    /// @inheritdoc IPortal
    function disputeGameFactory() public view returns (IDisputeGameFactory) {
        return anchorStateRegistry.disputeGameFactory();
    }

    /// @inheritdoc IPortal
    function respectedGameType() external view returns (uint32) {
        return anchorStateRegistry.respectedGameType();
    }

    /// @inheritdoc IPortal
    function respectedGameTypeUpdatedAt() external view returns (uint64) {
        return anchorStateRegistry.respectedGameTypeUpdatedAt();
    }

    /// @inheritdoc IPortal
    function disputeGameBlacklist(address game) external view returns (bool) {
        return anchorStateRegistry.disputeGameBlacklist(game);
    }

    /// @inheritdoc IPortal
    function paused() external pure returns (bool) {
        return false;
    }

    /// @inheritdoc IPortal
    function version() external pure returns (string memory) {
        return "5.0.0";
    }

    /// @dev Queue a deposit, and let its sender pay (PTL-010..014, PTL-020..024).
    function _deposit(address to, uint256 value, uint64 gasLimit, bool isCreation, bytes memory data)
        private
        metered(gasLimit)
    {
        if (isCreation && to != address(0)) revert OptimismPortal_BadTarget(); // PTL-014
        if (data.length > MAX_CALLDATA) revert OptimismPortal_CalldataTooLarge(); // PTL-013
        if (gasLimit < minimumGasLimit(uint64(data.length))) revert OptimismPortal_GasLimitTooLow(); // PTL-013
        address from = L1Alias.ofSender(); // PTL-011
        bytes memory opaqueData = abi.encodePacked(msg.value, value, gasLimit, isCreation, data); // PTL-010
        _enqueue(from, to, DEPOSIT_VERSION, opaqueData);
        emit TransactionDeposited(from, to, DEPOSIT_VERSION, opaqueData);
    }

    /// @dev Whether a withdrawal may be proven by a claim (PTL-033).
    function _checkProvable(IDisputeGame game) private view {
        if (!anchorStateRegistry.isGameProper(address(game))) revert OptimismPortal_ImproperDisputeGame();
        if (!anchorStateRegistry.isGameRespected(address(game))) revert OptimismPortal_InvalidDisputeGame();
        if (game.status() == GameStatus.CHALLENGER_WINS) revert OptimismPortal_InvalidDisputeGame();
    }

    /// @dev Whether the message passer has recorded a withdrawal: its slot holds 1 (PTL-031).
    function _checkRecorded(bytes32 withdrawalHash, bytes32 storageRoot, bytes[] memory proof) private pure {
        (bytes memory value, TrieProof.ProofError problem) =
            TrieProof.tryTraverse(storageRoot, Withdrawals.trieKey(withdrawalHash), proof);
        if (problem != TrieProof.ProofError.NO_ERROR || value.length != 1 || value[0] != 0x01) {
            revert OptimismPortal_InvalidMerkleProof();
        }
    }

    /// @dev Whether an account has a proof whose claim is not lost.
    function _stands(bytes32 withdrawalHash, address prover) private view returns (bool) {
        address game = provenWithdrawals[withdrawalHash][prover].disputeGameProxy;
        return game != address(0) && IDisputeGame(game).status() != GameStatus.CHALLENGER_WINS;
    }

    /// @dev List a prover: last, unless the last one's proof stands, for clients look at that one alone (PTL-039).
    function _enlist(bytes32 withdrawalHash, address prover) private {
        address[] storage provers = proofSubmitters[withdrawalHash];
        uint256 count = provers.length;
        provers.push(prover);
        if (count == 0) return;
        address last = provers[count - 1];
        if (_stands(withdrawalHash, last)) (provers[count - 1], provers[count]) = (prover, last);
    }

    /// @dev Make a withdrawal's call with at least the gas it asks for, its result ignored (PTL-036).
    function _carryOut(WithdrawalTransaction calldata withdrawal) private returns (bool success) {
        if (_l2Sender != address(0)) revert OptimismPortal_NoReentrancy();
        _l2Sender = withdrawal.sender;
        bytes memory data = withdrawal.data;
        uint256 wanted = withdrawal.gasLimit;
        if (wanted > type(uint64).max) revert OptimismPortal_OutOfGas(wanted); // no transaction has as much
        uint256 least = AssuredCall.least(wanted);
        if (gasleft() < least) revert OptimismPortal_OutOfGas(least);
        success = AssuredCall.make(withdrawal.target, withdrawal.value, data);
        _l2Sender = address(0);
    }
}
