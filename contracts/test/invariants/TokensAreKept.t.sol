// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {WithdrawalTransaction} from "../../src/portal/Withdrawals.sol";
import {IOptimismMintableERC20} from "../../src/interfaces/IOptimismMintableERC20.sol";
import {OptimismMintableERC20} from "../../src/predeploys/OptimismMintableERC20.sol";
import {OptimismMintableERC721} from "../../src/predeploys/OptimismMintableERC721.sol";
import {Collection, FeeToken, ShutToken, Token} from "../utils/OddTokens.sol";
import {TwoLayers} from "../utils/TwoLayers.sol";
import {Vm, vm} from "../utils/Vm.sol";

/// @dev Says it stands for a token of L1 and that it was burned, as often as anyone likes.
contract Liar {
    address public immutable remoteToken;
    address public immutable bridge;

    constructor(address remote, address bridge_) {
        (remoteToken, bridge) = (remote, bridge_);
    }

    function burn(address, uint256) external {}

    function mint(address, uint256) external {}

    function supportsInterface(bytes4 id) external pure returns (bool) {
        return id == 0x01ffc9a7 || id == type(IOptimismMintableERC20).interfaceId;
    }
}

/// @dev Brings tokens over and back, some of which may be shut or take a fee, and tries to bring back what never went over.
contract TokenHandler is TwoLayers {
    struct Underway {
        WithdrawalTransaction withdrawal;
        uint256 kind;
        uint256 amount;
        bool carriedOut;
        bool delivered;
    }

    uint256 internal constant KINDS = 2;
    uint256 internal constant MOST = 6;
    address internal constant ALICE = address(0xA11CE);
    address internal constant THIEF = address(0xBAD);
    Token[KINDS] internal _tokens;
    OptimismMintableERC20[KINDS] internal _twins;
    Liar[KINDS] internal _liars;
    ShutToken internal _shut = new ShutToken();
    Collection internal _collection = new Collection();
    OptimismMintableERC721 internal _pictures;
    Underway[] internal _underway;
    uint256 public delivered;
    uint256 public waited;
    uint256 public lies;

    constructor() {
        _deployBoth();
        _tokens[0] = _shut;
        _tokens[1] = new FeeToken();
        for (uint256 i; i < KINDS; ++i) {
            address token = address(_tokens[i]);
            _twins[i] = OptimismMintableERC20(tokenFactory.createStandardL2Token(token, "Twin", "TWN"));
            _liars[i] = new Liar(token, address(l2Bridge));
            _tokens[i].mint(ALICE, type(uint128).max);
            vm.prank(ALICE);
            _tokens[i].approve(address(l1Bridge), type(uint256).max);
        }
        _pictures = OptimismMintableERC721(
            nftFactory.createOptimismMintableERC721(address(_collection), "Pictures", "PIC")
        );
        _collection.mint(ALICE, 7);
        vm.prank(ALICE);
        _collection.setApprovalForAll(address(l1NftBridge), true);
    }

    function bring(uint8 pick, uint64 amount) external {
        uint256 kind = pick % KINDS;
        if (kind == 0 && _shut.shut()) return;
        vm.roll(block.number + 1);
        vm.recordLogs();
        vm.prank(ALICE);
        l1Bridge.bridgeERC20To(address(_tokens[kind]), address(_twins[kind]), ALICE, amount, 300_000, "");
        vm.assertEq(_toL2(), 1);
    }

    function bringBack(uint8 pick, uint256 share) external {
        if (_underway.length == MOST) return;
        uint256 kind = pick % KINDS;
        uint256 amount = share % (_twins[kind].balanceOf(ALICE) + 1);
        vm.recordLogs();
        vm.prank(ALICE);
        l2Bridge.withdrawTo(address(_twins[kind]), ALICE, amount, 300_000, "");
        _underway.push(Underway(_sent(), kind, amount, false, false));
    }

    /// @dev BRG-025: a token of the thief's own making, said to stand for the real one.
    function lie(uint8 pick, uint64 amount) external {
        uint256 kind = pick % KINDS;
        vm.recordLogs();
        vm.prank(THIEF);
        l2Bridge.withdrawTo(address(_liars[kind]), THIEF, amount, 300_000, "");
        _carryOut(_sent());
        ++lies;
    }

    function carryOut(uint8 pick) public {
        if (_underway.length == 0) return;
        Underway storage one = _underway[pick % _underway.length];
        if (one.carriedOut) return;
        _carryOut(one.withdrawal);
        one.carriedOut = true;
        one.delivered = !(one.kind == 0 && _shut.shut());
        if (one.delivered) ++delivered;
        else ++waited;
    }

    /// @dev BRG-004: delivered again when it failed, and only then.
    function relay(uint8 pick) external {
        if (_underway.length == 0) return;
        Underway storage one = _underway[pick % _underway.length];
        (bool done,) = address(l1Messenger).call(one.withdrawal.data);
        vm.assertTrue(done == (one.carriedOut && !one.delivered));
        if (done && !(one.kind == 0 && _shut.shut())) {
            one.delivered = true;
            ++delivered;
        }
    }

    function turn() external {
        _shut.shutDown(!_shut.shut());
    }

    /// @dev BRG-040..042: the one picture, to and fro.
    function picture() external {
        vm.roll(block.number + 1);
        vm.recordLogs();
        if (_collection.ownerOf(7) == ALICE) {
            vm.prank(ALICE);
            l1NftBridge.bridgeERC721To(address(_collection), address(_pictures), ALICE, 7, 300_000, "");
            vm.assertEq(_toL2(), 1);
        } else {
            vm.prank(ALICE);
            l2NftBridge.bridgeERC721To(address(_pictures), address(_collection), ALICE, 7, 300_000, "");
            _carryOut(_sent());
        }
    }

    /// @dev BRG-023, BRG-025: what is locked is what exists over there and what is on its way back, for each pair.
    function checkLocked() external view {
        for (uint256 kind; kind < KINDS; ++kind) {
            uint256 locked = l1Bridge.deposits(address(_tokens[kind]), address(_twins[kind]));
            uint256 owed = _twins[kind].totalSupply();
            for (uint256 i; i < _underway.length; ++i) {
                if (_underway[i].kind == kind && !_underway[i].delivered) owed += _underway[i].amount;
            }
            vm.assertEq(locked, owed);
            vm.assertEq(_tokens[kind].balanceOf(address(l1Bridge)), locked);
            vm.assertEq(_tokens[kind].balanceOf(THIEF), 0);
            vm.assertEq(l1Bridge.deposits(address(_tokens[kind]), address(_liars[kind])), 0);
        }
    }

    /// @dev BRG-041, BRG-042: locked on L1 exactly while it exists on L2.
    function checkPicture() external view {
        bool locked = l1NftBridge.deposits(address(_collection), address(_pictures), 7);
        vm.assertTrue(locked == (_collection.ownerOf(7) == address(l1NftBridge)));
        vm.assertEq(_pictures.balanceOf(ALICE), locked ? 1 : 0);
    }

    function _sent() private returns (WithdrawalTransaction memory sent) {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i; i < logs.length; ++i) {
            if (logs[i].emitter == address(passer)) sent = _withdrawalOf(logs[i]);
        }
    }

    function _carryOut(WithdrawalTransaction memory withdrawal) private {
        _prove(withdrawal, address(this));
        vm.warp(block.timestamp + MATURITY + 1);
        portal.finalizeWithdrawalTransaction(withdrawal);
    }
}

