// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.36;

import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {Coin, Vault} from "../src/Tokens.sol";
import {Vm} from "./Vm.sol";

interface Multicall3 {
    function getChainId() external view returns (uint256);
    function getEthBalance(address account) external view returns (uint256);
}

/// @notice Tests on a fork of the running chain, and a fuzz test beside them.
contract ForkTest {
    Vm private constant VM = Vm(0x7109709ECfa91a80626fF3989D68f67F5b1DD12D);
    Multicall3 private constant MULTICALL = Multicall3(0xcA11bde05977b3631167028862bE2a173976CA11);
    address private constant RICH = 0x15d34AAf54267DB7D7c367839AAf71A00a2C6A65;
    Coin private coin;

    function setUp() external {
        coin = new Coin("Coin", "COIN", 1000 ether);
    }

    function test_Predeploys_Forked_AnswerCalls() external view {
        VM.assertEq(MULTICALL.getChainId(), 1962);
        VM.assertEq(MULTICALL.getEthBalance(RICH), 10_000 ether);
        VM.assertTrue(address(0x000000000022D473030F116dDEE9F6B43aC78BA3).code.length > 9000);
        VM.assertTrue(address(0x0000000071727De22E5E9d8BAf0edAc6f37da032).codehash != bytes32(0));
    }

    function test_Vault_OnFork_KeepsShares() external {
        Vault vault = new Vault(coin);
        coin.approve(address(vault), 10 ether);
        vault.deposit(10 ether, RICH);
        VM.prank(RICH);
        vault.transfer(address(this), 4 ether);
        VM.assertEq(vault.balanceOf(RICH), 6 ether);
    }

    function test_Transfer_OverBalance_Reverts() external {
        VM.expectRevert(abi.encodeWithSelector(IERC20Errors.ERC20InsufficientBalance.selector, RICH, 0, 1));
        VM.prank(RICH);
        coin.transfer(address(this), 1);
    }

    function testFuzz_Transfer_AnyAmount_MovesIt(uint96 amount) external {
        VM.assertEq(coin.balanceOf(address(this)), 1000 ether);
        uint256 moved = uint256(amount) % 1000 ether;
        coin.transfer(RICH, moved);
        VM.assertEq(coin.balanceOf(RICH), moved);
    }
}
