// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {ERC1967Proxy} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Proxy.sol";

/// @title PersonaProxy
/// @notice ERC-1967 proxy at the addresses of Passport and Badge. It has no admin of its own: the implementation says who upgrades (PAS-062).
contract PersonaProxy is ERC1967Proxy {
    /// @param implementation First implementation.
    /// @param initialization Call made through the proxy at once; empty for none.
    constructor(address implementation, bytes memory initialization)
        payable
        ERC1967Proxy(implementation, initialization)
    {}

    /// @dev OpenZeppelin refuses a proxy without initialisation; the Passport needs none, since all its configuration is code.
    function _unsafeAllowUninitialized() internal pure override returns (bool) {
        return true;
    }
}
