// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";

/// @notice What is paid out.
contract Token is ERC20("Token", "T") {
    constructor() {
        _mint(msg.sender, 1e30);
    }
}

/// @notice The usual airdrop: one root for each distributor, a bit for each index, the claimer in the leaf.
contract Distributor {
    using SafeERC20 for IERC20;

    IERC20 public immutable TOKEN;
    bytes32 public immutable ROOT;
    mapping(uint256 word => uint256) private _claimed;

    event Claimed(uint256 index, address account, uint256 amount);

    constructor(IERC20 token, bytes32 root) {
        (TOKEN, ROOT) = (token, root);
    }

    function claim(uint256 index, address account, uint256 amount, bytes32[] calldata proof) external {
        uint256 word = _claimed[index >> 8];
        require(word >> (index & 0xff) & 1 == 0, "claimed");
        bytes32 leaf = keccak256(bytes.concat(keccak256(abi.encode(index, account, amount))));
        require(MerkleProof.verifyCalldata(proof, ROOT, leaf), "proof");
        _claimed[index >> 8] = word | 1 << (index & 0xff);
        TOKEN.safeTransfer(account, amount);
        emit Claimed(index, account, amount);
    }
}

/// @notice Many transfers in one transaction.
contract Sprinkler {
    function sprinkle(IERC20 token, address[] calldata to, uint256[] calldata amounts) external {
        for (uint256 i; i < to.length; ++i) {
            require(token.transfer(to[i], amounts[i]));
        }
    }
}

struct Key {
    uint8 kind;
    bytes data;
}

struct Proof {
    uint64 deadline;
    uint64 issuedAt;
    bytes signature;
}

interface IPassport {
    function create(Key calldata key, Proof calldata proof) external returns (uint256);
}

/// @notice An account that makes itself a passport.
contract Newcomer {
    constructor(IPassport passports) {
        passports.create(Key(1, abi.encodePacked(address(this))), Proof(0, 0, ""));
    }
}

/// @notice Makes passports, each of an account of its own.
contract Crowd {
    function enter(IPassport passports, uint256 count) external {
        for (uint256 i; i < count; ++i) {
            new Newcomer(passports);
        }
    }
}
