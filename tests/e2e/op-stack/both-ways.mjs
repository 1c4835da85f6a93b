// Both ways between L1 and L2: ether, an ERC-20, an ERC-721, messages; failed ones replayed; a withdrawal with two provers,
// one proven again after its claim was rejected.
import assert from "node:assert/strict";
import { encodeFunctionData, parseEther, parseEventLogs } from "viem";
import { generatePrivateKey, privateKeyToAddress } from "viem/accounts";
import { extractTransactionDepositedLogs, getL2TransactionHash, getWithdrawals } from "viem/op-stack";
import { built } from "../shared/artifacts.mjs";
import {
  accountAt,
  arrived,
  at,
  bridgeAbi,
  claimsAbi,
  factoryAbi,
  gameAbi,
  l1,
  l2,
  l2Chain,
  messengerAbi,
  mined,
  onL1,
  onL2,
  parameters,
  portalAbi,
  prove,
  until,
} from "./session.mjs";

const [alice, bob] = [accountAt(0), accountAt(1)];
const disputer = accountAt(12);
const coin = built("Tokens.sol/Coin");
const picture = built("Tokens.sol/Picture");
const hearer = built("Hearer.sol/Hearer");
const L2_BRIDGE = "0x4200000000000000000000000000000000000010";
const L2_NFT_BRIDGE = "0x4200000000000000000000000000000000000014";
const L2_MESSENGER = "0x4200000000000000000000000000000000000007";
const TOKEN_FACTORY = "0x4200000000000000000000000000000000000012";
const NFT_FACTORY = "0x4200000000000000000000000000000000000017";
const aliceOnL1 = onL1(alice);
const aliceOnL2 = onL2(alice);

/** An address that nothing has happened at. */
const stranger = () => privateKeyToAddress(generatePrivateKey());

/** Call a contract of a layer as Alice, and wait. */
async function call(client, wallet, address, abi, functionName, args = [], value = 0n) {
  return mined(client, await wallet.writeContract({ address, abi, functionName, args, value }));
}
const callL1 = (...words) => call(l1, aliceOnL1, ...words);
const callL2 = (...words) => call(l2, aliceOnL2, ...words);
const read = (client, address, { abi }, functionName, args = []) =>
  client.readContract({ address, abi, functionName, args });
async function deploy(client, wallet, { abi, bytecode }, args = []) {
  return (await mined(client, await wallet.deployContract({ abi, bytecode, args }))).contractAddress;
}
/** What relaying a message again is called with, from the events of its sending. */
function relayOf(receipt) {
  const [sent] = parseEventLogs({ abi: messengerAbi, logs: receipt.logs, eventName: "SentMessage" });
  const [more] = parseEventLogs({ abi: messengerAbi, logs: receipt.logs, eventName: "SentMessageExtension1" });
  const { messageNonce, sender, target, gasLimit, message } = sent.args;
  return [messageNonce, sender, target, more.args.value, gasLimit, message];
}

// What there is on L1, and its twins on L2.
const token = await deploy(l1, aliceOnL1, coin, ["Coin", "COIN", parseEther("1000")]);
const collection = await deploy(l1, aliceOnL1, picture);
const ears = { l1: await deploy(l1, aliceOnL1, hearer), l2: await deploy(l2, aliceOnL2, hearer) };
await callL1(collection, picture.abi, "mint", [alice.address, 7n]);
async function twinOf(factory, functionName, remote) {
  const args = [remote, "Twin", "TWN"];
  const { result } = await l2.simulateContract({ account: alice, address: factory, abi: factoryAbi, functionName, args });
  await callL2(factory, factoryAbi, functionName, args);
  return result;
}
const twin = await twinOf(TOKEN_FACTORY, "createStandardL2Token", token);
const twins = await twinOf(NFT_FACTORY, "createOptimismMintableERC721", collection);

// Deposits. viem knows their hashes on L2 from the receipts of L1.
const toBob = { mint: parseEther("2"), to: stranger(), value: parseEther("1"), gas: 50_000n };
const deposit = await l2.buildDepositTransaction({ account: alice, ...toBob });
assert.ok((await l1.estimateDepositTransactionGas({ ...deposit, account: alice, targetChain: l2Chain })) > 21_000n);
const deposited = await mined(l1, await aliceOnL1.depositTransaction({ ...deposit, targetChain: l2Chain }));
const [log] = extractTransactionDepositedLogs(deposited);
const [landed] = await arrived(deposited);
assert.equal(landed.transactionHash, getL2TransactionHash({ log }));
assert.equal(await l2.getBalance({ address: toBob.to }), toBob.value);

