// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {IBridge} from "../../src/interfaces/IBridge.sol";
import {IERC721Bridge} from "../../src/interfaces/IERC721Bridge.sol";
import {OptimismMintableERC721} from "../../src/predeploys/OptimismMintableERC721.sol";
import {OptimismMintableERC721Factory} from "../../src/predeploys/OptimismMintableERC721Factory.sol";
import {Collection} from "../utils/OddTokens.sol";
import {TwoLayers} from "../utils/TwoLayers.sol";
import {vm} from "../utils/Vm.sol";

contract ERC721BridgeTest is TwoLayers {
    address internal alice = address(0xA11CE);
    address internal bob = address(0xB0B);
    Collection internal collection = new Collection();
    OptimismMintableERC721 internal twin;

    function setUp() external {
        _deployBoth();
        twin = OptimismMintableERC721(nftFactory.createOptimismMintableERC721(address(collection), "C", "C"));
        collection.mint(alice, 42);
        vm.prank(alice);
        collection.setApprovalForAll(address(l1NftBridge), true);
    }

    /// @dev BRG-040..042.
    function test_token_there_and_back() external {
        vm.prank(alice, alice);
        l1NftBridge.bridgeERC721(address(collection), address(twin), 42, 300_000, "");
        vm.assertEq(_toL2(), 1);
        vm.assertEq(twin.ownerOf(42), alice);
        vm.assertEq(collection.ownerOf(42), address(l1NftBridge));
        vm.prank(alice);
        l2NftBridge.bridgeERC721To(address(twin), address(collection), bob, 42, 300_000, "");
        _toL1();
        vm.assertEq(collection.ownerOf(42), bob);
        vm.assertFalse(l1NftBridge.deposits(address(collection), address(twin), 42));
        vm.assertEq(twin.balanceOf(alice), 0);
    }

    /// @dev BRG-043: only the pair that it was locked for, only its owner.
    function test_bridge_back_what_is_not_ones_own_reverts() external {
        vm.prank(alice, alice);
        l1NftBridge.bridgeERC721(address(collection), address(twin), 42, 300_000, "");
        _toL2();
        vm.prank(bob, bob);
        vm.expectRevert(abi.encodeWithSelector(IERC721Bridge.ERC721Bridge_NotOwner.selector, bob, 42));
        l2NftBridge.bridgeERC721(address(twin), address(collection), 42, 300_000, "");
        vm.prank(alice, alice);
        vm.expectRevert(
            abi.encodeWithSelector(IERC721Bridge.ERC721Bridge_WrongPair.selector, address(twin), address(1))
        );
        l2NftBridge.bridgeERC721(address(twin), address(1), 42, 300_000, "");

        OptimismMintableERC721 fake =
            new OptimismMintableERC721(address(l2NftBridge), 1, address(collection), "F", "F");
        vm.prank(address(l2NftBridge));
        fake.safeMint(bob, 42);
        vm.prank(bob, bob);
        l2NftBridge.bridgeERC721(address(fake), address(collection), 42, 300_000, "");
        _toL1();
        vm.assertEq(collection.ownerOf(42), address(l1NftBridge));
    }

    /// @dev BRG-044.
    function testFuzz_finalize_by_anyone_else_reverts(address caller) external {
        IERC721Bridge[2] memory both = [IERC721Bridge(l1NftBridge), l2NftBridge];
        for (uint256 i; i < 2; ++i) {
            vm.assume(caller != address(both[i].messenger()));
            vm.prank(caller);
            vm.expectRevert(abi.encodeWithSelector(IBridge.Bridge_NotOtherBridge.selector, caller));
            both[i].finalizeBridgeERC721(address(1), address(2), alice, bob, 1, "");
        }
    }

    function test_bridge_bad_arguments_revert() external {
        vm.expectRevert(abi.encodeWithSelector(IBridge.Bridge_OnlyEOA.selector, address(this)));
        l1NftBridge.bridgeERC721(address(collection), address(twin), 42, 300_000, "");
        vm.expectRevert(IERC721Bridge.ERC721Bridge_ZeroAddress.selector);
        l1NftBridge.bridgeERC721To(address(collection), address(twin), address(0), 42, 300_000, "");
        vm.expectRevert(IERC721Bridge.ERC721Bridge_ZeroAddress.selector);
        l1NftBridge.bridgeERC721To(address(collection), address(0), bob, 42, 300_000, "");
        vm.expectRevert(OptimismMintableERC721Factory.OptimismMintableERC721Factory_ZeroToken.selector);
        nftFactory.createOptimismMintableERC721(address(0), "", "");
    }

    function test_gas() external {
        vm.prank(alice, alice);
        l1NftBridge.bridgeERC721(address(collection), address(twin), 42, 300_000, "");
        vm.snapshotGasLastCall("ERC721Bridge", "bridgeERC721 from L1");
        _toL2();
        vm.prank(alice, alice);
        l2NftBridge.bridgeERC721(address(twin), address(collection), 42, 300_000, "");
        vm.snapshotGasLastCall("ERC721Bridge", "bridgeERC721 from L2");
        _toL1();
        vm.snapshotGasLastCall("ERC721Bridge", "finalizeWithdrawalTransaction of a token");
    }

    /// @dev BRG-030, BRG-031.
    function test_factory_and_its_collections() external {
        vm.assertTrue(nftFactory.isOptimismMintableERC721(address(twin)) && nftFactory.remoteChainID() == 1);
        vm.assertTrue(twin.REMOTE_TOKEN() == address(collection) && twin.BRIDGE() == address(l2NftBridge));
        vm.expectRevert(
            abi.encodeWithSelector(
                OptimismMintableERC721.OptimismMintableERC721_NotBridge.selector, address(this)
            )
        );
        twin.safeMint(alice, 1);
        OptimismMintableERC721 plain = new OptimismMintableERC721(address(this), 1, address(0xABCD), "P", "P");
        plain.safeMint(alice, 5);
        vm.assertEq(
            bytes(plain.tokenURI(5)),
            bytes("ethereum:0x000000000000000000000000000000000000abcd@1/tokenURI?uint256=5")
        );
    }
}
