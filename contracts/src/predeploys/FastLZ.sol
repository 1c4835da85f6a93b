// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

/// @title Length of data compressed by FastLZ level 1, without making the compressed data
/// @notice Rule FEE-001 of specs/fees.md; vectors/fees.json has the cases that the Rust, Python and Solidity versions
///         agree on.
/// @dev A table of 8192 positions of 4 bytes each (32 KiB of memory) maps the hash of three bytes to where they were last
///      seen. Words are read unaligned: entry h is the top 32 bits of the word at `table + 4h`.
library FastLZ {
    /// @dev A match starts more than this before the end,
    uint256 private constant START_MARGIN = 14;
    /// @dev and stops this much before it at the latest: the last bytes stay literal.
    uint256 private constant END_MARGIN = 4;
    /// @dev Matches reach at most this far back.
    uint256 private constant MAX_DISTANCE = 0x1fff;
    /// @dev Longest run of literals behind one control byte.
    uint256 private constant MAX_RUN = 32;
    /// @dev Longest match that one instruction carries.
    uint256 private constant MAX_MATCH = 262;

    /// @notice Bytes that FastLZ level 1 makes of `data`.
    function compressedLength(bytes calldata data) internal pure returns (uint256 size) {
        uint256 length = data.length;
        if (length <= START_MARGIN) return _literals(length);

        uint256 table = _newTable();
        uint256 limit = length - START_MARGIN;
        uint256 anchor; // first byte not yet accounted for
        uint256 pos = 2; // next position to try
        while (pos < limit) {
            uint256 from;
            (pos, from) = _nextMatch(data, table, pos, limit);
            if (pos == limit) break;
            size += _literals(pos - anchor);
            uint256 matched = _matchLength(data, pos, from, length - END_MARGIN);
            size += _matchSize(matched);
            pos += matched;
            _record(data, table, pos);
            _record(data, table, pos + 1);
            pos += 2;
            anchor = pos;
        }
        size += _literals(length - anchor);
    }

    /// @dev Looks from `pos` for three bytes that the table has seen within reach, entering each position tried.
    ///      Returns where they are and where they were, or (limit, 0) if there are none.
    function _nextMatch(bytes calldata data, uint256 table, uint256 pos, uint256 limit)
        private
        pure
        returns (uint256 found, uint256 from)
    {
        unchecked {
            for (; pos < limit; ++pos) {
                uint256 three = _read3(data, pos);
                from = _exchange(table, three, pos);
                if (pos - from <= MAX_DISTANCE && three == _read3(data, from)) return (pos, from);
            }
        }
        return (limit, 0);
    }

    /// @dev Length of the match at `pos` with the bytes at `from`, less two: what the format counts by. The compare starts
    ///      behind the three bytes known to be equal; a byte that ends it by differing is counted, the end is not.
    function _matchLength(bytes calldata data, uint256 pos, uint256 from, uint256 end)
        private
        pure
        returns (uint256 matched)
    {
        unchecked {
            uint256 q = pos + 3;
            uint256 p = from + 3;
            uint256 most = end - q;
            while (matched < most && _byteAt(data, p + matched) == _byteAt(data, q + matched)) ++matched;
            if (matched < most) ++matched;
        }
    }

    /// @dev Bytes that a match takes: 3 for each full 262, then 2, or 3 when the rest is 6 or more.
    function _matchSize(uint256 matched) private pure returns (uint256) {
        unchecked {
            uint256 less = matched - 1;
            return 3 * (less / MAX_MATCH) + (less % MAX_MATCH >= 6 ? 3 : 2);
        }
    }

    /// @dev Bytes that `run` literals take: each 32 or rest of it has one control byte.
    function _literals(uint256 run) private pure returns (uint256) {
        unchecked {
            return run + (run + MAX_RUN - 1) / MAX_RUN;
        }
    }

    /// @dev Enters a position without looking.
    function _record(bytes calldata data, uint256 table, uint256 pos) private pure {
        _exchange(table, _read3(data, pos), pos);
    }

    /// @dev The byte at `pos`, which the caller keeps within the data.
    function _byteAt(bytes calldata data, uint256 pos) private pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := byte(0, calldataload(add(data.offset, pos)))
        }
    }

    /// @dev Three bytes from `pos`, the first one lowest; the caller keeps them within the data.
    function _read3(bytes calldata data, uint256 pos) private pure returns (uint256 value) {
        assembly ("memory-safe") {
            let word := calldataload(add(data.offset, pos))
            value := or(or(byte(0, word), shl(8, byte(1, word))), shl(16, byte(2, word)))
        }
    }

    /// @dev Puts `pos` where the hash of `three` points to; returns what was there, 0 at first.
    function _exchange(uint256 table, uint256 three, uint256 pos) private pure returns (uint256 before) {
        assembly ("memory-safe") {
            let hash := and(shr(19, mul(three, 2654435769)), 0x1fff)
            let slot := add(table, shl(2, hash))
            let word := mload(slot)
            before := shr(224, word)
            mstore(slot, or(shl(224, pos), and(word, sub(shl(224, 1), 1))))
        }
    }

    /// @dev A table of zeros, with room behind its last entry for the word written there.
    function _newTable() private pure returns (uint256 table) {
        bytes memory zeros = new bytes(8192 * 4 + 28);
        assembly ("memory-safe") {
            table := add(zeros, 32)
        }
    }
}
