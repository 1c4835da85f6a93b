// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {Base64} from "@openzeppelin/contracts/utils/Base64.sol";
import {Strings} from "@openzeppelin/contracts/utils/Strings.sol";
import {Badge, STATE_EXPIRED, STATE_GRANTED, STATE_REVOKED} from "../interfaces/IBadges.sol";
import {EVIDENCE_PUBLIC, Policy} from "../interfaces/IPolicies.sol";
import {SafeText} from "./SafeText.sol";

/// @title BadgeRenderer
/// @notice Writes a badge's metadata with its picture, all from the chain (BDG-042).
contract BadgeRenderer {
    using Strings for uint256;

    /// @notice ERC-721 metadata as a data URI, with an SVG as a data URI inside.
    /// @param tokenId Number of the badge.
    /// @param badge The badge.
    /// @param policy Its policy; name and uri come from strangers.
    function tokenURI(uint256 tokenId, Badge calldata badge, Policy calldata policy)
        external
        pure
        returns (string memory)
    {
        string memory state = _state(badge.state);
        bytes memory picture = _svg(policy.name, badge.level, policy.maxLevel, badge.passport, state);
        bytes memory head = abi.encodePacked(
            '{"name":"',
            SafeText.json(policy.name),
            " #",
            tokenId.toString(),
            '","description":"Badge of T-Rex passport ',
            uint256(badge.passport).toString(),
            '. It cannot be transferred.","external_url":"',
            SafeText.json(policy.uri),
            '","image":"data:image/svg+xml;base64,',
            Base64.encode(picture)
        );
        bytes memory traits = abi.encodePacked(
            '","attributes":[{"trait_type":"Level","value":',
            uint256(badge.level).toString(),
            '},{"trait_type":"Points","value":',
            uint256(badge.points).toString(),
            '},{"trait_type":"State","value":"',
            state,
            '"},{"trait_type":"Evidence","value":"',
            badge.evidenceClass == EVIDENCE_PUBLIC ? "public" : "private"
        );
        bytes memory tail = abi.encodePacked(
            '"},{"trait_type":"Policy","value":"',
            uint256(badge.policy).toHexString(32),
            '"},{"display_type":"date","trait_type":"Attested","value":',
            uint256(badge.attestedAt).toString(),
            "}]}"
        );
        return string.concat("data:application/json;base64,", Base64.encode(bytes.concat(head, traits, tail)));
    }

    /// @dev The picture: name, level as filled dots (up to ten), passport, state; the colour follows the state.
    function _svg(
        string calldata name,
        uint256 level,
        uint256 maxLevel,
        uint256 passport,
        string memory state
    ) private pure returns (bytes memory) {
        bytes memory dots;
        for (uint256 i; i < maxLevel && i < 10; ++i) {
            dots = abi.encodePacked(
                dots,
                '<circle cx="',
                (40 + i * 30).toString(),
                '" cy="200" r="10" stroke="#fff" fill="',
                i < level ? "#fff" : "none",
                '"/>'
            );
        }
        bytes memory frame = abi.encodePacked(
            '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 350 350" font-family="sans-serif" fill="#fff"><rect width="350" height="350" rx="24" fill="',
            _colour(state),
            '"/><text x="30" y="70" font-size="22">',
            SafeText.xml(SafeText.shorten(name, 26))
        );
        bytes memory body = abi.encodePacked(
            '</text><text x="30" y="140" font-size="40">Level ',
            level.toString(),
            "</text>",
            dots,
            '<text x="30" y="300" font-size="16">Passport ',
            passport.toString(),
            " - ",
            state,
            "</text></svg>"
        );
        return bytes.concat(frame, body);
    }

    function _state(uint8 state) private pure returns (string memory) {
        if (state == STATE_GRANTED) return "granted";
        if (state == STATE_EXPIRED) return "expired";
        return state == STATE_REVOKED ? "revoked" : "suspended";
    }

    function _colour(string memory state) private pure returns (string memory) {
        bytes1 first = bytes(state)[0];
        if (first == "g") return "#14532d";
        if (first == "e") return "#57534e";
        return first == "r" ? "#7f1d1d" : "#92400e";
    }
}
