// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {IERC721Receiver} from "@openzeppelin/contracts/token/ERC721/IERC721Receiver.sol";
import {CrossDomainMessenger} from "../../src/bridge/CrossDomainMessenger.sol";
import {L1ERC721Bridge} from "../../src/bridge/L1ERC721Bridge.sol";
import {IPortal} from "../../src/interfaces/IPortal.sol";
import {WithdrawalTransaction, Withdrawals} from "../../src/portal/Withdrawals.sol";
import {OptimismMintableERC20} from "../../src/predeploys/OptimismMintableERC20.sol";
import {OptimismMintableERC721} from "../../src/predeploys/OptimismMintableERC721.sol";
import {Collection, Token} from "../utils/OddTokens.sol";
import {TwoLayers} from "../utils/TwoLayers.sol";
import {Vm, vm} from "../utils/Vm.sol";

/// @dev Hears messages, if it has the gas it asked for.
contract Listener {
    uint256 public heard;

    function hear(uint256 atLeast) external payable {
        require(gasleft() + 1_000 >= atLeast);
        ++heard;
    }
}

/// @dev Refuses a message once; when it comes again, has somebody else's withdrawal carried out from inside.
contract Spoiler {
    IPortal internal portal;
    bytes internal call;
    bool public done;

    function prepare(IPortal portal_, bytes calldata call_) external {
        (portal, call) = (portal_, call_);
    }

    function hear() external {
        require(call.length != 0);
        (done,) = address(portal).call(call);
    }
}

/// @dev Says a megabyte, with or without taking the ether.
contract LoudRecipient {
    receive() external payable {
        assembly {
            return(0, 1000000)
        }
    }
}

/// @dev A token that calls its recipient, as ERC-777 has it.
contract CallingToken is Token {
    function _update(address from, address to, uint256 amount) internal override {
        super._update(from, to, amount);
        if (to.code.length != 0 && from != address(0)) {
            (bool told,) = to.call(abi.encodeWithSignature("received()"));
            told;
        }
    }
}

/// @dev Has its message delivered again while it receives.
contract Doubler {
    address internal messenger;
    bytes internal again;

    function prepare(address messenger_, bytes calldata again_) external {
        (messenger, again) = (messenger_, again_);
    }

    function received() external {
        (bool done,) = messenger.call(again);
        done;
    }
}

/// @dev Takes tokens or refuses them, and may send them back at once.
contract Collector is IERC721Receiver {
    L1ERC721Bridge internal bridge;
    address internal twin;
    bool public refuses;

    function refuse(bool yes) external {
        refuses = yes;
    }

    function sendBack(L1ERC721Bridge bridge_, address twin_) external {
        (bridge, twin) = (bridge_, twin_);
    }

    function onERC721Received(address, address, uint256 tokenId, bytes calldata) external returns (bytes4) {
        require(!refuses);
        if (twin != address(0)) {
            Collection(msg.sender).approve(address(bridge), tokenId);
            bridge.bridgeERC721To(msg.sender, twin, address(0xA11CE), tokenId, 300_000, "");
        }
        return IERC721Receiver.onERC721Received.selector;
    }
}

