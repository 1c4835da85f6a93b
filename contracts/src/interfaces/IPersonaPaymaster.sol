// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.36;

/// @notice An operation as EntryPoint v0.7 and v0.8 pass it (ERC-4337).
struct PackedUserOperation {
    address sender;
    uint256 nonce;
    bytes initCode;
    bytes callData;
    bytes32 accountGasLimits;
    uint256 preVerificationGas;
    bytes32 gasFees;
    bytes paymasterAndData;
    bytes signature;
}

/// @notice What the paymaster uses of an EntryPoint.
interface IEntryPoint {
    function depositTo(address account) external payable;
    function withdrawTo(address payable to, uint256 amount) external;
    function addStake(uint32 unstakeDelayS) external payable;
    function unlockStake() external;
    function withdrawStake(address payable to) external;
    function balanceOf(address account) external view returns (uint256);
}

/// @notice A sponsor's terms, wei.
/// @param owner Who funds it and gets back what is left.
/// @param open Whether it pays.
/// @param perOperation Most for one operation.
/// @param perPassport Most for a passport in a day.
/// @param perDay Most for all in a day.
/// @param balance What is left of what was funded.
struct Sponsorship {
    address owner;
    bool open;
    uint128 perOperation;
    uint128 perPassport;
    uint128 perDay;
    uint128 balance;
}

/// @title Pays for operations of passports, within budgets
/// @notice Rules PTS-080 to PTS-083 of specs/points.md. `paymasterAndData` of an operation: this address, two gas limits (ERC-4337), number of the
///         sponsorship (32 bytes), day since 1970 (4 bytes). The day stands there since validation may not read the clock (ERC-7562); the
///         EntryPoint refuses the operation outside that day.
interface IPersonaPaymaster {
    /// @notice A sponsorship was made or its terms changed.
    event SponsorshipSet(uint256 indexed sponsorship, Sponsorship terms);
    /// @notice Who brings operations to the chain was set.
    event BundlerSet(uint256 indexed sponsorship, address bundler);
    /// @notice Money came.
    event SponsorshipFunded(uint256 indexed sponsorship, uint256 amount);
    /// @notice Money left.
    event SponsorshipWithdrawn(uint256 indexed sponsorship, uint256 amount, address to);
    /// @notice An operation was paid for.
    event Sponsored(
        uint256 indexed sponsorship, uint256 indexed passport, uint32 indexed day, uint256 charged
    );

    /// @notice Only the EntryPoint.
    error PersonaPaymaster_NotEntryPoint(address sender);
    /// @notice Only the sponsorship's owner.
    error PersonaPaymaster_NotOwner(uint256 sponsorship, address sender);
    /// @notice `paymasterAndData` has another length.
    error PersonaPaymaster_BadData(uint256 length);
    /// @notice The sponsorship is closed or does not exist.
    error PersonaPaymaster_Closed(uint256 sponsorship);
    /// @notice The sender is no living key of a passport.
    error PersonaPaymaster_NoPassport(address sender);
    /// @notice The passport holds no account of a human.
    error PersonaPaymaster_NoCredential(uint256 passport);
    /// @notice The operation may cost more than one may.
    error PersonaPaymaster_TooDear(uint256 cost, uint256 most);
    /// @notice The passport's budget of the day is used up.
    error PersonaPaymaster_PassportBudget(uint256 passport, uint256 cost, uint256 left);
    /// @notice The sponsorship's budget of the day is used up.
    error PersonaPaymaster_DayBudget(uint256 sponsorship, uint256 cost, uint256 left);
    /// @notice Somebody else brings the operation than the sponsorship's bundler.
    error PersonaPaymaster_NotBundler(uint256 sponsorship, address sender);
    /// @notice Too little was funded.
    error PersonaPaymaster_Unfunded(uint256 sponsorship, uint256 cost, uint256 left);

    /// @notice Makes a sponsorship of the sender's, funded with the ether sent. Its bundler is the sender.
    function create(uint128 perOperation, uint128 perPassport, uint128 perDay)
        external
        payable
        returns (uint256 sponsorship);
    /// @notice Changes terms, or stops.
    function set(uint256 sponsorship, bool open, uint128 perOperation, uint128 perPassport, uint128 perDay)
        external;
    /// @notice Names the account that brings operations to the chain, and is paid by the EntryPoint for it; zero for anybody. Whoever brings an operation earns
    ///         what its `preVerificationGas`, priority fee and unused gas come to, and its sender chooses them: with anybody, the budgets are anybody's to
    ///         take. EntryPoint v0.7 lets contracts call it: there the account should call no strangers' contracts besides.
    function setBundler(uint256 sponsorship, address bundler) external;
    /// @notice Adds ether. Anyone may.
    function fund(uint256 sponsorship) external payable;
    /// @notice Takes out what is not spent.
    function withdraw(uint256 sponsorship, uint128 amount, address payable to) external;
    /// @notice Stakes ether in the EntryPoint, so that bundlers accept a paymaster that reads other contracts (ERC-7562). It comes back to the stake's owner.
    function addStake(uint32 unstakeDelayS) external payable;
    /// @notice Begins the return of the stake. Only the stake's owner.
    function unlockStake() external;
    /// @notice Returns the stake. Only the stake's owner.
    function withdrawStake(address payable to) external;

    /// @notice ERC-4337: takes the highest cost from the budgets, or reverts.
    function validatePaymasterUserOp(PackedUserOperation calldata operation, bytes32 hash, uint256 maxCost)
        external
        returns (bytes memory context, uint256 validationData);
    /// @notice ERC-4337: gives back what was not used.
    function postOp(uint8 mode, bytes calldata context, uint256 actualGasCost, uint256 gasPrice) external;

    /// @notice Sponsorships made; their numbers are 1 to this.
    function sponsorshipCount() external view returns (uint256);
    /// @notice Who brings operations of a sponsorship to the chain; zero for anybody.
    function bundlerOf(uint256 sponsorship) external view returns (address);
    /// @notice A sponsorship.
    function sponsorshipOf(uint256 sponsorship) external view returns (Sponsorship memory);
    /// @notice Wei taken from a sponsorship's budget of a day.
    function spentOn(uint256 sponsorship, uint32 day) external view returns (uint256);
    /// @notice Wei taken from a passport's budget of a day.
    function spentBy(uint256 sponsorship, uint256 passport, uint32 day) external view returns (uint256);
}
