// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {Strings} from "@openzeppelin/contracts/utils/Strings.sol";

/// @title SignInText
/// @notice Writes the texts of ERC-4361 and Sign In With Solana, so that what a wallet showed is what is checked (PAS-008).
library SignInText {
    bytes private constant BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

    /// @notice A sign-in text.
    /// @param domain Who asks, as the wallet compares it with the page.
    /// @param chain "Ethereum" or "Solana".
    /// @param account Address as that chain writes it.
    /// @param statement What is agreed to; no line break.
    /// @param uri What is signed in to.
    /// @param chainId As that chain writes it.
    /// @param nonce 64 hex digits: the EIP-712 digest.
    /// @param issuedAt Seconds since 1970.
    /// @param deadline Seconds since 1970.
    struct Parts {
        string domain;
        string chain;
        string account;
        string statement;
        string uri;
        string chainId;
        bytes32 nonce;
        uint64 issuedAt;
        uint64 deadline;
    }

    /// @notice The whole text.
    function write(Parts memory parts) internal pure returns (string memory) {
        bytes memory head = abi.encodePacked(
            parts.domain,
            " wants you to sign in with your ",
            parts.chain,
            " account:\n",
            parts.account,
            "\n\n",
            parts.statement
        );
        bytes memory middle = abi.encodePacked(
            "\n\nURI: ", parts.uri, "\nVersion: 1\nChain ID: ", parts.chainId, "\nNonce: ", hexOf(parts.nonce)
        );
        return string(
            abi.encodePacked(
                head,
                middle,
                "\nIssued At: ",
                date(parts.issuedAt),
                "\nExpiration Time: ",
                date(parts.deadline)
            )
        );
    }

    /// @notice 64 lower-case hex digits.
    function hexOf(bytes32 value) internal pure returns (string memory) {
        bytes memory digits = bytes(Strings.toHexString(uint256(value), 32));
        bytes memory out = new bytes(64);
        for (uint256 i; i < 64; ++i) {
            out[i] = digits[i + 2];
        }
        return string(out);
    }

    /// @notice Base58 of 32 bytes, as Solana writes a public key: a leading zero byte is a leading "1".
    function base58(bytes32 value) internal pure returns (string memory) {
        bytes memory reversed = new bytes(44);
        uint256 length;
        for (uint256 rest = uint256(value); rest != 0; rest /= 58) {
            reversed[length++] = BASE58[rest % 58];
        }
        for (uint256 i; i < 32 && value[i] == 0; ++i) {
            reversed[length++] = "1";
        }
        bytes memory out = new bytes(length);
        for (uint256 i; i < length; ++i) {
            out[i] = reversed[length - 1 - i];
        }
        return string(out);
    }

    /// @notice RFC 3339 in UTC, whole seconds. Dates by the proleptic Gregorian calendar; a year of more than four digits reverts.
    function date(uint64 timestamp) internal pure returns (string memory) {
        // Years begin in March here, so that the leap day is the last of a year; 719,468 days lie before 1970.
        uint256 dayNumber = uint256(timestamp) / 1 days + 719_468;
        uint256 era = dayNumber / 146_097;
        uint256 dayOfEra = dayNumber % 146_097;
        uint256 yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365;
        uint256 dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100);
        uint256 shifted = (5 * dayOfYear + 2) / 153;
        uint256 day = dayOfYear - (153 * shifted + 2) / 5 + 1;
        uint256 month = shifted < 10 ? shifted + 3 : shifted - 9;
        uint256 year = era * 400 + yearOfEra + (month <= 2 ? 1 : 0);
        require(year < 10_000, "year");
        uint256 second = timestamp % 1 days;
        bytes memory out = bytes("0000-00-00T00:00:00Z");
        _put(out, 0, year / 100);
        _put(out, 2, year % 100);
        _put(out, 5, month);
        _put(out, 8, day);
        _put(out, 11, second / 3600);
        _put(out, 14, second / 60 % 60);
        _put(out, 17, second % 60);
        return string(out);
    }

    /// @dev Two decimal digits.
    function _put(bytes memory out, uint256 place, uint256 value) private pure {
        out[place] = bytes1(uint8(48 + value / 10));
        out[place + 1] = bytes1(uint8(48 + value % 10));
    }
}
