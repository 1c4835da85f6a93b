// Safe v1.4.1 at its usual addresses: an account of two out of three owners, and what it does.
import { Contract, ZeroAddress, getBytes, parseEther, solidityPacked } from "ethers";
import { ZERO, built, published } from "../shared/artifacts.mjs";
import { print, record } from "../shared/record.mjs";
import { deploy, mined, provider, read, refused, signers, write } from "./session.mjs";

const contracts = (path) => published(`@safe-global/safe-contracts/build/artifacts/contracts/${path}.json`);
const at = (address, path) => new Contract(address, contracts(path).abi, signers[0]);
const factory = at("0x4e1DCf7AD4e460CfD30791CCC4F9c8a4f820ec67", "proxies/SafeProxyFactory.sol/SafeProxyFactory");
const singleton = at("0x41675C099F32341bf84BFc5382aF534df5C7461a", "Safe.sol/Safe");
const multiSend = at("0x9641d764fc13c8B624c04430C7356C1C7C8102e2", "libraries/MultiSendCallOnly.sol/MultiSendCallOnly");
const handler = "0xfd0732Dc9E303f09fCEf3a7388Ad10A83459Ec99";
const owners = signers.slice(0, 3).map(({ address }) => address);
const receiver = signers[3].address;

const setup = singleton.interface.encodeFunctionData("setup", [owners, 2n, ZERO, "0x", handler, ZERO, 0n, ZERO]);
const { result: address } = await write(factory, "createProxyWithNonce", singleton.target, setup, 1962n);
const safe = at(address, "Safe.sol/Safe");
await read(safe, "getOwners");
await read(safe, "getThreshold");
await read(safe, "VERSION");
await read(safe, "domainSeparator");

const types = {
  SafeTx: [
    ["address", "to"], ["uint256", "value"], ["bytes", "data"], ["uint8", "operation"], ["uint256", "safeTxGas"],
    ["uint256", "baseGas"], ["uint256", "gasPrice"], ["address", "gasToken"], ["address", "refundReceiver"],
    ["uint256", "nonce"],
  ].map(([type, name]) => ({ type, name })),
};

/** Return what `execTransaction` takes, signed by these owners in the order of their addresses. */
async function signed(by, { to, value = 0n, data = "0x", operation = 0 }) {
  const transaction = {
    to, value, data, operation, safeTxGas: 0n, baseGas: 0n, gasPrice: 0n, gasToken: ZeroAddress,
    refundReceiver: ZeroAddress, nonce: await safe.nonce(),
  };
  const domain = { chainId: 1962, verifyingContract: address };
  const sorted = by.toSorted((left, right) => (BigInt(left.address) < BigInt(right.address) ? -1 : 1));
  const signatures = await Promise.all(sorted.map((owner) => owner.signTypedData(domain, types, transaction)));
  const { nonce, ...fields } = transaction;
  record("transaction hash", await safe.getTransactionHash(...Object.values(fields), nonce));
  return [...Object.values(fields), `0x${signatures.map((each) => each.slice(2)).join("")}`];
}

await mined(() => signers[0].sendTransaction({ to: address, value: parseEther("3") }));
const pay = { to: receiver, value: parseEther("1") };
await write(safe, "execTransaction", ...(await signed([signers[0], signers[1]], pay)));
await write(safe, "execTransaction", ...(await signed([signers[2], signers[1]], pay)));
await refused(safe, "execTransaction", ...(await signed([signers[0]], pay)));
await refused(safe, "execTransaction", ...(await signed([signers[0], signers[3]], pay)));

// A token, several calls at once, and a module of the Safe's own.
const coin = await deploy(built("Tokens.sol/Coin"), "Coin", "COIN", parseEther("100"));
await write(coin, "transfer", address, parseEther("60"));
const call = (to, data, value = 0n) =>
  solidityPacked(["uint8", "address", "uint256", "uint256", "bytes"], [0, to, value, getBytes(data).length, data]).slice(2);
const calls = [
  call(coin.target, coin.interface.encodeFunctionData("transfer", [receiver, parseEther("7")])),
  call(coin.target, coin.interface.encodeFunctionData("approve", [receiver, parseEther("8")])),
  call(receiver, "0x", parseEther("0.5")),
  call(address, safe.interface.encodeFunctionData("addOwnerWithThreshold", [receiver, 3n])),
  call(address, safe.interface.encodeFunctionData("enableModule", [receiver])),
].join("");
const many = {
  to: multiSend.target, operation: 1, data: multiSend.interface.encodeFunctionData("multiSend", [`0x${calls}`]),
};
await write(safe, "execTransaction", ...(await signed([signers[0], signers[2]], many)));
await read(safe, "getOwners");
await read(safe, "getThreshold");
await write(safe.connect(signers[3]), "execTransactionFromModule", owners[0], 5n, "0x", 0);
await refused(safe, "execTransactionFromModule", owners[0], 5n, "0x", 0);

// An owner approves by a transaction instead of a signature.
const hash = await safe.getTransactionHash(receiver, 1n, "0x", 0, 0, 0, 0, ZERO, ZERO, await safe.nonce());
await write(safe.connect(signers[1]), "approveHash", hash);
await read(safe, "approvedHashes", owners[1], hash);
await read(coin, "balanceOf", address);
record("balance", await provider.getBalance(address));
record("code", await provider.getCode(address));
record("singleton", await provider.getStorage(address, 0));
print();
provider.destroy();