const carol = stranger();
await callL1(token, coin.abi, "approve", [at.l1StandardBridge, parseEther("10")]);
await callL1(collection, picture.abi, "approve", [at.l1ERC721Bridge, 7n]);
const tell = encodeFunctionData({ abi: hearer.abi, functionName: "hear", args: [5n] });
await callL2(ears.l2, hearer.abi, "turn");
const sent = [
  await callL1(at.l1StandardBridge, bridgeAbi, "bridgeETHTo", [carol, 200_000, "0x"], parseEther("3")),
  await callL1(at.l1StandardBridge, bridgeAbi, "depositERC20", [token, twin, parseEther("10"), 200_000, "0x"]),
  await callL1(at.l1ERC721Bridge, bridgeAbi, "bridgeERC721", [collection, twins, 7n, 300_000, "0x"]),
  await callL1(at.l1CrossDomainMessenger, messengerAbi, "sendMessage", [ears.l2, tell, 100_000], 11n),
];
const there = await Promise.all(sent.map((receipt) => arrived(receipt)));
assert.equal(await l2.getBalance({ address: carol }), parseEther("3"));
assert.equal(await read(l2, twin, coin, "balanceOf", [alice.address]), parseEther("10"));
assert.equal(await read(l2, twins, picture, "ownerOf", [7n]), alice.address);
// The message was refused: delivered again once it is wanted, with its ether.
const eventsOf = (receipt) => parseEventLogs({ abi: messengerAbi, logs: receipt.logs }).map((each) => each.eventName);
assert.deepEqual(eventsOf(there[3][0]), ["FailedRelayedMessage"]);
await callL2(ears.l2, hearer.abi, "turn");
assert.deepEqual(eventsOf(await callL2(L2_MESSENGER, messengerAbi, "relayMessage", relayOf(sent[3]))), ["RelayedMessage"]);
assert.equal(await read(l2, ears.l2, hearer, "heard"), 5n);
assert.equal(await l2.getBalance({ address: ears.l2 }), 11n);

// What a transaction of L2 costs in all.
const fee = await l2.estimateTotalFee({ account: alice, to: bob.address, value: 1n });
const parts = await Promise.all([
  l2.estimateL1Fee({ account: alice, to: bob.address, value: 1n }),
  l2.estimateOperatorFee({ account: alice, to: bob.address, value: 1n }),
]);
assert.ok(fee > parts[0] + parts[1]);
// What is estimated is what is charged, to a tenth: L1's fees move from block to block.
await until(async () => {
  const transaction = { to: bob.address, value: 1n };
  const estimated = await l2.estimateTotalFee({ account: alice, ...transaction });
  const had = await l2.getBalance({ address: alice.address });
  const receipt = await mined(l2, await aliceOnL2.sendTransaction(transaction));
  const charged = receipt.gasUsed * receipt.effectiveGasPrice + BigInt(receipt.l1Fee);
  assert.equal(had - (await l2.getBalance({ address: alice.address })), charged + 1n);
  assert.ok(10n * charged <= 11n * estimated && 10n * estimated <= 11n * charged, `${estimated} for ${charged}`);
});
assert.ok((await l2.estimateTotalGas({ account: alice, to: bob.address, value: 1n })) >= 21_000n);

// Withdrawals.
await callL1(ears.l1, hearer.abi, "turn");
const request = await l1.buildInitiateWithdrawal({ account: alice, to: bob.address, value: parseEther("0.5") });
assert.ok((await l2.estimateInitiateWithdrawalGas({ ...request, account: alice })) > 21_000n);
const ether = await mined(l2, await aliceOnL2.initiateWithdrawal(request));
const refused = await mined(
  l2,
  await aliceOnL2.initiateWithdrawal({ request: { to: ears.l1, data: tell, value: 13n, gas: 200_000n } }),
);
const coins = await callL2(L2_BRIDGE, bridgeAbi, "withdraw", [twin, parseEther("4"), 300_000, "0x"]);
const pictures = await callL2(L2_NFT_BRIDGE, bridgeAbi, "bridgeERC721", [twins, collection, 7n, 300_000, "0x"]);
const message = await callL2(L2_MESSENGER, messengerAbi, "sendMessage", [ears.l1, tell, 200_000], 17n);
const receipts = [ether, refused, coins, pictures, message];
const withdrawals = receipts.map((receipt) => getWithdrawals(receipt)[0]);
const statusOf = (receipt) => l1.getWithdrawalStatus({ receipt, targetChain: l2Chain });
// No claim reaches a block that there is not yet; one may have reached these by now.
assert.equal(await statusOf({ ...message, blockNumber: 2n ** 40n }), "waiting-to-prove");
assert.match(await statusOf(message), /^(waiting|ready)-to-prove$/);
const toProve = await l1.getTimeToProve({ receipt: message, targetChain: l2Chain });
assert.ok(toProve.seconds >= 0);
await l1.waitToProve({ receipt: message, targetChain: l2Chain });
assert.equal(await statusOf(ether), "ready-to-prove");

