// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {IKeyVerifier} from "../interfaces/IKeyVerifier.sol";
import {IPassport} from "../interfaces/IPassport.sol";
import {PassportKeys} from "./PassportKeys.sol";
import {PassportRecovery} from "./PassportRecovery.sol";
import {UpgradedByTimelock} from "./UpgradedByTimelock.sol";

/// @title Passport
/// @notice One persona, one passport; see {IPassport}.
/// @custom:predeploy 0x06fAb5a4e177fefE5Cc15dc41C64Ba933021418a
contract Passport is PassportRecovery, UpgradedByTimelock {
    /// @param verifier Checks signatures.
    /// @param timelock Who may upgrade (PAS-062).
    constructor(IKeyVerifier verifier, address timelock)
        PassportKeys(verifier)
        UpgradedByTimelock(timelock)
    {}

    /// @inheritdoc IPassport
    function contractURI() external pure returns (string memory) {
        return 'data:application/json;utf8,{"name":"T-Rex Passport","description":"One persona: keys that act for it, wallets linked to it, guardians that recover it."}';
    }

    /// @inheritdoc IPassport
    function version() external pure returns (string memory) {
        return "1.0.0";
    }
}
