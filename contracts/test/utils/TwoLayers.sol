// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {IMessagePasser} from "../../src/interfaces/IMessagePasser.sol";
import {IPortal} from "../../src/interfaces/IPortal.sol";
import {WithdrawalTransaction, Withdrawals} from "../../src/portal/Withdrawals.sol";
import {L2CrossDomainMessenger} from "../../src/predeploys/L2CrossDomainMessenger.sol";
import {L2ERC721Bridge} from "../../src/predeploys/L2ERC721Bridge.sol";
import {L2StandardBridge} from "../../src/predeploys/L2StandardBridge.sol";
import {L2ToL1MessagePasser} from "../../src/predeploys/L2ToL1MessagePasser.sol";
import {OptimismMintableERC20Factory} from "../../src/predeploys/OptimismMintableERC20Factory.sol";
import {OptimismMintableERC721Factory} from "../../src/predeploys/OptimismMintableERC721Factory.sol";
import {L1System} from "./L1System.sol";
import {Vm, vm} from "./Vm.sol";

/// @dev L1 and L2 in one EVM: what one says to the other is taken from its events and carried over, as the chain does.
abstract contract TwoLayers is L1System {
    L2ToL1MessagePasser internal passer =
        L2ToL1MessagePasser(payable(0x4200000000000000000000000000000000000016));
    L2CrossDomainMessenger internal l2Messenger =
        L2CrossDomainMessenger(0x4200000000000000000000000000000000000007);
    L2StandardBridge internal l2Bridge =
        L2StandardBridge(payable(0x4200000000000000000000000000000000000010));
    L2ERC721Bridge internal l2NftBridge = L2ERC721Bridge(0x4200000000000000000000000000000000000014);
    OptimismMintableERC20Factory internal tokenFactory =
        OptimismMintableERC20Factory(0x4200000000000000000000000000000000000012);
    OptimismMintableERC721Factory internal nftFactory =
        OptimismMintableERC721Factory(0x4200000000000000000000000000000000000017);

    function _deployBoth() internal {
        _deployL1();
        _append();
        vm.fee(1 gwei);
        vm.etch(address(passer), address(new L2ToL1MessagePasser(address(portal))).code);
        vm.etch(
            address(l2Messenger),
            address(new L2CrossDomainMessenger(address(l1Messenger), address(portal))).code
        );
        vm.etch(address(l2Bridge), address(new L2StandardBridge(address(l1Bridge))).code);
        vm.etch(address(l2NftBridge), address(new L2ERC721Bridge(address(l1NftBridge))).code);
        vm.etch(address(tokenFactory), address(new OptimismMintableERC20Factory()).code);
        vm.etch(address(nftFactory), address(new OptimismMintableERC721Factory(1)).code);
        vm.recordLogs();
    }

    /// @dev Run the deposits made since the last call on L2; returns how many succeeded.
    function _toL2() internal returns (uint256 succeeded) {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i; i < logs.length; ++i) {
            if (logs[i].topics[0] != IPortal.TransactionDeposited.selector) continue;
            bytes memory opaque = abi.decode(logs[i].data, (bytes));
            if (_runDeposit(_account(logs[i].topics[1]), _account(logs[i].topics[2]), opaque)) ++succeeded;
        }
    }

    /// @dev Prove and finalise the withdrawals made since the last call; returns the last.
    function _toL1() internal returns (WithdrawalTransaction memory last) {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i; i < logs.length; ++i) {
            if (logs[i].topics[0] != IMessagePasser.MessagePassed.selector) continue;
            last = _withdrawalOf(logs[i]);
            _prove(last, address(this));
            vm.warp(block.timestamp + MATURITY + 1);
            portal.finalizeWithdrawalTransaction(last);
        }
    }

    /// @dev The withdrawal that an event records.
    function _withdrawalOf(Vm.Log memory log) internal pure returns (WithdrawalTransaction memory w) {
        bytes32 recorded;
        (w.value, w.gasLimit, w.data, recorded) = abi.decode(log.data, (uint256, uint256, bytes, bytes32));
        w.nonce = uint256(log.topics[1]);
        w.sender = _account(log.topics[2]);
        w.target = _account(log.topics[3]);
        vm.assertEq(recorded, Withdrawals.hash(w));
    }

    /// @dev Mint, then call with exactly the gas that the deposit leaves for execution.
    function _runDeposit(address from, address to, bytes memory opaque) private returns (bool done) {
        uint256 mint = uint256(_word(opaque, 0));
        uint256 value = uint256(_word(opaque, 32));
        uint256 gas = uint64(uint256(_word(opaque, 64)) >> 192);
        bytes memory data = new bytes(opaque.length - 73);
        for (uint256 i; i < data.length; ++i) {
            data[i] = opaque[73 + i];
        }
        vm.deal(from, from.balance + mint);
        uint256 intrinsic = 21_000;
        for (uint256 i; i < data.length; ++i) {
            intrinsic += data[i] == 0 ? 4 : 16;
        }
        vm.prank(from, from);
        (done,) = to.call{value: value, gas: gas - intrinsic}(data);
    }

    function _account(bytes32 topic) private pure returns (address) {
        return address(uint160(uint256(topic)));
    }

    function _word(bytes memory data, uint256 offset) private pure returns (bytes32 word) {
        assembly ("memory-safe") {
            word := mload(add(add(data, 32), offset))
        }
    }
}
