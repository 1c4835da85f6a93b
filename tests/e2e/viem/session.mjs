// viem as an application sets it up: one public client, and a wallet for each of the devnet's accounts.
import {
  BaseError,
  ContractFunctionRevertedError,
  createPublicClient,
  createTestClient,
  createWalletClient,
  defineChain,
  http,
} from "viem";
import { mnemonicToAccount } from "viem/accounts";
import { MNEMONIC } from "../shared/artifacts.mjs";
import { record } from "../shared/record.mjs";

const transport = http(process.argv[2]);
export const chain = defineChain({
  id: 1962,
  name: "devnet",
  nativeCurrency: { name: "Ether", symbol: "ETH", decimals: 18 },
  rpcUrls: { default: { http: [process.argv[2]] } },
  contracts: { multicall3: { address: "0xcA11bde05977b3631167028862bE2a173976CA11" } },
});
export const reader = createPublicClient({ chain, transport, pollingInterval: 50 });
export const control = createTestClient({ chain, transport, mode: "anvil" });
export const accounts = [0, 1, 2, 3].map((addressIndex) => mnemonicToAccount(MNEMONIC, { addressIndex }));
export const wallets = accounts.map((account) => createWalletClient({ account, chain, transport }));

/** Wait for a transaction; before it, ten seconds pass, so what depends on time does so everywhere. */
export async function mined(send) {
  await control.increaseTime({ seconds: 10 });
  return reader.waitForTransactionReceipt({ hash: await send() });
}

/** Deploy a contract from the first account and return it with its address. */
export async function deploy({ abi, bytecode }, ...args) {
  const receipt = await mined(() => wallets[0].deployContract({ abi, bytecode, args }));
  record("deployed", [receipt.status, receipt.contractAddress]);
  return { abi, address: receipt.contractAddress };
}

/** Simulate a contract call, send it, wait for it; keep what it returned and its status. */
export async function write(contract, functionName, args = [], { by = 0, ...more } = {}) {
  const account = accounts[by];
  const call = { ...contract, functionName, args, account, ...more };
  const { result } = await reader.simulateContract(call);
  const receipt = await mined(() => wallets[by].writeContract(call));
  record(functionName, [receipt.status, receipt.gasUsed, result]);
  return { result, receipt };
}

/** Call a view function and keep what it returned. */
export async function read(contract, functionName, args = []) {
  const result = await reader.readContract({ ...contract, functionName, args });
  record(functionName, result);
  return result;
}

/** Keep the reason for which a call is refused; then send it all the same, and keep that it failed. */
export async function refused(contract, functionName, args = [], { by = 0, ...more } = {}) {
  const call = { ...contract, functionName, args, account: accounts[by], ...more };
  try {
    await reader.simulateContract(call);
    record(`${functionName} should have failed`, true);
  } catch (error) {
    const reverted =
      error instanceof BaseError && error.walk((cause) => cause instanceof ContractFunctionRevertedError);
    if (!reverted) throw error;
    record(`${functionName} refused`, [reverted.reason, reverted.signature, reverted.raw, reverted.data]);
  }
  const receipt = await mined(() => wallets[by].writeContract({ ...call, gas: 1_000_000n }));
  record(`${functionName} failed`, [receipt.status, receipt.gasUsed]);
}