/// @dev Whatever is called in whatever order.
contract TokensAreKeptTest {
    TokenHandler internal handler;

    function setUp() external {
        handler = new TokenHandler();
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    /// forge-config: default.invariant.runs = 8
    /// forge-config: default.invariant.depth = 60
    /// forge-config: default.invariant.fail-on-revert = true
    function invariant_locked_is_what_exists_over_there() external view {
        handler.checkLocked();
        handler.checkPicture();
    }

    /// @dev The handler reaches what it is to reach; else the invariant would hold of nothing.
    function test_handler_reaches_every_part() external {
        handler.bring(0, 100);
        handler.bring(1, 1_000);
        handler.bringBack(0, 40);
        handler.bringBack(1, 500);
        handler.checkLocked();
        handler.relay(0);
        handler.turn();
        handler.carryOut(0);
        handler.carryOut(1);
        handler.relay(0);
        handler.checkLocked();
        handler.turn();
        handler.relay(0);
        handler.relay(0);
        handler.lie(0, 50);
        handler.lie(1, 50);
        handler.picture();
        handler.checkPicture();
        handler.picture();
        handler.checkPicture();
        handler.checkLocked();
        vm.assertEq(handler.delivered(), 2);
        vm.assertEq(handler.waited(), 1);
        vm.assertEq(handler.lies(), 2);
    }
}
