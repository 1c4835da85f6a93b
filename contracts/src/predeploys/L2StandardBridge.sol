// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {StandardBridge} from "../bridge/StandardBridge.sol";
import {ICrossDomainMessenger} from "../interfaces/ICrossDomainMessenger.sol";
import {IOptimismMintableERC20} from "../interfaces/IOptimismMintableERC20.sol";

/// @title L2StandardBridge
/// @notice The bridge of L2. Its own functions are older names of the OP Stack's that clients still use.
/// @custom:predeploy 0x4200000000000000000000000000000000000010
contract L2StandardBridge is StandardBridge {
    /// @dev What older functions and events call ether.
    address private constant ETHER = 0xDeadDeAddeAddEAddeadDEaDDEAdDeaDDeAD0000;

    /// @notice Ether (0xDeaD..0000) or tokens are on their way to L1.
    event WithdrawalInitiated(
        address indexed l1Token,
        address indexed l2Token,
        address indexed from,
        address to,
        uint256 amount,
        bytes extraData
    );
    /// @notice Ether (0xDeaD..0000) or tokens of L1 were handed over.
    event DepositFinalized(
        address indexed l1Token,
        address indexed l2Token,
        address indexed from,
        address to,
        uint256 amount,
        bytes extraData
    );

    /// @param l1Bridge The bridge of L1.
    constructor(address l1Bridge)
        StandardBridge(ICrossDomainMessenger(0x4200000000000000000000000000000000000007), l1Bridge)
    {}

    /// @notice Bridge ether (token 0xDeaD..0000) or a token that the bridge mints to oneself. Only accounts with a key.
    function withdraw(address l2Token, uint256 amount, uint32 minGasLimit, bytes calldata extraData)
        external
        payable
        onlyKeyHolder
    {
        _withdraw(l2Token, msg.sender, amount, minGasLimit, extraData);
    }

    /// @notice Bridge ether (token 0xDeaD..0000) or a token that the bridge mints.
    function withdrawTo(
        address l2Token,
        address to,
        uint256 amount,
        uint32 minGasLimit,
        bytes calldata extraData
    ) external payable {
        _withdraw(l2Token, to, amount, minGasLimit, extraData);
    }

    /// @notice The bridge of L1.
    function l1TokenBridge() external view returns (address) {
        return OTHER_BRIDGE;
    }

    /// @dev The token says what it is called on L1.
    function _withdraw(
        address l2Token,
        address to,
        uint256 amount,
        uint32 minGasLimit,
        bytes memory extraData
    ) private {
        uint256 wanted = l2Token == ETHER ? amount : 0;
        if (msg.value != wanted) revert StandardBridge_WrongValue(msg.value, wanted);
        if (l2Token == ETHER) {
            _bridgeETH(to, minGasLimit, extraData);
        } else {
            _bridgeERC20(
                l2Token, IOptimismMintableERC20(l2Token).remoteToken(), to, amount, minGasLimit, extraData
            );
        }
    }

    /// @inheritdoc StandardBridge
    function _tellETH(bool finalized, address from, address to, uint256 amount, bytes memory extraData)
        internal
        override
    {
        if (finalized) emit DepositFinalized(address(0), ETHER, from, to, amount, extraData);
        else emit WithdrawalInitiated(address(0), ETHER, from, to, amount, extraData);
        super._tellETH(finalized, from, to, amount, extraData);
    }

    /// @inheritdoc StandardBridge
    function _tellERC20(
        bool finalized,
        address localToken,
        address remoteToken,
        address from,
        address to,
        uint256 amount,
        bytes memory extraData
    ) internal override {
        if (finalized) {
            emit DepositFinalized(remoteToken, localToken, from, to, amount, extraData);
        } else {
            emit WithdrawalInitiated(remoteToken, localToken, from, to, amount, extraData);
        }
        super._tellERC20(finalized, localToken, remoteToken, from, to, amount, extraData);
    }
}