const claims = { address: at.outputClaims, abi: claimsAbi };
// Alice proves by the newest claim, which is rejected: she is told at once, and proves again by another.
await until(async () => {
  const game = await l1.getGame({ targetChain: l2Chain, l2BlockNumber: message.blockNumber });
  await prove(alice, withdrawals[0], game);
  assert.equal(await statusOf(ether), "waiting-to-finalize");
  await mined(l1, await onL1(disputer).writeContract({ ...claims, functionName: "reject", args: [game.index] }));
});
assert.match(await statusOf(ether), /^(ready|waiting)-to-prove$/);
const { game } = await l1.waitToProve({ receipt: message, targetChain: l2Chain });
assert.equal(await statusOf(ether), "ready-to-prove");
await prove(bob, withdrawals[2], game); // the first prover here: his is the proof that clients show
for (const withdrawal of withdrawals) await prove(alice, withdrawal, game);
await prove(bob, withdrawals[0], game); // a second prover, who waits for himself
const submitters = await l1.readContract({
  address: at.portal,
  abi: portalAbi,
  functionName: "numProofSubmitters",
  args: [withdrawals[0].withdrawalHash],
});
assert.ok(submitters >= 3n);
// Six proofs take a while themselves; and viem asks in several calls, between which the wait may end.
await until(async () => assert.match(await statusOf(ether), /^(waiting|ready)-to-finalize$/));
// What is left, from the contracts: of the proof's wait, and of the claim's. viem adds 10 s of its own, says 0 where
// nothing is left, and goes by the clock of the computer: what it says lies between what was left before and after.
const { withdrawalHash } = withdrawals[0];
const onPortal = (functionName, args) => l1.readContract({ address: at.portal, abi: portalAbi, functionName, args });
await until(async () => {
  const last = (await onPortal("numProofSubmitters", [withdrawalHash])) - 1n;
  const submitter = await onPortal("proofSubmitters", [withdrawalHash, last]);
  const [proxy, proven] = await onPortal("provenWithdrawals", [withdrawalHash, submitter]);
  const ofGame = (functionName) => l1.readContract({ address: proxy, abi: gameAbi, functionName });
  const [created, resolved] = [Number(await ofGame("createdAt")), Number(await ofGame("resolvedAt"))];
  const leftAt = (now) => {
    const settled = resolved || Math.max(created + parameters.disputeWindowS, now);
    const end = Math.max(Number(proven) + parameters.proofMaturityS, settled + parameters.finalityDelayS);
    return end < now ? 0 : Math.floor(end - now + 10);
  };
  const most = leftAt(Date.now() / 1000);
  const time = await l1.getTimeToFinalize({ withdrawalHash, targetChain: l2Chain });
  const least = leftAt(Date.now() / 1000);
  assert.ok(least <= time.seconds && time.seconds <= most, `${time.seconds}, not ${least} to ${most} s`);
  assert.equal(time.period, parameters.proofMaturityS);
});
await l1.waitToFinalize({ withdrawalHash, targetChain: l2Chain });
await until(async () => {
  for (const receipt of receipts) assert.equal(await statusOf(receipt), "ready-to-finalize");
});

// Carried out, once, by Alice, though Bob proved last; and where he proved first, by his proof (PTL-039).
const before = await l1.getBalance({ address: bob.address });
const done = [];
for (const withdrawal of withdrawals) {
  const proofSubmitter = withdrawal === withdrawals[2] ? bob.address : undefined;
  const args = { withdrawal, proofSubmitter, targetChain: l2Chain };
  assert.ok((await l1.estimateFinalizeWithdrawalGas({ ...args, account: alice })) > 21_000n);
  done.push(await mined(l1, await aliceOnL1.finalizeWithdrawal(args)));
}
for (const receipt of receipts) assert.equal(await statusOf(receipt), "finalized");
assert.equal((await l1.getBalance({ address: bob.address })) - before, parseEther("0.5"));
assert.equal(await read(l1, token, coin, "balanceOf", [alice.address]), parseEther("994"));
assert.equal(await read(l1, collection, picture, "ownerOf", [7n]), alice.address);
await assert.rejects(onL1(bob).finalizeWithdrawal({ withdrawal: withdrawals[0], targetChain: l2Chain }));
const successOf = (receipt, eventName) =>
  parseEventLogs({ abi: portalAbi, logs: receipt.logs, eventName })[0].args.success;
assert.deepEqual(done.map((receipt) => successOf(receipt, "WithdrawalFinalized")), [true, false, true, true, true]);

// What was refused on L1 is delivered again: one by the portal, one by the messenger. Both keep the ether meanwhile.
assert.deepEqual(eventsOf(done[4]), ["FailedRelayedMessage"]);
assert.equal(await l1.getBalance({ address: at.l1CrossDomainMessenger }), 17n);
await callL1(ears.l1, hearer.abi, "turn");
const replayed = await callL1(at.portal, portalAbi, "replayWithdrawal", [withdrawals[1]]);
assert.equal(successOf(replayed, "WithdrawalReplayed"), true);
const relayed = await callL1(at.l1CrossDomainMessenger, messengerAbi, "relayMessage", relayOf(message));
assert.deepEqual(eventsOf(relayed), ["RelayedMessage"]);
assert.equal(await read(l1, ears.l1, hearer, "heard"), 10n);
assert.equal(await l1.getBalance({ address: ears.l1 }), 30n);
const made = await l1.readContract({ ...claims, functionName: "claimCount" }); // viem takes any that will do: not the newest
console.log(JSON.stringify({ withdrawals: withdrawals.length, claims: Number(made) }));
