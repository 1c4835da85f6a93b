// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {INullifiers} from "../interfaces/INullifiers.sol";
import {IPassport, ROLE_NONE} from "../interfaces/IPassport.sol";
import {
    IEntryPoint,
    IPersonaPaymaster,
    PackedUserOperation,
    Sponsorship
} from "../interfaces/IPersonaPaymaster.sol";

/// @title PersonaPaymaster
/// @notice Pays for operations of passports; see {IPersonaPaymaster}. One for each EntryPoint.
/// @dev Books never promise more than the EntryPoint holds: each operation is charged at least what the EntryPoint takes.
contract PersonaPaymaster is IPersonaPaymaster {
    /// @dev Where ERC-4337 puts the gas limit of `postOp`, and what follows.
    uint256 private constant POST_OP_GAS_OFFSET = 36;
    uint256 private constant DATA_OFFSET = 52;
    uint256 private constant DATA_LENGTH = 36;
    /// @dev The EntryPoint takes a tenth of gas that was asked for and not used.
    uint256 private constant PENALTY_DIVISOR = 10;
    /// @dev Gas of the EntryPoint's own around `postOp`, and to spare.
    uint256 private constant AROUND_POST_OP = 20_000;

    /// @notice Who calls.
    IEntryPoint public immutable ENTRY_POINT;
    /// @notice Passports that are paid for.
    IPassport public immutable PASSPORT;
    /// @notice Accounts of humans.
    INullifiers public immutable NULLIFIERS;
    /// @notice Whom the stake belongs to.
    address public immutable STAKE_OWNER;

    /// @inheritdoc IPersonaPaymaster
    uint256 public sponsorshipCount;
    mapping(uint256 sponsorship => Sponsorship) private _sponsorships;
    /// @inheritdoc IPersonaPaymaster
    mapping(uint256 sponsorship => mapping(uint32 day => uint256)) public spentOn;
    /// @inheritdoc IPersonaPaymaster
    mapping(uint256 sponsorship => mapping(uint256 passport => mapping(uint32 day => uint256))) public
        spentBy;
    /// @inheritdoc IPersonaPaymaster
    mapping(uint256 sponsorship => address) public bundlerOf;

    /// @param entryPoint Who calls.
    /// @param passport Passports that are paid for.
    /// @param nullifiers Accounts of humans.
    /// @param stakeOwner Whom the stake belongs to.
    constructor(IEntryPoint entryPoint, IPassport passport, INullifiers nullifiers, address stakeOwner) {
        (ENTRY_POINT, PASSPORT, NULLIFIERS, STAKE_OWNER) = (entryPoint, passport, nullifiers, stakeOwner);
    }

    modifier onlyEntryPoint() {
        if (msg.sender != address(ENTRY_POINT)) revert PersonaPaymaster_NotEntryPoint(msg.sender);
        _;
    }

    modifier onlyStakeOwner() {
        if (msg.sender != STAKE_OWNER) revert PersonaPaymaster_NotOwner(0, msg.sender);
        _;
    }

    /// @inheritdoc IPersonaPaymaster
    function create(uint128 perOperation, uint128 perPassport, uint128 perDay)
        external
        payable
        returns (uint256 sponsorship)
    {
        sponsorship = ++sponsorshipCount;
        _sponsorships[sponsorship] = Sponsorship(msg.sender, true, perOperation, perPassport, perDay, 0);
        emit SponsorshipSet(sponsorship, _sponsorships[sponsorship]);
        _setBundler(sponsorship, msg.sender);
        if (msg.value != 0) fund(sponsorship);
    }

    /// @inheritdoc IPersonaPaymaster
    function set(uint256 sponsorship, bool open, uint128 perOperation, uint128 perPassport, uint128 perDay)
        external
    {
        Sponsorship storage terms = _owned(sponsorship);
        (terms.open, terms.perOperation) = (open, perOperation);
        (terms.perPassport, terms.perDay) = (perPassport, perDay);
        emit SponsorshipSet(sponsorship, terms);
    }

    /// @inheritdoc IPersonaPaymaster
    function setBundler(uint256 sponsorship, address bundler) external {
        _owned(sponsorship);
        _setBundler(sponsorship, bundler);
    }

    /// @inheritdoc IPersonaPaymaster
    function fund(uint256 sponsorship) public payable {
        if (_sponsorships[sponsorship].owner == address(0)) revert PersonaPaymaster_Closed(sponsorship);
        _sponsorships[sponsorship].balance += uint128(msg.value);
        ENTRY_POINT.depositTo{value: msg.value}(address(this));
        emit SponsorshipFunded(sponsorship, msg.value);
    }

    /// @inheritdoc IPersonaPaymaster
    function withdraw(uint256 sponsorship, uint128 amount, address payable to) external {
        Sponsorship storage terms = _owned(sponsorship);
        if (amount > terms.balance) revert PersonaPaymaster_Unfunded(sponsorship, amount, terms.balance);
        terms.balance -= amount; // PTS-083
        ENTRY_POINT.withdrawTo(to, amount);
        emit SponsorshipWithdrawn(sponsorship, amount, to);
    }

    /// @inheritdoc IPersonaPaymaster
    function addStake(uint32 unstakeDelayS) external payable {
        ENTRY_POINT.addStake{value: msg.value}(unstakeDelayS);
    }

    /// @inheritdoc IPersonaPaymaster
    function unlockStake() external onlyStakeOwner {
        ENTRY_POINT.unlockStake();
    }

    /// @inheritdoc IPersonaPaymaster
    function withdrawStake(address payable to) external onlyStakeOwner {
        ENTRY_POINT.withdrawStake(to);
    }

    /// @inheritdoc IPersonaPaymaster
    function validatePaymasterUserOp(PackedUserOperation calldata operation, bytes32, uint256 maxCost)
        external
        onlyEntryPoint
        returns (bytes memory context, uint256 validationData)
    {
        bytes calldata data = operation.paymasterAndData;
        if (data.length != DATA_OFFSET + DATA_LENGTH) revert PersonaPaymaster_BadData(data.length);
        uint256 sponsorship = uint256(bytes32(data[DATA_OFFSET:DATA_OFFSET + 32]));
        uint32 day = uint32(bytes4(data[DATA_OFFSET + 32:]));
        address bundler = bundlerOf[sponsorship];
        // PTS-084: whoever sends `handleOps` is paid what the operation names, and nothing else tells who that is.
        // forge-lint: disable-next-line(tx-origin)
        if (bundler != address(0) && tx.origin != bundler) {
            revert PersonaPaymaster_NotBundler(sponsorship, tx.origin);
        }
        uint256 passport = _passportOf(operation.sender);
        _reserve(sponsorship, passport, day, maxCost);
        context = abi.encode(sponsorship, passport, day, maxCost, _unusedBound(operation));
        uint256 validAfter = uint256(day) * 1 days;
        return (context, validAfter << 208 | (validAfter + 1 days - 1) << 160);
    }

    /// @inheritdoc IPersonaPaymaster
    function postOp(uint8, bytes calldata context, uint256 actualGasCost, uint256 gasPrice)
        external
        onlyEntryPoint
    {
        (uint256 sponsorship, uint256 passport, uint32 day, uint256 maxCost, uint256 moreGas) =
            abi.decode(context, (uint256, uint256, uint32, uint256, uint256));
        uint256 charged = actualGasCost + moreGas * gasPrice;
        if (charged > maxCost) charged = maxCost;
        uint256 back = maxCost - charged;
        _sponsorships[sponsorship].balance += uint128(back); // PTS-081
        spentOn[sponsorship][day] -= back;
        spentBy[sponsorship][passport][day] -= back;
        emit Sponsored(sponsorship, passport, day, charged);
    }

    /// @inheritdoc IPersonaPaymaster
    function sponsorshipOf(uint256 sponsorship) external view returns (Sponsorship memory) {
        return _sponsorships[sponsorship];
    }

    /// @dev PTS-080.
    function _passportOf(address sender) private view returns (uint256 passport) {
        uint8 role;
        (passport, role) = PASSPORT.passportOfAccount(sender);
        if (role == ROLE_NONE) revert PersonaPaymaster_NoPassport(sender);
        if (NULLIFIERS.countOf(passport) == 0) revert PersonaPaymaster_NoCredential(passport);
    }

    /// @dev PTS-081, PTS-082: takes the highest cost before anything runs.
    function _reserve(uint256 sponsorship, uint256 passport, uint32 day, uint256 cost) private {
        Sponsorship storage terms = _sponsorships[sponsorship];
        if (!terms.open) revert PersonaPaymaster_Closed(sponsorship);
        if (cost > terms.perOperation) revert PersonaPaymaster_TooDear(cost, terms.perOperation);
        uint256 left = _left(terms.perPassport, spentBy[sponsorship][passport][day]);
        if (cost > left) revert PersonaPaymaster_PassportBudget(passport, cost, left);
        left = _left(terms.perDay, spentOn[sponsorship][day]);
        if (cost > left) revert PersonaPaymaster_DayBudget(sponsorship, cost, left);
        if (cost > terms.balance) revert PersonaPaymaster_Unfunded(sponsorship, cost, terms.balance);
        terms.balance -= uint128(cost);
        spentOn[sponsorship][day] += cost;
        spentBy[sponsorship][passport][day] += cost;
    }

    /// @dev Gas that the EntryPoint may take beyond what it tells `postOp`: `postOp` itself, and a tenth of the limits.
    function _unusedBound(PackedUserOperation calldata operation) private pure returns (uint256 gas) {
        uint256 postOpGas =
            uint128(bytes16(operation.paymasterAndData[POST_OP_GAS_OFFSET:POST_OP_GAS_OFFSET + 16]));
        uint256 callGas = uint128(uint256(operation.accountGasLimits));
        return postOpGas + (callGas + postOpGas) / PENALTY_DIVISOR + AROUND_POST_OP;
    }

    function _setBundler(uint256 sponsorship, address bundler) private {
        bundlerOf[sponsorship] = bundler;
        emit BundlerSet(sponsorship, bundler);
    }

    function _left(uint256 budget, uint256 spent) private pure returns (uint256) {
        return budget > spent ? budget - spent : 0;
    }

    /// @dev A sponsorship of the sender's.
    function _owned(uint256 sponsorship) private view returns (Sponsorship storage terms) {
        terms = _sponsorships[sponsorship];
        if (terms.owner != msg.sender) revert PersonaPaymaster_NotOwner(sponsorship, msg.sender);
    }
}
