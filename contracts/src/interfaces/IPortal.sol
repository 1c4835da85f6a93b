// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.36;

import {OutputRootProof, WithdrawalTransaction} from "../portal/Withdrawals.sol";
import {IAnchorStateRegistry} from "./IAnchorStateRegistry.sol";
import {IDepositMeter} from "./IDepositMeter.sol";
import {IDepositQueue} from "./IDepositQueue.sol";
import {IDisputeGameFactory} from "./IDisputeGameFactory.sol";

/// @title The door between L1 and L2
/// @notice Holds all ether that is on L2. Deposits go in by a queue that L2 must empty; withdrawals come out after a proof
///         against a claimed output, a wait, and that claim's victory. Functions, events and errors that begin with
///         `OptimismPortal_` are the OP Stack's `OptimismPortal` (interface generation 5), so its clients work as they are
///         (specs/portal.md).
interface IPortal is IDepositMeter, IDepositQueue {
    /// @notice A deposit was queued.
    /// @param from Sender on L2, aliased if it is a contract.
    /// @param to Recipient on L2.
    /// @param version Layout of the data: 0.
    /// @param opaqueData Mint, value, gas limit, creation flag and calldata (PTL-010).
    event TransactionDeposited(
        address indexed from, address indexed to, uint256 indexed version, bytes opaqueData
    );

    /// @notice A withdrawal was proven.
    event WithdrawalProven(bytes32 indexed withdrawalHash, address indexed from, address indexed to);

    /// @notice Who proved it.
    event WithdrawalProvenExtension1(bytes32 indexed withdrawalHash, address indexed proofSubmitter);

    /// @notice A withdrawal was carried out; a failed one can be carried out again ({replayWithdrawal}).
    event WithdrawalFinalized(bytes32 indexed withdrawalHash, bool success);

    /// @notice A failed withdrawal was tried again.
    event WithdrawalReplayed(bytes32 indexed withdrawalHash, bool success);

    /// @notice The withdrawal was carried out before (PTL-037).
    error OptimismPortal_AlreadyFinalized();
    /// @notice A creation with a recipient (PTL-014), or a withdrawal to the portal itself (PTL-035).
    error OptimismPortal_BadTarget();
    /// @notice More calldata than a deposit may have (PTL-013).
    error OptimismPortal_CalldataTooLarge();
    /// @notice The call failed while its gas was estimated.
    error OptimismPortal_GasEstimation();
    /// @notice Less gas than the deposit needs at least (PTL-013).
    error OptimismPortal_GasLimitTooLow();
    /// @notice The claim is not listed (PTL-060).
    error OptimismPortal_ImproperDisputeGame();
    /// @notice The claim is lost, or of a type that did not count when it was made (PTL-033).
    error OptimismPortal_InvalidDisputeGame();
    /// @notice The nodes do not lead to the withdrawal (PTL-031).
    error OptimismPortal_InvalidMerkleProof();
    /// @notice The parts are not those of the claimed output (PTL-032).
    error OptimismPortal_InvalidOutputRootProof();
    /// @notice The claim that it was proven by is lost, or has not won yet (PTL-034).
    error OptimismPortal_InvalidRootClaim();
    /// @notice Nothing is carried out from inside of something that is (PTL-035).
    error OptimismPortal_NoReentrancy();
    /// @notice The wait since the proof is not over (PTL-034).
    error OptimismPortal_ProofNotOldEnough();
    /// @notice That account has not proven the withdrawal.
    error OptimismPortal_Unproven();

    /// @notice Only a withdrawal that was carried out and failed can be replayed (PTL-037).
    error OptimismPortal_NotFailed();

    /// @notice The transaction has too little gas to give the withdrawal what it asks for (PTL-036).
    /// @param least What would have to be left here.
    error OptimismPortal_OutOfGas(uint256 least);

