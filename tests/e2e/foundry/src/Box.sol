// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.36;

import {OwnableUpgradeable} from "@openzeppelin/contracts-upgradeable/access/OwnableUpgradeable.sol";
import {Initializable} from "@openzeppelin/contracts-upgradeable/proxy/utils/Initializable.sol";
import {UUPSUpgradeable} from "@openzeppelin/contracts-upgradeable/proxy/utils/UUPSUpgradeable.sol";

/// @notice Keeps a number, behind a proxy that its owner may upgrade.
contract Box is Initializable, OwnableUpgradeable, UUPSUpgradeable {
    event Stored(uint256 value);

    uint256 public value;

    /// @custom:oz-upgrades-unsafe-allow constructor
    constructor() {
        _disableInitializers();
    }

    function initialize(address owner, uint256 first) external initializer {
        __Ownable_init(owner);
        value = first;
    }

    function store(uint256 next) external {
        value = next;
        emit Stored(next);
    }

    function version() external pure virtual returns (string memory) {
        return "1";
    }

    function _authorizeUpgrade(address) internal override onlyOwner {}
}

/// @notice The same box, able to count.
contract BoxV2 is Box {
    function increment() external {
        emit Stored(++value);
    }

    function version() external pure override returns (string memory) {
        return "2";
    }
}
