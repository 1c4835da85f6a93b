// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";
import {IOptimismMintableERC20} from "../interfaces/IOptimismMintableERC20.sol";

/// @title OptimismMintableERC20
/// @notice A token that the bridge mints for one of L1; see {IOptimismMintableERC20}. With permits (EIP-2612).
contract OptimismMintableERC20 is IOptimismMintableERC20, IERC165, ERC20Permit {
    /// @notice What tokens of the OP Stack's first version answer to.
    bytes4 private constant LEGACY = 0x1d1d8b63;

    /// @notice The bridge minted.
    event Mint(address indexed account, uint256 amount);
    /// @notice The bridge burned.
    event Burn(address indexed account, uint256 amount);

    /// @notice Only the bridge mints and burns.
    error OptimismMintableERC20_NotBridge(address caller);

    /// @inheritdoc IOptimismMintableERC20
    address public immutable bridge;
    /// @inheritdoc IOptimismMintableERC20
    address public immutable remoteToken;
    /// @dev As the remote token has.
    uint8 private immutable DECIMALS;

    /// @param bridge_ Who mints and burns.
    /// @param remote The token of L1.
    /// @param name_ As the remote token has, or another.
    /// @param symbol_ As the remote token has, or another.
    /// @param decimals_ As the remote token has.
    constructor(address bridge_, address remote, string memory name_, string memory symbol_, uint8 decimals_)
        ERC20(name_, symbol_)
        ERC20Permit(name_)
    {
        bridge = bridge_;
        remoteToken = remote;
        DECIMALS = decimals_;
    }

    /// @dev Only the bridge (BRG-031).
    modifier onlyBridge() {
        if (msg.sender != bridge) revert OptimismMintableERC20_NotBridge(msg.sender);
        _;
    }

    /// @inheritdoc IOptimismMintableERC20
    function mint(address to, uint256 amount) external onlyBridge {
        _mint(to, amount);
        emit Mint(to, amount);
    }

    /// @inheritdoc IOptimismMintableERC20
    function burn(address from, uint256 amount) external onlyBridge {
        _burn(from, amount);
        emit Burn(from, amount);
    }

    /// @inheritdoc ERC20
    function decimals() public view override returns (uint8) {
        return DECIMALS;
    }

    /// @notice The same as {remoteToken}.
    function l1Token() external view returns (address) {
        return remoteToken;
    }

    /// @notice The same as {bridge}.
    function l2Bridge() external view returns (address) {
        return bridge;
    }

    /// @notice The same as {remoteToken}.
    function REMOTE_TOKEN() external view returns (address) {
        return remoteToken;
    }

    /// @notice The same as {bridge}.
    function BRIDGE() external view returns (address) {
        return bridge;
    }

    /// @inheritdoc IERC165
    function supportsInterface(bytes4 id) external pure returns (bool) {
        return
            id == type(IERC165).interfaceId || id == type(IOptimismMintableERC20).interfaceId || id == LEGACY;
    }
}
