// viem as an application of a rollup sets it up, with its op-stack actions as they are published.
//   node SCRIPT L1_URL L2_URL NETWORK_FILE
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createPublicClient, createWalletClient, defineChain, http, parseAbi } from "viem";
import { mnemonicToAccount } from "viem/accounts";
import {
  chainConfig,
  getL2TransactionHashes,
  publicActionsL1,
  publicActionsL2,
  walletActionsL1,
  walletActionsL2,
} from "viem/op-stack";
import { MNEMONIC } from "../shared/artifacts.mjs";

const [l1Url, l2Url, file] = process.argv.slice(2);
const network = JSON.parse(readFileSync(file, "utf8"));
export const at = network.l1.contracts;
export const parameters = network.l1.parameters;
const multicall3 = { address: "0xca11bde05977b3631167028862be2a173976ca11" };
const nativeCurrency = { name: "Ether", symbol: "ETH", decimals: 18 };
export const l1Chain = defineChain({
  id: network.l1.chainId,
  name: "L1",
  nativeCurrency,
  rpcUrls: { default: { http: [l1Url] } },
  contracts: { multicall3 },
});
const on = (name) => ({ [l1Chain.id]: { address: at[name] } });
export const l2Chain = defineChain({
  ...chainConfig,
  id: network.chainId,
  sourceId: l1Chain.id,
  name: network.name,
  nativeCurrency,
  rpcUrls: { default: { http: [l2Url] } },
  contracts: {
    ...chainConfig.contracts,
    multicall3,
    portal: on("portal"),
    disputeGameFactory: on("disputeGameFactory"),
    l1StandardBridge: on("l1StandardBridge"),
  },
});
const pollingInterval = 100;
const l1Of = { chain: l1Chain, transport: http(l1Url, { timeout: 60_000 }), pollingInterval };
const l2Of = { chain: l2Chain, transport: http(l2Url, { timeout: 60_000 }), pollingInterval };
export const l1 = createPublicClient(l1Of).extend(publicActionsL1());
export const l2 = createPublicClient(l2Of).extend(publicActionsL2());
export const accountAt = (addressIndex) => mnemonicToAccount(MNEMONIC, { addressIndex });
export const onL1 = (account) => createWalletClient({ account, ...l1Of }).extend(walletActionsL1());
export const onL2 = (account) => createWalletClient({ account, ...l2Of }).extend(walletActionsL2());

/** Wait for a transaction that has to succeed. */
export async function mined(client, hash) {
  const receipt = await client.waitForTransactionReceipt({ hash, timeout: 300_000 });
  assert.equal(receipt.status, "success", `${client.chain.name}: ${hash}`);
  return receipt;
}

/** Wait for what a transaction of L1 has deposited; return the receipts of L2. */
export async function arrived(receipt, status = "success") {
  const hashes = getL2TransactionHashes(receipt);
  assert.ok(hashes.length > 0);
  return Promise.all(
    hashes.map(async (hash) => {
      const found = await l2.waitForTransactionReceipt({ hash, timeout: 300_000 });
      assert.equal(found.status, status);
      return found;
    }),
  );
}

/** Try again until it does not fail, a second between. */
export async function until(act, tries = 300) {
  for (let left = tries; ; left -= 1) {
    try {
      return await act();
    } catch (error) {
      if (left === 0) throw error;
      await new Promise((done) => setTimeout(done, 1_000));
    }
  }
}

/** Prove a withdrawal by a claim; everything but the account and the claim is viem's. */
export async function prove(account, withdrawal, game) {
  const args = await l2.buildProveWithdrawal({ account, game, withdrawal });
  assert.ok((await l1.estimateProveWithdrawalGas({ ...args, account, targetChain: l2Chain })) > 21_000n);
  return mined(l1, await onL1(account).proveWithdrawal({ ...args, targetChain: l2Chain }));
}

export const bridgeAbi = parseAbi([
  "function bridgeETHTo(address to, uint32 minGasLimit, bytes extraData) payable",
  "function depositERC20(address l1Token, address l2Token, uint256 amount, uint32 minGasLimit, bytes extraData)",
  "function withdraw(address l2Token, uint256 amount, uint32 minGasLimit, bytes extraData) payable",
  "function bridgeERC721(address localToken, address remoteToken, uint256 tokenId, uint32 minGasLimit, bytes extraData)",
]);
export const messengerAbi = parseAbi([
  "function sendMessage(address target, bytes message, uint32 minGasLimit) payable",
  "function relayMessage(uint256 nonce, address sender, address target, uint256 value, uint256 minGasLimit, bytes message) payable",
  "event SentMessage(address indexed target, address sender, bytes message, uint256 messageNonce, uint256 gasLimit)",
  "event SentMessageExtension1(address indexed sender, uint256 value)",
  "event RelayedMessage(bytes32 indexed msgHash)",
  "event FailedRelayedMessage(bytes32 indexed msgHash)",
]);
export const factoryAbi = parseAbi([
  "function createStandardL2Token(address remoteToken, string name, string symbol) returns (address)",
  "function createOptimismMintableERC721(address remoteToken, string name, string symbol) returns (address)",
]);
export const portalAbi = parseAbi([
  "struct Withdrawal { uint256 nonce; address sender; address target; uint256 value; uint256 gasLimit; bytes data; }",
  "function replayWithdrawal(Withdrawal withdrawal)",
  "function numProofSubmitters(bytes32 withdrawalHash) view returns (uint256)",
  "function proofSubmitters(bytes32 withdrawalHash, uint256 index) view returns (address)",
  "function provenWithdrawals(bytes32 withdrawalHash, address submitter) view returns (address game, uint64 timestamp)",
  "event WithdrawalFinalized(bytes32 indexed withdrawalHash, bool success)",
  "event WithdrawalReplayed(bytes32 indexed withdrawalHash, bool success)",
]);
export const gameAbi = parseAbi([
  "function createdAt() view returns (uint64)",
  "function resolvedAt() view returns (uint64)",
]);
export const claimsAbi = parseAbi([
  "function reject(uint256 id)",
  "function claimCount() view returns (uint256)",
]);
