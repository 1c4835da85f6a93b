// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.36;

import {ERC1967Proxy} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Proxy.sol";
import {Box, BoxV2} from "../src/Box.sol";
import {Coin, Vault} from "../src/Tokens.sol";
import {Vm} from "../test/Vm.sol";

/// @notice Deploys with CREATE and with CREATE2, behind a proxy, from two accounts; then uses what it deployed.
contract Deploy {
    // forge-lint: disable-next-line(screaming-snake-case-const)
    bool public constant IS_SCRIPT = true;
    Vm private constant VM = Vm(0x7109709ECfa91a80626fF3989D68f67F5b1DD12D);

    function run() external returns (address coin, address vault, address box) {
        (uint256 first, uint256 second) = (VM.envUint("FIRST_KEY"), VM.envUint("SECOND_KEY"));
        address owner = VM.addr(first);

        VM.startBroadcast(first);
        Coin made = new Coin{salt: bytes32(uint256(1962))}("Coin", "COIN", 1000 ether);
        Vault kept = new Vault(new Coin("Other", "OTHER", 1000 ether));
        Box behind =
            Box(address(new ERC1967Proxy(address(new Box()), abi.encodeCall(Box.initialize, (owner, 5)))));
        behind.store(6);
        (bool paid,) = VM.addr(second).call{value: 1 ether}("");
        require(paid, "not paid");
        behind.upgradeToAndCall(address(new BoxV2()), abi.encodeCall(BoxV2.increment, ()));
        VM.stopBroadcast();

        VM.startBroadcast(second);
        BoxV2(address(behind)).increment();
        VM.stopBroadcast();

        require(behind.value() == 8, "value");
        return (address(made), address(kept), address(behind));
    }
}
