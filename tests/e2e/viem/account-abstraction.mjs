// User operations through both EntryPoints: an account made by its first operation, and a delegated one (EIP-7702).
import { encodeFunctionData, parseEther, parseGwei } from "viem";
import {
  entryPoint07Abi,
  entryPoint07Address,
  entryPoint08Abi,
  entryPoint08Address,
  getUserOperationHash,
  getUserOperationTypedData,
  toPackedUserOperation,
} from "viem/account-abstraction";
import { ZERO, published } from "../shared/artifacts.mjs";
import { print, record } from "../shared/record.mjs";
import { accounts, chain, deploy, mined, read, reader, refused, wallets, write } from "./session.mjs";

const [me, owner, receiver, delegator] = accounts;
const versions = {
  "0.7": { address: entryPoint07Address, abi: entryPoint07Abi },
  "0.8": { address: entryPoint08Address, abi: entryPoint08Abi },
};

/** Fill an operation in, sign it as the EntryPoint of this version wants, and pack it. */
async function signed(version, signer, fields) {
  const entryPoint = versions[version];
  const operation = {
    callGasLimit: 300_000n,
    verificationGasLimit: 800_000n,
    preVerificationGas: 60_000n,
    maxFeePerGas: parseGwei("2"),
    maxPriorityFeePerGas: parseGwei("2"),
    signature: "0x",
    ...fields,
  };
  const about = { chainId: chain.id, entryPointAddress: entryPoint.address, userOperation: operation };
  const hash = getUserOperationHash({ ...about, entryPointVersion: version });
  record("hash", hash);
  operation.signature =
    version === "0.8"
      ? await signer.signTypedData(getUserOperationTypedData(about))
      : await signer.signMessage({ message: { raw: hash } });
  const packed = toPackedUserOperation(operation);
  if (!fields.authorization) record("getUserOpHash", (await read(entryPoint, "getUserOpHash", [packed])) === hash);
  return packed;
}

for (const [version, entryPoint] of Object.entries(versions)) {
  const account = published(`@account-abstraction/contracts-v${version}/artifacts/SimpleAccount.json`);
  const factory = await deploy(
    published(`@account-abstraction/contracts-v${version}/artifacts/SimpleAccountFactory.json`),
    entryPoint.address,
  );
  const sender = await read(factory, "getAddress", [owner.address, 0n]);
  await write(entryPoint, "depositTo", [sender], { value: parseEther("1") });
  await mined(() => wallets[0].sendTransaction({ to: sender, value: parseEther("1") }));

  const call = encodeFunctionData({ abi: account.abi, functionName: "execute", args: [receiver.address, 123n, "0x"] });
  const first = await signed(version, owner, {
    sender,
    nonce: 0n,
    factory: factory.address,
    factoryData: encodeFunctionData({ abi: factory.abi, functionName: "createAccount", args: [owner.address, 0n] }),
    callData: call,
  });
  await write(entryPoint, "handleOps", [[first], me.address]);
  const { receipt } = await write(entryPoint, "handleOps", [
    [await signed(version, owner, { sender, nonce: 1n, callData: call })], me.address,
  ]);
  const events = await reader.getContractEvents({
    ...entryPoint, eventName: "UserOperationEvent", fromBlock: receipt.blockNumber, toBlock: receipt.blockNumber,
  });
  record("events", events.map(({ args }) => args));
  // An operation whose call fails is paid for; a replayed one and one by the wrong signer are refused.
  const tooMuch = encodeFunctionData({
    abi: account.abi, functionName: "execute", args: [receiver.address, parseEther("100"), "0x"],
  });
  await write(entryPoint, "handleOps", [
    [await signed(version, owner, { sender, nonce: 2n, callData: tooMuch })], me.address,
  ]);
  await refused(entryPoint, "handleOps", [[first], me.address]);
  await refused(entryPoint, "handleOps", [
    [await signed(version, receiver, { sender, nonce: 3n, callData: call })], me.address,
  ]);
  await read({ address: sender, abi: account.abi }, "getDeposit");
  record("code", await reader.getCode({ address: sender }));
  record("received", await reader.getBalance({ address: receiver.address }));
}

// An account without a contract of its own lends itself one: the authorization travels with the bundle.
const entryPoint = versions["0.8"];
const simple = published("@account-abstraction/contracts-v0.8/artifacts/Simple7702Account.json");
const needsEntryPoint = simple.abi.some(({ type, inputs }) => type === "constructor" && inputs.length);
const implementation = await deploy(simple, ...(needsEntryPoint ? [entryPoint.address] : []));
await write(entryPoint, "depositTo", [delegator.address], { value: parseEther("1") });
const authorization = await wallets[3].signAuthorization({ contractAddress: implementation.address });
const operation = await signed("0.8", delegator, {
  sender: delegator.address,
  nonce: 0n,
  factory: "0x7702",
  factoryData: "0x",
  authorization,
  callData: encodeFunctionData({
    abi: simple.abi, functionName: "execute", args: [receiver.address, 7n, "0x"],
  }),
});
const bundle = { ...entryPoint, functionName: "handleOps", args: [[operation], me.address] };
const receipt = await mined(() => wallets[0].writeContract({ ...bundle, authorizationList: [authorization] }));
record("handleOps with authorization", [receipt.status, receipt.gasUsed, receipt.type]);
record("delegation", await reader.getDelegation({ address: delegator.address }));
record("delegator", await reader.getTransactionCount({ address: delegator.address }));

// And it takes the delegation back.
const nobody = await wallets[3].signAuthorization({ contractAddress: ZERO, executor: "self" });
const cleared = await mined(() =>
  wallets[3].sendTransaction({ to: delegator.address, authorizationList: [nobody] }),
);
record("cleared", [cleared.status, cleared.gasUsed, await reader.getCode({ address: delegator.address })]);
print();
