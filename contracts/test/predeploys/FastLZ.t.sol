// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {FastLZ} from "../../src/predeploys/FastLZ.sol";
import {vm} from "../utils/Vm.sol";

/// @dev FEE-001 beside vectors/fees.json, and what holds of any input.
contract FastLZTest {
    struct LengthCase {
        bytes data;
        uint256 fastlzLength;
        string name;
    }

    function compressedLength(bytes calldata data) external pure returns (uint256) {
        return FastLZ.compressedLength(data);
    }

    function test_compressedLength_golden_cases_agree() external view {
        string memory json = vm.readFile("vectors/fees.json");
        LengthCase[] memory cases = abi.decode(
            vm.parseJsonTypeArray(
                json, ".lengths", "LengthCase(bytes data,uint256 fastlzLength,string name)"
            ),
            (LengthCase[])
        );
        vm.assertTrue(cases.length > 100);
        for (uint256 i; i < cases.length; ++i) {
            vm.assertEq(this.compressedLength(cases[i].data), cases[i].fastlzLength, cases[i].name);
        }
    }

    function testFuzz_compressedLength_is_within_the_format_bounds(bytes calldata data) external view {
        uint256 length = this.compressedLength(data);
        vm.assertLe(length, data.length + (data.length + 31) / 32);
        vm.assertLe((data.length + 263) / 264, length);
    }

    function testFuzz_compressedLength_does_not_depend_on_what_surrounds_the_data(
        bytes calldata before,
        bytes calldata data,
        bytes calldata behind
    ) external view {
        bytes memory all = bytes.concat(before, data, behind);
        vm.assertEq(
            this.lengthOfPart(all, before.length, before.length + data.length), this.compressedLength(data)
        );
    }

    function lengthOfPart(bytes calldata all, uint256 from, uint256 to) external pure returns (uint256) {
        return FastLZ.compressedLength(all[from:to]);
    }

    function test_compressedLength_data_above_64KiB_keeps_positions_apart() external view {
        bytes memory data = new bytes(131_072);
        vm.assertEq(this.compressedLength(data), 1512);
    }
}
