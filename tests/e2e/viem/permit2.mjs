// Permit2 at its usual address: transfers by signature, allowances by signature, nonces that cannot be used twice.
import { parseAbi, parseEther } from "viem";
import { FAR_FUTURE, built } from "../shared/artifacts.mjs";
import { print } from "../shared/record.mjs";
import { accounts, chain, deploy, read, refused, write } from "./session.mjs";

const permit2 = {
  address: "0x000000000022D473030F116dDEE9F6B43aC78BA3",
  abi: parseAbi([
    "struct TokenPermissions { address token; uint256 amount; }",
    "struct PermitTransferFrom { TokenPermissions permitted; uint256 nonce; uint256 deadline; }",
    "struct SignatureTransferDetails { address to; uint256 requestedAmount; }",
    "struct PermitDetails { address token; uint160 amount; uint48 expiration; uint48 nonce; }",
    "struct PermitSingle { PermitDetails details; address spender; uint256 sigDeadline; }",
    "function permitTransferFrom(PermitTransferFrom permit, SignatureTransferDetails details, address owner, bytes signature)",
    "function permit(address owner, PermitSingle permitSingle, bytes signature)",
    "function transferFrom(address from, address to, uint160 amount, address token)",
    "function allowance(address owner, address token, address spender) view returns (uint160, uint48, uint48)",
    "function nonceBitmap(address owner, uint256 word) view returns (uint256)",
    "function DOMAIN_SEPARATOR() view returns (bytes32)",
    "error InvalidNonce()",
    "error InvalidSigner()",
    "error SignatureExpired(uint256 deadline)",
    "error InsufficientAllowance(uint256 amount)",
    "error AllowanceExpired(uint256 deadline)",
  ]),
};
const domain = { name: "Permit2", chainId: chain.id, verifyingContract: permit2.address };
const types = {
  TokenPermissions: [
    { name: "token", type: "address" },
    { name: "amount", type: "uint256" },
  ],
  PermitTransferFrom: [
    { name: "permitted", type: "TokenPermissions" },
    { name: "spender", type: "address" },
    { name: "nonce", type: "uint256" },
    { name: "deadline", type: "uint256" },
  ],
  PermitDetails: [
    { name: "token", type: "address" },
    { name: "amount", type: "uint160" },
    { name: "expiration", type: "uint48" },
    { name: "nonce", type: "uint48" },
  ],
  PermitSingle: [
    { name: "details", type: "PermitDetails" },
    { name: "spender", type: "address" },
    { name: "sigDeadline", type: "uint256" },
  ],
};
const [owner, spender, receiver] = accounts;
const sign = (primaryType, message) => owner.signTypedData({ domain, types, primaryType, message });

const coin = await deploy(built("Tokens.sol/Coin"), "Coin", "COIN", parseEther("1000"));
await read(permit2, "DOMAIN_SEPARATOR");
await write(coin, "approve", [permit2.address, 2n ** 256n - 1n]);

const once = { permitted: { token: coin.address, amount: parseEther("10") }, nonce: 7n, deadline: FAR_FUTURE };
const details = { to: receiver.address, requestedAmount: parseEther("4") };
const signature = await sign("PermitTransferFrom", { ...once, spender: spender.address });
await refused(permit2, "permitTransferFrom", [once, details, owner.address, signature]);
await write(permit2, "permitTransferFrom", [once, details, owner.address, signature], { by: 1 });
await refused(permit2, "permitTransferFrom", [once, details, owner.address, signature], { by: 1 });
await refused(permit2, "permitTransferFrom", [{ ...once, deadline: 1n }, details, owner.address, signature], { by: 1 });
await read(permit2, "nonceBitmap", [owner.address, 0n]);

const single = {
  details: { token: coin.address, amount: parseEther("20"), expiration: 2 ** 40, nonce: 0 },
  spender: spender.address,
  sigDeadline: FAR_FUTURE,
};
await write(permit2, "permit", [owner.address, single, await sign("PermitSingle", single)], { by: 1 });
const take = (ether) => [owner.address, receiver.address, parseEther(ether), coin.address];
await write(permit2, "transferFrom", take("15"), { by: 1 });
await refused(permit2, "transferFrom", take("6"), { by: 1 });
await read(permit2, "allowance", [owner.address, coin.address, spender.address]);
await read(coin, "balanceOf", [receiver.address]);
print();
