// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

/// @title SafeText
/// @notice Makes strangers' strings harmless inside JSON and XML (BDG-042). What is no UTF-8, and control characters, become "?".
library SafeText {
    /// @notice A string for a place between quotes in JSON.
    function json(string memory text) internal pure returns (string memory) {
        bytes memory from = bytes(clean(text));
        bytes memory out = new bytes(from.length * 2);
        uint256 length;
        for (uint256 i; i < from.length; ++i) {
            if (from[i] == '"' || from[i] == "\\") out[length++] = "\\";
            out[length++] = from[i];
        }
        return _cut(out, length);
    }

    /// @notice A string for element content or a quoted attribute in XML.
    function xml(string memory text) internal pure returns (string memory) {
        bytes memory from = bytes(clean(text));
        bytes memory out = new bytes(from.length * 6);
        uint256 length;
        for (uint256 i; i < from.length; ++i) {
            bytes memory entity = _entity(from[i]);
            for (uint256 j; j < entity.length; ++j) {
                out[length++] = entity[j];
            }
            if (entity.length == 0) out[length++] = from[i];
        }
        return _cut(out, length);
    }

    /// @notice At most so many bytes, at a character's border, with three dots when cut.
    function shorten(string memory text, uint256 most) internal pure returns (string memory) {
        bytes memory from = bytes(clean(text));
        if (from.length <= most) return string(from);
        uint256 end = most;
        while (end > 0 && from[end] & 0xc0 == 0x80) --end;
        bytes memory out = new bytes(end);
        for (uint256 i; i < end; ++i) {
            out[i] = from[i];
        }
        return string.concat(string(out), "...");
    }

    /// @notice The same text with "?" for each control character and each byte that is part of no UTF-8 character.
    function clean(string memory text) internal pure returns (string memory) {
        bytes memory from = bytes(text);
        bytes memory out = new bytes(from.length);
        for (uint256 i; i < from.length;) {
            uint256 width = _width(from, i);
            if (width == 0) {
                out[i++] = "?";
                continue;
            }
            for (uint256 end = i + width; i < end; ++i) {
                out[i] = from[i];
            }
        }
        return string(out);
    }

    /// @dev Bytes of the well-formed, printable character at a place (Unicode 15, table 3-7); zero for none.
    function _width(bytes memory text, uint256 i) private pure returns (uint256) {
        uint8 lead = uint8(text[i]);
        if (lead < 0x80) return lead < 0x20 || lead == 0x7f ? 0 : 1;
        uint256 width = lead >= 0xc2 && lead < 0xe0
            ? 2
            : lead >= 0xe0 && lead < 0xf0 ? 3 : lead >= 0xf0 && lead < 0xf5 ? 4 : 0;
        if (width == 0 || i + width > text.length) return 0;
        for (uint256 j = 1; j < width; ++j) {
            if (uint8(text[i + j]) & 0xc0 != 0x80) return 0;
        }
        uint8 second = uint8(text[i + 1]);
        if (lead == 0xc2 && second < 0xa0) return 0; // C1 controls
        if (lead == 0xe0 && second < 0xa0) return 0; // overlong
        if (lead == 0xed && second >= 0xa0) return 0; // surrogates
        if (lead == 0xef && second == 0xbf && uint8(text[i + 2]) >= 0xbe) return 0; // no characters in XML
        if (lead == 0xf0 && second < 0x90) return 0; // overlong
        return lead == 0xf4 && second >= 0x90 ? 0 : width; // beyond Unicode
    }

    function _entity(bytes1 character) private pure returns (bytes memory) {
        if (character == "&") return "&amp;";
        if (character == "<") return "&lt;";
        if (character == ">") return "&gt;";
        if (character == '"') return "&quot;";
        if (character == "'") return "&#39;";
        return "";
    }

    /// @dev The first bytes of a buffer.
    function _cut(bytes memory text, uint256 length) private pure returns (string memory) {
        assembly ("memory-safe") {
            mstore(text, length)
        }
        return string(text);
    }
}
