// A chain with no sequencer at all: a user of L1 deposits, sends transactions to L2, and leaves. All that happens on L2 comes
// from deposits that somebody has put in by force; L2 is a verifier, which derives them.
import assert from "node:assert/strict";
import { encodeDeployData, encodeFunctionData, getContractAddress, parseAbi, parseEther } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { getWithdrawals } from "viem/op-stack";
import { built } from "../shared/artifacts.mjs";
import { accountAt, arrived, at, l1, l2, l2Chain, mined, onL1, parameters, prove, until } from "./session.mjs";

const inbox = {
  address: at.inbox,
  abi: parseAbi([
    "function forceInclude(uint64 originNumber)",
    "function sequencedCount() view returns (uint64)",
    "function batchCount() view returns (uint64)",
    "error Inbox_NotSilent(uint256 until)",
  ]),
};
const passerAbi = parseAbi(["function initiateWithdrawal(address target, uint256 gasLimit, bytes data) payable"]);
const hearer = built("Hearer.sol/Hearer");

// Dave has nothing on L2 but what he brings.
const dave = privateKeyToAccount(generatePrivateKey());
await mined(l1, await onL1(accountAt(0)).sendTransaction({ to: dave.address, value: parseEther("10") }));

/** Send a transaction to L2 as a deposit, all but the network's answer by viem. */
async function deposit(request) {
  return mined(l1, await onL1(dave).depositTransaction({ request, targetChain: l2Chain }));
}
const carol = privateKeyToAccount(generatePrivateKey()).address;
const born = getContractAddress({ from: dave.address, nonce: 1n });
const sent = [
  await deposit({ mint: parseEther("2"), to: dave.address, value: parseEther("2"), gas: 100_000n }),
  await deposit({ isCreation: true, data: encodeDeployData(hearer), gas: 1_000_000n }),
  await deposit({
    to: born,
    data: encodeFunctionData({ abi: hearer.abi, functionName: "hear", args: [7n] }),
    value: 5n,
    gas: 200_000n,
  }),
  await deposit({ to: carol, value: parseEther("0.3"), gas: 50_000n }),
  await deposit({
    to: "0x4200000000000000000000000000000000000016",
    data: encodeFunctionData({ abi: passerAbi, functionName: "initiateWithdrawal", args: [carol, 21_000n, "0x"] }),
    value: parseEther("0.5"),
    gas: 300_000n,
  }),
];

// Anyone puts them in, as soon as the sequencer has been silent for long enough.
const origin = sent.at(-1).blockNumber;
await until(async () => {
  const args = [origin];
  await l1.simulateContract({ ...inbox, account: dave, functionName: "forceInclude", args });
  await mined(l1, await onL1(dave).writeContract({ ...inbox, functionName: "forceInclude", args }));
});
const receipts = [];
for (const receipt of sent) receipts.push(...(await arrived(receipt)));
assert.equal(receipts[1].contractAddress?.toLowerCase(), born.toLowerCase());
assert.equal(await l2.readContract({ address: born, abi: hearer.abi, functionName: "heard" }), 7n);
assert.equal(await l2.getBalance({ address: carol }), parseEther("0.3"));
assert.equal(await l2.getBalance({ address: dave.address }), parseEther("1.2") - 5n);
await until(async () => {
  const safe = await l2.getBlock({ blockTag: "safe" });
  assert.ok(safe.number >= receipts.at(-1).blockNumber);
});

// Out again: a claim by the proposer, who needs no sequencer either.
const receipt = receipts.at(-1);
const [withdrawal] = getWithdrawals(receipt);
const { game } = await l1.waitToProve({ receipt, targetChain: l2Chain });
await prove(dave, withdrawal, game);
const { period } = await l1.getTimeToFinalize({ withdrawalHash: withdrawal.withdrawalHash, targetChain: l2Chain });
assert.equal(period, parameters.proofMaturityS);
await l1.waitToFinalize({ withdrawalHash: withdrawal.withdrawalHash, targetChain: l2Chain });
await until(async () =>
  assert.equal(await l1.getWithdrawalStatus({ receipt, targetChain: l2Chain }), "ready-to-finalize"),
);
await mined(l1, await onL1(dave).finalizeWithdrawal({ withdrawal, targetChain: l2Chain }));
assert.equal(await l1.getBalance({ address: carol }), parseEther("0.5"));
assert.equal(await l1.readContract({ ...inbox, functionName: "sequencedCount" }), 0n);
const forced = await l1.readContract({ ...inbox, functionName: "batchCount" });
console.log(JSON.stringify({ sequenced: 0, forced: Number(forced) }));