/// @dev What someone tries who wants tokens that are not his, or messages of others not to arrive.
contract BridgeAttacksTest is TwoLayers {
    address internal alice = address(0xA11CE);
    address internal thief = address(0xBAD);

    function setUp() external {
        _deployBoth();
        vm.deal(alice, 100 ether);
        vm.deal(address(portal), 50 ether);
    }

    /// @dev PTL-036, BRG-007: whoever finalises gives too little gas: the transaction reverts, or the message arrives. It is
    ///      never counted as failed for want of gas.
    function testFuzz_attack_starving_finaliser_cannot_fail_a_message(uint24 wanted, uint24 given) external {
        Listener listener = new Listener();
        uint32 gas = uint32(uint256(wanted) % 1_000_000 + 50_000);
        vm.prank(alice);
        l2Messenger.sendMessage(address(listener), abi.encodeCall(Listener.hear, (gas)), gas);
        WithdrawalTransaction memory w = _ready();
        (bool done,) = address(portal).call{gas: uint256(given) % 3_000_000}(
            abi.encodeCall(portal.finalizeWithdrawalTransactionExternalProof, (w, address(this)))
        );
        vm.assertEq(listener.heard(), done ? 1 : 0);
        vm.assertFalse(portal.failedWithdrawals(Withdrawals.hash(w)));
    }

    /// @dev BRG-006: from inside the replay of his own message a thief carries out somebody else's withdrawal, so that its message
    ///      fails. Its ether waits, and anyone delivers it.
    function test_attack_spoiled_delivery_waits_and_is_delivered() external {
        Spoiler spoiler = new Spoiler();
        vm.prank(thief);
        l2Messenger.sendMessage(address(spoiler), abi.encodeCall(Spoiler.hear, ()), 2_000_000);
        WithdrawalTransaction memory his = _toL1();

        Listener listener = new Listener();
        vm.prank(alice);
        l2Messenger.sendMessage{value: 1 ether}(
            address(listener), abi.encodeCall(Listener.hear, (0)), 100_000
        );
        WithdrawalTransaction memory hers = _ready();
        spoiler.prepare(
            portal, abi.encodeCall(portal.finalizeWithdrawalTransactionExternalProof, (hers, address(this)))
        );
        (bool done,) = address(l1Messenger).call(his.data);
        vm.assertTrue(done && spoiler.done() && listener.heard() == 0);
        vm.assertEq(address(l1Messenger).balance, 1 ether);
        (done,) = address(l1Messenger).call(hers.data);
        vm.assertTrue(done && listener.heard() == 1 && address(listener).balance == 1 ether);
    }

    /// @dev BRG-020: a recipient that answers with a megabyte makes its delivery no dearer than the answer itself.
    function test_attack_return_bomb_recipient_is_paid_within_its_gas() external {
        LoudRecipient loud = new LoudRecipient();
        vm.prank(alice);
        l2Bridge.bridgeETHTo{value: 1 ether}(address(loud), 2_300_000, "");
        WithdrawalTransaction memory w = _ready();
        portal.finalizeWithdrawalTransactionExternalProof{gas: w.gasLimit * 64 / 63 + 200_000}(
            w, address(this)
        );
        vm.assertEq(address(loud).balance, 1 ether);
    }

    /// @dev BRG-004, BRG-025: a token that calls its recipient, who has the same message delivered from inside: paid once.
    function test_attack_reentering_recipient_is_paid_once() external {
        CallingToken token = new CallingToken();
        Doubler doubler = new Doubler();
        OptimismMintableERC20 twin =
            OptimismMintableERC20(tokenFactory.createStandardL2Token(address(token), "T", "T"));
        token.mint(alice, 200);
        vm.prank(alice);
        token.approve(address(l1Bridge), 200);
        vm.prank(alice, alice);
        l1Bridge.bridgeERC20(address(token), address(twin), 200, 300_000, "");
        _toL2();
        vm.prank(alice);
        l2Bridge.withdrawTo(address(twin), address(doubler), 100, 500_000, "");
        WithdrawalTransaction memory w = _ready();
        doubler.prepare(address(l1Messenger), w.data);
        portal.finalizeWithdrawalTransactionExternalProof(w, address(this));
        (bool done,) = address(l1Messenger).call(w.data);
        vm.assertFalse(done);
        vm.assertEq(token.balanceOf(address(doubler)), 100);
        vm.assertEq(l1Bridge.deposits(address(token), address(twin)), 100);
    }

    /// @dev BRG-041: a recipient that sends its token back from inside: it is locked once, and comes out once.
    function test_attack_reentering_collector_leaves_the_token_locked_once() external {
        (Collection collection, OptimismMintableERC721 twin) = _lockedOne();
        Collector collector = new Collector();
        collector.sendBack(l1NftBridge, address(twin));
        vm.prank(alice);
        l2NftBridge.bridgeERC721To(address(twin), address(collection), address(collector), 7, 900_000, "");
        WithdrawalTransaction memory w = _ready();
        vm.recordLogs();
        portal.finalizeWithdrawalTransactionExternalProof(w, address(this));
        vm.assertEq(collection.ownerOf(7), address(l1NftBridge));
        vm.assertTrue(l1NftBridge.deposits(address(collection), address(twin), 7));
        vm.assertEq(_toL2(), 1);
        vm.assertEq(twin.ownerOf(7), alice);
    }

    /// @dev BRG-004, BRG-040: a recipient that refuses its token gets it when it does no longer.
    function test_attack_refused_collectible_waits() external {
        (Collection collection, OptimismMintableERC721 twin) = _lockedOne();
        Collector collector = new Collector();
        collector.refuse(true);
        vm.prank(alice);
        l2NftBridge.bridgeERC721To(address(twin), address(collection), address(collector), 7, 300_000, "");
        WithdrawalTransaction memory w = _toL1();
        vm.assertEq(collection.ownerOf(7), address(l1NftBridge));
        vm.assertTrue(l1NftBridge.deposits(address(collection), address(twin), 7));
        collector.refuse(false);
        (bool done,) = address(l1Messenger).call(w.data);
        vm.assertTrue(done && collection.ownerOf(7) == address(collector));
        vm.assertFalse(l1NftBridge.deposits(address(collection), address(twin), 7));
    }

    /// @dev BRG-041: a token that is locked already is not locked for another collection by someone else.
    function test_attack_locked_collectible_is_not_locked_again() external {
        (Collection collection,) = _lockedOne();
        OptimismMintableERC721 his =
            OptimismMintableERC721(nftFactory.createOptimismMintableERC721(address(collection), "H", "H"));
        vm.prank(thief, thief);
        vm.expectRevert();
        l1NftBridge.bridgeERC721(address(collection), address(his), 7, 300_000, "");
        vm.assertFalse(l1NftBridge.deposits(address(collection), address(his), 7));
    }

    /// @dev BRG-003, BRG-022: a contract of L1 with the bridge's words, but its own alias, mints nothing on L2.
    function test_attack_deposit_with_the_messengers_words_mints_nothing() external {
        Token token = new Token();
        address twin = tokenFactory.createStandardL2Token(address(token), "T", "T");
        bytes memory words = abi.encodeCall(
            l2Bridge.finalizeBridgeERC20, (twin, address(token), thief, thief, 1_000, bytes(""))
        );
        bytes memory relay = abi.encodeCall(
            CrossDomainMessenger.relayMessage,
            (uint256(1) << 240, address(l1Bridge), address(l2Bridge), 0, 300_000, words)
        );
        vm.prank(thief, thief);
        portal.depositTransaction(address(l2Messenger), 0, 2_000_000, false, relay);
        portal.depositTransaction(address(l2Messenger), 0, 2_000_000, false, relay); // a contract
        vm.prank(thief);
        l1Messenger.sendMessage(address(l2Bridge), words, 300_000);
        vm.assertEq(_toL2(), 1); // the last is a message, which the bridge refuses
        vm.assertEq(OptimismMintableERC20(twin).totalSupply(), 0);
    }

    /// @dev BRG-030: someone has the same token made first: it is the same token, at the address it would have had.
    function test_attack_token_made_first_by_someone_else_is_the_same() external {
        vm.prank(thief);
        address his = tokenFactory.createStandardL2Token(address(7), "T", "T");
        OptimismMintableERC20 token = OptimismMintableERC20(his);
        vm.assertTrue(token.bridge() == address(l2Bridge) && token.remoteToken() == address(7));
        vm.assertEq(token.totalSupply(), 0);
        address other = tokenFactory.createStandardL2Token(address(8), "T", "T");
        vm.assertTrue(other != his && tokenFactory.deployments(other) == address(8));
    }

    /// @dev The last withdrawal recorded: proven, waited for, not finalised.
    function _ready() private returns (WithdrawalTransaction memory w) {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i; i < logs.length; ++i) {
            if (logs[i].emitter == address(passer)) w = _withdrawalOf(logs[i]);
        }
        _prove(w, address(this));
        vm.warp(block.timestamp + MATURITY + 1);
    }

    /// @dev Alice's number 7, locked on L1 and hers on L2.
    function _lockedOne() private returns (Collection collection, OptimismMintableERC721 twin) {
        collection = new Collection();
        twin = OptimismMintableERC721(nftFactory.createOptimismMintableERC721(address(collection), "C", "C"));
        collection.mint(alice, 7);
        vm.prank(alice);
        collection.approve(address(l1NftBridge), 7);
        vm.prank(alice, alice);
        l1NftBridge.bridgeERC721(address(collection), address(twin), 7, 300_000, "");
        vm.assertEq(_toL2(), 1);
        vm.assertEq(twin.ownerOf(7), alice);
    }
}
