// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.36;

// Contracts of packages that ship no compiled form.
import {ERC6551Registry} from "erc6551/ERC6551Registry.sol";
import {ERC6551Account} from "erc6551/examples/simple/ERC6551Account.sol";
