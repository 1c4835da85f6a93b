// ethers v6 as an application sets it up: a provider, and a signer for each of the devnet's accounts.
import { Contract, ContractFactory, HDNodeWallet, JsonRpcProvider, Mnemonic, isError } from "ethers";
import { MNEMONIC } from "../shared/artifacts.mjs";
import { record } from "../shared/record.mjs";

export const provider = new JsonRpcProvider(process.argv[2], 1962, { pollingInterval: 50, cacheTimeout: -1 });
const phrase = Mnemonic.fromPhrase(MNEMONIC);
export const signers = [0, 1, 2, 3].map((index) =>
  HDNodeWallet.fromMnemonic(phrase, `m/44'/60'/0'/0/${index}`).connect(provider),
);

/** Send a transaction and wait for it; before it, ten seconds pass, so what depends on time does so everywhere. */
export async function mined(send) {
  await provider.send("evm_increaseTime", [10]);
  return (await send()).wait();
}

/** Deploy a contract from the first account. */
export async function deploy({ abi, bytecode }, ...args) {
  await provider.send("evm_increaseTime", [10]);
  const contract = await new ContractFactory(abi, bytecode, signers[0]).deploy(...args);
  const receipt = await contract.deploymentTransaction().wait();
  record("deployed", [receipt.status, receipt.contractAddress]);
  return new Contract(receipt.contractAddress, abi, signers[0]);
}

/** Call a contract without a transaction, then with one; keep what it returned, its events and its status. */
export async function write(contract, name, ...args) {
  const method = contract.getFunction(name);
  const result = await method.staticCall(...args);
  const receipt = await mined(() => method.send(...args));
  const events = receipt.logs.map((log) => [log.fragment?.name, log.args ?? log.data]);
  record(name, [receipt.status, receipt.gasUsed, result, events]);
  return { result, receipt };
}

/** Call a view function and keep what it returned. */
export async function read(contract, name, ...args) {
  const result = await contract.getFunction(name).staticCall(...args);
  record(name, result);
  return result;
}

/** Keep the reason for which a call is refused; then send it all the same, and keep that it failed. */
export async function refused(contract, name, ...args) {
  const method = contract.getFunction(name);
  for (const attempt of [() => method.staticCall(...args), () => method.estimateGas(...args)]) {
    const error = await attempt().then(() => null, (reason) => reason);
    if (!isError(error, "CALL_EXCEPTION")) throw error ?? new Error(`${name} should have failed`);
    record(`${name} refused`, [error.reason, error.data, error.revert, error.shortMessage]);
  }
  const transaction = await method.populateTransaction(...args);
  const failed = await mined(() => contract.runner.sendTransaction({ ...transaction, gasLimit: 1_000_000n })).catch(
    (reason) => reason,
  );
  if (!isError(failed, "CALL_EXCEPTION")) throw failed;
  record(`${name} failed`, [failed.receipt.status, failed.receipt.gasUsed]);
}
