// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {GasPriceOracle} from "../../src/predeploys/GasPriceOracle.sol";
import {L1Block} from "../../src/predeploys/L1Block.sol";
import {vm} from "../utils/Vm.sol";

contract GasPriceOracleTest {
    struct FeeCase {
        string name;
        uint256 fastlzLength;
        uint256 baseFeeScalar;
        uint256 blobBaseFeeScalar;
        uint256 l1BaseFeeWei;
        uint256 l1BlobBaseFeeWei;
        uint256 l1FeeWei;
        uint256 l1GasUsed;
    }

    GasPriceOracle internal oracle = new GasPriceOracle();
    address internal l1Block = 0x4200000000000000000000000000000000000015;

    constructor() {
        vm.etch(l1Block, address(new L1Block()).code);
    }

    /// @dev FEE-002, FEE-003, FEE-010: each golden fee is met by data of the length that it is for, less the signature's 68 bytes.
    function test_getL1Fee_golden_cases_agree() external {
        string memory json = vm.readFile("vectors/fees.json");
        string memory description = string.concat(
            "FeeCase(string name,uint256 fastlzLength,uint256 baseFeeScalar,uint256 blobBaseFeeScalar,uint256 l1BaseFeeWei,",
            "uint256 l1BlobBaseFeeWei,uint256 l1FeeWei,uint256 l1GasUsed)"
        );
        FeeCase[] memory cases = abi.decode(vm.parseJsonTypeArray(json, ".fees", description), (FeeCase[]));
        uint256 met;
        for (uint256 i; i < cases.length; ++i) {
            FeeCase memory c = cases[i];
            // Literal runs of bytes: n + ceil(n / 32) of them, so some lengths have no such data.
            if (c.fastlzLength < 68 || c.fastlzLength > 2_000) continue;
            uint256 size = c.fastlzLength - 68;
            uint256 literals = size * 32 / 33;
            if (literals + (literals + 31) / 32 != size) continue;
            _set(c.baseFeeScalar, c.blobBaseFeeScalar, c.l1BaseFeeWei, c.l1BlobBaseFeeWei);
            bytes memory data = _incompressible(literals);
            vm.assertEq(oracle.getL1Fee(data), c.l1FeeWei);
            vm.assertEq(oracle.getL1GasUsed(data), c.l1GasUsed);
            ++met;
        }
        vm.assertTrue(met >= 16);
    }

    /// @dev The value that op-geth's tests have for their empty transaction, below the least size.
    function test_getL1Fee_smallest_transaction_pays_for_the_least_size() external {
        _set(2, 3, 1e9, 1e7);
        vm.assertEq(
            oracle.getL1Fee(hex"dd80808094095e7baea6a6c7c4c2dfeb977efac326af552d878080808080"), 3_203_000
        );
        vm.assertEq(oracle.getL1GasUsed(""), 1600);
    }

    function testFuzz_getL1Fee_zero_scalars_cost_nothing(bytes calldata data, uint128 l1Fee, uint128 blobFee)
        external
    {
        _set(0, 0, l1Fee, blobFee);
        vm.assertEq(oracle.getL1Fee(data), 0);
    }

    /// @dev FEE-011.
    function testFuzz_getL1FeeUpperBound_is_never_below_the_fee(
        bytes calldata data,
        uint32 a,
        uint32 b,
        uint64 f,
        uint64 g
    ) external {
        _set(a, b, f, g);
        vm.assertLe(oracle.getL1Fee(data), oracle.getL1FeeUpperBound(data.length));
    }

    /// @dev FEE-012 too: no operator fee, and the forks it names.
    function test_prices_are_those_of_L1Block_and_of_the_block() external {
        _set(1368, 810_949, 9e9, 3);
        vm.fee(7);
        vm.assertEq(oracle.baseFeeScalar(), 1368);
        vm.assertEq(oracle.blobBaseFeeScalar(), 810_949);
        vm.assertEq(oracle.l1BaseFee(), 9e9);
        vm.assertEq(oracle.blobBaseFee(), 3);
        vm.assertEq(oracle.baseFee(), 7);
        vm.assertEq(oracle.gasPrice(), 7);
        vm.assertEq(oracle.decimals(), 6);
        vm.assertEq(oracle.DECIMALS(), 6);
        vm.assertEq(oracle.getOperatorFee(21_000), 0);
        vm.assertTrue(oracle.isEcotone() && oracle.isFjord() && !oracle.isIsthmus());
    }

    function test_getL1Fee_gas() external {
        _set(1368, 810_949, 9e9, 3);
        oracle.getL1Fee(_incompressible(110));
        vm.snapshotGasLastCall("GasPriceOracle", "getL1Fee 110 bytes");
        oracle.getL1Fee(_incompressible(2_000));
        vm.snapshotGasLastCall("GasPriceOracle", "getL1Fee 2000 bytes");
        oracle.getL1FeeUpperBound(2_000);
        vm.snapshotGasLastCall("GasPriceOracle", "getL1FeeUpperBound");
    }

    /// @dev Puts prices where the setter would.
    function _set(uint256 baseFeeScalar, uint256 blobBaseFeeScalar, uint256 l1BaseFee, uint256 l1BlobBaseFee)
        private
    {
        vm.store(l1Block, bytes32(uint256(1)), bytes32(l1BaseFee));
        vm.store(l1Block, bytes32(uint256(3)), bytes32(baseFeeScalar << 96 | blobBaseFeeScalar << 64));
        vm.store(l1Block, bytes32(uint256(7)), bytes32(l1BlobBaseFee));
    }

    /// @dev Bytes without a repeated triple: a counter spread over them by hashing.
    function _incompressible(uint256 length) private pure returns (bytes memory data) {
        data = new bytes(length);
        bytes32 state;
        for (uint256 i; i < length; ++i) {
            if (i % 32 == 0) state = keccak256(abi.encode(i));
            data[i] = state[i % 32];
        }
    }
}
