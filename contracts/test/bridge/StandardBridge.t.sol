// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {StandardBridge} from "../../src/bridge/StandardBridge.sol";
import {IBridge} from "../../src/interfaces/IBridge.sol";
import {IStandardBridge} from "../../src/interfaces/IStandardBridge.sol";
import {WithdrawalTransaction} from "../../src/portal/Withdrawals.sol";
import {OptimismMintableERC20} from "../../src/predeploys/OptimismMintableERC20.sol";
import {OptimismMintableERC20Factory} from "../../src/predeploys/OptimismMintableERC20Factory.sol";
import {
    FeeToken,
    RebasingToken,
    ReenteringToken,
    RefusingToken,
    ShutToken,
    SilentToken,
    Token
} from "../utils/OddTokens.sol";
import {TwoLayers} from "../utils/TwoLayers.sol";
import {vm} from "../utils/Vm.sol";

contract StandardBridgeTest is TwoLayers {
    address internal alice = address(0xA11CE);
    address internal bob = address(0xB0B);
    mapping(address token => address) internal _twinOf;

    function setUp() external {
        _deployBoth();
        vm.deal(alice, 100 ether);
    }

    /// @dev BRG-020: by each of the names, there and back; nothing stays behind.
    function test_ether_there_and_back() external {
        vm.prank(alice, alice);
        l1Bridge.bridgeETH{value: 1 ether}(200_000, "x");
        vm.prank(alice, alice);
        l1Bridge.depositETH{value: 1 ether}(200_000, "");
        vm.prank(alice, alice);
        (bool sent,) = address(l1Bridge).call{value: 1 ether}("");
        vm.assertTrue(sent);
        vm.prank(alice);
        l1Bridge.bridgeETHTo{value: 1 ether}(bob, 200_000, "");
        vm.prank(alice);
        l1Bridge.depositETHTo{value: 1 ether}(bob, 200_000, "");
        vm.assertEq(address(portal).balance, 5 ether);
        vm.assertEq(_toL2(), 5);
        vm.assertEq(alice.balance, 98 ether); // in both layers together
        vm.assertEq(bob.balance, 2 ether);

        vm.prank(alice, alice);
        l2Bridge.bridgeETH{value: 1 ether}(200_000, "");
        vm.prank(alice, alice);
        l2Bridge.withdraw{value: 1 ether}(0xDeadDeAddeAddEAddeadDEaDDEAdDeaDDeAD0000, 1 ether, 200_000, "");
        vm.prank(alice, alice);
        (sent,) = address(l2Bridge).call{value: 1 ether}("");
        vm.assertTrue(sent);
        vm.prank(bob);
        l2Bridge.bridgeETHTo{value: 2 ether}(bob, 200_000, "");
        _toL1();
        vm.assertEq(address(portal).balance, 0);
        vm.assertEq(alice.balance, 98 ether);
        vm.assertEq(bob.balance, 2 ether);
    }

    /// @dev BRG-032: where it could never be handed over, or not to anyone, ether is not sent.
    function test_bridgeETHTo_contracts_of_the_bridge_reverts() external {
        StandardBridge[2] memory bridges = [StandardBridge(l1Bridge), l2Bridge];
        address[3][2] memory bad = [
            [address(l2Bridge), address(l2Messenger), address(passer)],
            [address(l1Bridge), address(l1Messenger), address(portal)]
        ];
        for (uint256 i; i < 2; ++i) {
            for (uint256 k; k < 3; ++k) {
                vm.prank(alice);
                vm.expectRevert(
                    abi.encodeWithSelector(IStandardBridge.StandardBridge_BadRecipient.selector, bad[i][k])
                );
                bridges[i].bridgeETHTo{value: 1 ether}(bad[i][k], 200_000, "");
            }
        }
        vm.prank(alice);
        vm.expectRevert(
            abi.encodeWithSelector(IStandardBridge.StandardBridge_BadRecipient.selector, address(portal))
        );
        l2Bridge.withdrawTo{value: 1 ether}(
            0xDeadDeAddeAddEAddeadDEaDDEAdDeaDDeAD0000, address(portal), 1 ether, 200_000, ""
        );
        vm.assertEq(alice.balance, 100 ether);
    }

    function test_withdraw_wrong_value_reverts() external {
        vm.prank(alice, alice);
        vm.expectRevert(abi.encodeWithSelector(IStandardBridge.StandardBridge_WrongValue.selector, 1, 2));
        l2Bridge.withdraw{value: 1}(0xDeadDeAddeAddEAddeadDEaDDEAdDeaDDeAD0000, 2, 200_000, "");
        vm.prank(alice, alice);
        vm.expectRevert(abi.encodeWithSelector(IStandardBridge.StandardBridge_WrongValue.selector, 1, 0));
        l2Bridge.withdraw{value: 1}(address(1), 2, 200_000, "");
    }

    /// @dev BRG-021: contracts say to whom; delegated accounts need not.
    function test_bridge_to_oneself_only_with_a_key() external {
        vm.deal(address(this), 2 ether);
        vm.expectRevert(abi.encodeWithSelector(IBridge.Bridge_OnlyEOA.selector, address(this)));
        l1Bridge.bridgeETH{value: 1 ether}(200_000, "");
        vm.expectRevert(abi.encodeWithSelector(IBridge.Bridge_OnlyEOA.selector, address(this)));
        l1Bridge.bridgeERC20(address(1), address(2), 1, 200_000, "");
        vm.etch(alice, bytes.concat(hex"ef0100", bytes20(address(this))));
        vm.prank(alice);
        l1Bridge.bridgeETH{value: 1 ether}(200_000, "");
        vm.assertEq(_toL2(), 1);
    }

    /// @dev BRG-021: a contract whose constructor calls has no code yet, and no key either.
    function test_bridge_to_oneself_from_a_constructor_reverts() external {
        vm.deal(address(this), 1 ether);
        address newborn = vm.computeCreateAddress(address(this), vm.getNonce(address(this)));
        vm.expectRevert(abi.encodeWithSelector(IBridge.Bridge_OnlyEOA.selector, newborn));
        new Newborn{value: 1 ether}(l1Bridge);
    }

    /// @dev BRG-022.
    function testFuzz_finalize_by_anyone_else_reverts(address caller) external {
        IStandardBridge[2] memory both = [IStandardBridge(l1Bridge), l2Bridge];
        for (uint256 i; i < 2; ++i) {
            vm.assume(caller != address(both[i].MESSENGER()));
            vm.prank(caller);
            vm.expectRevert(abi.encodeWithSelector(IBridge.Bridge_NotOtherBridge.selector, caller));
            both[i].finalizeBridgeETH(alice, bob, 0, "");
            vm.prank(caller);
            vm.expectRevert(abi.encodeWithSelector(IBridge.Bridge_NotOtherBridge.selector, caller));
            both[i].finalizeBridgeERC20(address(1), address(2), alice, bob, 0, "");
        }
    }

    /// @dev BRG-022: nor by a message that someone sends to the bridge.
    function test_finalize_by_someones_message_fails() external {
        vm.deal(address(portal), 10 ether);
        vm.prank(alice);
        l2Messenger.sendMessage(
            address(l1Bridge), abi.encodeCall(l1Bridge.finalizeBridgeETH, (alice, alice, 0, "")), 200_000
        );
        _toL1();
        vm.assertTrue(address(portal).balance == 10 ether && l1Messenger.messageNonce() == uint256(1) << 240);
    }

    /// @dev BRG-023, BRG-024: locked there, minted here, burned here, unlocked there.
    function testFuzz_token_there_and_back(uint96 amount) external {
        Token token = new Token();
        OptimismMintableERC20 twin = _twin(address(token));
        token.mint(alice, amount);
        _give(address(token), amount);
        vm.assertEq(twin.balanceOf(alice), amount);
        vm.assertEq(l1Bridge.deposits(address(token), address(twin)), amount);
        vm.prank(alice, alice);
        l2Bridge.withdraw(address(twin), amount, 300_000, "");
        vm.assertEq(twin.totalSupply(), 0);
        _toL1();
        vm.assertEq(token.balanceOf(alice), amount);
        vm.assertEq(l1Bridge.deposits(address(token), address(twin)), 0);
    }

    /// @dev BRG-023: what arrives is what is minted, and everyone can leave.
    function testFuzz_fee_on_transfer_token_mints_what_arrived(uint96 amount) external {
        FeeToken token = new FeeToken();
        OptimismMintableERC20 twin = _twin(address(token));
        token.mint(alice, amount);
        _give(address(token), amount);
        uint256 arrived = amount - uint256(amount) / 100;
        vm.assertEq(twin.balanceOf(alice), arrived);
        vm.assertEq(token.balanceOf(address(l1Bridge)), arrived);
        _take(twin, arrived);
        vm.assertEq(token.balanceOf(alice), arrived - arrived / 100);
        vm.assertEq(token.balanceOf(address(l1Bridge)), 0);
    }

    /// @dev BRG-027: who comes when there is too little waits until there is enough; what there is too much is nobody's.
    function test_rebasing_token_pays_what_was_locked_or_waits() external {
        RebasingToken token = new RebasingToken();
        OptimismMintableERC20 twin = _twin(address(token));
        token.mint(alice, 100);
        _give(address(token), 100);
        token.rebase(address(l1Bridge), 150);
        _take(twin, 40);
        vm.assertEq(token.balanceOf(alice), 40);
        token.rebase(address(l1Bridge), 30);
        vm.prank(alice, alice);
        l2Bridge.withdraw(address(twin), 60, 300_000, "");
        WithdrawalTransaction memory w = _toL1();
        vm.assertEq(token.balanceOf(alice), 40);
        (bool done,) = address(l1Messenger).call(w.data);
        vm.assertTrue(done && token.balanceOf(alice) == 40);
        token.rebase(address(l1Bridge), 60);
        (done,) = address(l1Messenger).call(w.data);
        vm.assertTrue(done && token.balanceOf(alice) == 100);
        (done,) = address(l1Messenger).call(w.data);
        vm.assertFalse(done);
    }

    /// @dev BRG-004, BRG-027: a token that is shut when it should be paid out is paid out later.
    function test_reverting_token_is_paid_by_replay() external {
        ShutToken token = new ShutToken();
        OptimismMintableERC20 twin = _twin(address(token));
        token.mint(alice, 100);
        _give(address(token), 100);
        token.shutDown(true);
        vm.prank(alice, alice);
        l2Bridge.withdraw(address(twin), 100, 300_000, "");
        WithdrawalTransaction memory w = _toL1();
        vm.assertEq(l1Bridge.deposits(address(token), address(twin)), 100);
        token.shutDown(false);
        (bool done,) = address(l1Messenger).call(w.data);
        vm.assertTrue(done && token.balanceOf(alice) == 100);
        token.shutDown(true);
        vm.prank(alice, alice);
        vm.expectRevert();
        l1Bridge.bridgeERC20(address(token), address(twin), 1, 200_000, "");
    }

    /// @dev BRG-026.
    function test_reentering_token_is_refused() external {
        ReenteringToken token = new ReenteringToken();
        OptimismMintableERC20 twin = _twin(address(token));
        token.mint(alice, 100);
        token.aim(l1Bridge, address(twin));
        vm.prank(alice);
        token.approve(address(l1Bridge), 100);
        vm.prank(alice, alice);
        vm.expectRevert(
            abi.encodeWithSelector(IStandardBridge.StandardBridge_Reentered.selector, address(token))
        );
        l1Bridge.bridgeERC20(address(token), address(twin), 100, 200_000, "");
    }

    /// @dev BRG-028.
    function test_returnless_token_there_and_back() external {
        SilentToken token = new SilentToken();
        OptimismMintableERC20 twin = _twin(address(token));
        token.mint(alice, 100);
        _give(address(token), 100);
        _take(twin, 100);
        vm.assertEq(token.balanceOf(alice), 100);
    }

    /// @dev BRG-028: no by false is no.
    function test_refusing_token_reverts() external {
        RefusingToken token = new RefusingToken();
        token.mint(alice, 100);
        vm.prank(alice, alice);
        vm.expectRevert(abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, address(token)));
        l1Bridge.bridgeERC20(address(token), address(1), 100, 200_000, "");
    }

    /// @dev BRG-025: a token that someone made up to stand for another takes nothing that was locked for the real one.
    function test_made_up_twin_takes_nothing() external {
        Token token = new Token();
        OptimismMintableERC20 twin = _twin(address(token));
        token.mint(alice, 100);
        _give(address(token), 100);
        vm.prank(bob);
        OptimismMintableERC20 fake =
            new OptimismMintableERC20(address(l2Bridge), address(token), "Token", "TOK", 18);
        vm.prank(address(l2Bridge));
        fake.mint(bob, 100);
        vm.prank(bob, bob);
        l2Bridge.withdraw(address(fake), 100, 300_000, "");
        _toL1();
        vm.assertEq(token.balanceOf(bob), 0);
        vm.assertEq(l1Bridge.deposits(address(token), address(twin)), 100);
        vm.prank(bob, bob);
        vm.expectRevert(
            abi.encodeWithSelector(
                IStandardBridge.StandardBridge_WrongPair.selector, address(fake), address(1)
            )
        );
        l2Bridge.bridgeERC20(address(fake), address(1), 0, 300_000, "");
    }

    /// @dev BRG-029: a token native to L2 goes to L1 alike, where a twin is minted.
    function test_token_of_L2_there_and_back() external {
        Token native = new Token();
        OptimismMintableERC20 twin =
            new OptimismMintableERC20(address(l1Bridge), address(native), "Token", "TOK", 18);
        native.mint(alice, 100);
        vm.prank(alice);
        native.approve(address(l2Bridge), 100);
        vm.prank(alice);
        l2Bridge.bridgeERC20To(address(native), address(twin), bob, 100, 300_000, "");
        _toL1();
        vm.assertEq(twin.balanceOf(bob), 100);
        vm.prank(bob, bob);
        l1Bridge.bridgeERC20(address(twin), address(native), 100, 300_000, "");
        _toL2();
        vm.assertEq(native.balanceOf(bob), 100);
        vm.assertEq(twin.totalSupply() + l2Bridge.deposits(address(native), address(twin)), 0);
    }

    /// @dev BRG-030, BRG-031.
    function test_factory_and_its_tokens() external {
        vm.expectRevert(OptimismMintableERC20Factory.OptimismMintableERC20Factory_ZeroToken.selector);
        tokenFactory.createStandardL2Token(address(0), "", "");
        address six = tokenFactory.createOptimismMintableERC20WithDecimals(address(7), "Six", "SIX", 6);
        vm.assertEq(tokenFactory.deployments(six), address(7));
        OptimismMintableERC20 token = OptimismMintableERC20(six);
        vm.assertEq(token.decimals(), 6);
        vm.assertTrue(token.remoteToken() == address(7) && token.l1Token() == address(7));
        vm.assertTrue(token.bridge() == address(l2Bridge) && token.l2Bridge() == address(l2Bridge));
        vm.assertTrue(token.supportsInterface(0xec4fc8e3) && token.supportsInterface(0x1d1d8b63));
        vm.assertFalse(token.supportsInterface(0xffffffff));
        vm.expectRevert(
            abi.encodeWithSelector(
                OptimismMintableERC20.OptimismMintableERC20_NotBridge.selector, address(this)
            )
        );
        token.mint(alice, 1);
        vm.expectRevert(
            abi.encodeWithSelector(
                OptimismMintableERC20.OptimismMintableERC20_NotBridge.selector, address(this)
            )
        );
        token.burn(alice, 1);
        vm.expectRevert(); // the same address
        tokenFactory.createOptimismMintableERC20WithDecimals(address(7), "Six", "SIX", 6);
    }

    function test_names_clients_ask_for() external view {
        vm.assertEq(l1Bridge.l2TokenBridge(), address(l2Bridge));
        vm.assertEq(l2Bridge.l1TokenBridge(), address(l1Bridge));
        vm.assertEq(l1Bridge.otherBridge(), address(l2Bridge));
        vm.assertEq(address(l2Bridge.messenger()), address(l2Messenger));
        vm.assertEq(tokenFactory.bridge(), address(l2Bridge));
    }

    function test_gas() external {
        vm.prank(alice, alice);
        l1Bridge.depositETH{value: 1 ether}(200_000, "");
        vm.snapshotGasLastCall("StandardBridge", "depositETH");
        Token token = new Token();
        OptimismMintableERC20 twin = _twin(address(token));
        token.mint(alice, 100);
        vm.prank(alice);
        token.approve(address(l1Bridge), 100);
        vm.prank(alice, alice);
        l1Bridge.depositERC20(address(token), address(twin), 100, 200_000, "");
        vm.snapshotGasLastCall("StandardBridge", "depositERC20");
        _toL2();
        vm.prank(alice, alice);
        l2Bridge.withdraw(address(twin), 100, 300_000, "");
        vm.snapshotGasLastCall("StandardBridge", "withdraw a token");
    }

    function _twin(address token) private returns (OptimismMintableERC20) {
        _twinOf[token] = tokenFactory.createStandardL2Token(token, "Twin", "TWN");
        return OptimismMintableERC20(_twinOf[token]);
    }

    /// @dev Alice bridges to L2, and it arrives.
    function _give(address token, uint256 amount) private {
        vm.prank(alice);
        IERC20Silent(token).approve(address(l1Bridge), amount);
        vm.prank(alice, alice);
        l1Bridge.bridgeERC20(token, _twinOf[token], amount, 300_000, "");
        vm.assertEq(_toL2(), 1);
    }

    /// @dev Alice bridges back, and it arrives.
    function _take(OptimismMintableERC20 twin, uint256 amount) private {
        address remote = twin.remoteToken();
        vm.prank(alice, alice);
        l2Bridge.bridgeERC20(address(twin), remote, amount, 300_000, "");
        _toL1();
    }
}

/// @dev Bridges to itself before it has code.
contract Newborn {
    constructor(IStandardBridge bridge) payable {
        bridge.bridgeETH{value: msg.value}(200_000, "");
    }
}

/// @dev Approval, whatever comes back.
interface IERC20Silent {
    function approve(address spender, uint256 amount) external;
}