    /// @notice Queue a call on L2. Wei sent along are minted there to the sender.
    /// @dev The price of the gas is burned as L1 gas: see {IDepositMeter}.
    /// @param to Whom to call on L2; zero for a creation.
    /// @param value Wei the call carries on L2, from the sender's balance there.
    /// @param gasLimit L2 gas: at least {minimumGasLimit}.
    /// @param isCreation Whether `data` is creation code.
    /// @param data Calldata or creation code.
    function depositTransaction(
        address to,
        uint256 value,
        uint64 gasLimit,
        bool isCreation,
        bytes calldata data
    ) external payable;

    /// @notice Give the portal ether without a deposit.
    function donateETH() external payable;

    /// @notice Prove that a withdrawal is in a claimed output. Proving again starts the wait again, for the caller only.
    /// @param withdrawal The withdrawal.
    /// @param disputeGameIndex Place of the claim in {disputeGameFactory}.
    /// @param outputRootProof What the claimed output root is the hash of.
    /// @param withdrawalProof Trie nodes from the message passer's storage root to the withdrawal.
    function proveWithdrawalTransaction(
        WithdrawalTransaction calldata withdrawal,
        uint256 disputeGameIndex,
        OutputRootProof calldata outputRootProof,
        bytes[] calldata withdrawalProof
    ) external;

    /// @notice Carry out a withdrawal that the caller has proven.
    function finalizeWithdrawalTransaction(WithdrawalTransaction calldata withdrawal) external;

    /// @notice Carry out a withdrawal that someone has proven.
    function finalizeWithdrawalTransactionExternalProof(
        WithdrawalTransaction calldata withdrawal,
        address proofSubmitter
    ) external;

    /// @notice Try a withdrawal again that was carried out and failed, so that no ether stays behind. Anyone, any number of
    ///         times until it succeeds.
    function replayWithdrawal(WithdrawalTransaction calldata withdrawal) external;

    /// @notice Reverts with the reason why a withdrawal cannot be carried out by that proof; returns when it can.
    function checkWithdrawal(bytes32 withdrawalHash, address proofSubmitter) external view;

    /// @notice Least gas of a deposit with so much calldata.
    function minimumGasLimit(uint64 byteCount) external pure returns (uint64);

    /// @notice Which claim a withdrawal was proven by, and when, seconds since the Unix epoch.
    function provenWithdrawals(bytes32 withdrawalHash, address proofSubmitter)
        external
        view
        returns (address disputeGameProxy, uint64 timestamp);

    /// @notice Who proved a withdrawal, in order; one for each proof.
    function proofSubmitters(bytes32 withdrawalHash, uint256 index) external view returns (address);

    /// @notice Number of proofs of a withdrawal.
    function numProofSubmitters(bytes32 withdrawalHash) external view returns (uint256);

    /// @notice Whether a withdrawal was carried out, successfully or not.
    function finalizedWithdrawals(bytes32 withdrawalHash) external view returns (bool);

    /// @notice Whether a withdrawal was carried out and its call failed: it can be replayed.
    function failedWithdrawals(bytes32 withdrawalHash) external view returns (bool);

    /// @notice Sender on L2 of the withdrawal being carried out; 0x..dEaD outside of one.
    function l2Sender() external view returns (address);

    /// @notice Seconds between a proof and the withdrawal.
    function proofMaturityDelaySeconds() external view returns (uint256);

    /// @notice Seconds to wait after a claim has won.
    function disputeGameFinalityDelaySeconds() external view returns (uint256);

    /// @notice Which claims withdrawals may use.
    function anchorStateRegistry() external view returns (IAnchorStateRegistry);

    /// @notice The list of claims.
    function disputeGameFactory() external view returns (IDisputeGameFactory);

    /// @notice The type of claims that withdrawals may use.
    function respectedGameType() external view returns (uint32);

    /// @notice When that changed last, seconds since the Unix epoch.
    function respectedGameTypeUpdatedAt() external view returns (uint64);

    /// @notice No claim can be blacklisted.
    function disputeGameBlacklist(address game) external view returns (bool);

    /// @notice No one can pause.
    function paused() external view returns (bool);

    /// @notice Semantic version of the interface.
    function version() external pure returns (string memory);
}
