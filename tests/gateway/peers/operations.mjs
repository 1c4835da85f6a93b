// viem's account abstraction, as it is: an account without ether signs operations that a gateway's sponsorship pays for.
// Input: {node, gateway, key, batches: [[{to, data}]]}. Prints what was seen as JSON.
import { readFileSync } from 'node:fs';
import { createPublicClient, defineChain, http } from 'viem';
import { createBundlerClient, createPaymasterClient, toSimple7702SmartAccount } from 'viem/account-abstraction';
import { privateKeyToAccount } from 'viem/accounts';

const { node, gateway, key, batches } = JSON.parse(readFileSync(0, 'utf8'));
const chain = defineChain({ id: 1962, name: 'T-Rex', nativeCurrency: { name: 'Ether', symbol: 'ETH', decimals: 18 },
  rpcUrls: { default: { http: [node] } } });
const client = createPublicClient({ chain, transport: http(), pollingInterval: 100 });
const transport = http(`${gateway}/v1/bundler`);
const owner = privateKeyToAccount(key);
const account = await toSimple7702SmartAccount({ client, owner });
const bundler = createBundlerClient({ account, client, transport, paymaster: createPaymasterClient({ transport }), pollingInterval: 100 });

const seen = { chain: await bundler.getChainId(), entryPoints: await bundler.getSupportedEntryPoints(), operations: [] };
for (const calls of batches) {
  const authorization = await account.isDeployed() ? undefined : await owner.signAuthorization({
    address: account.authorization.address, chainId: chain.id, nonce: await client.getTransactionCount({ address: owner.address }) });
  const hash = await bundler.sendUserOperation({ calls, authorization });
  const early = await bundler.getUserOperation({ hash });
  const { success, actualGasUsed, actualGasCost, sender, paymaster, logs, receipt } = await bundler.waitForUserOperationReceipt({ hash });
  const late = await bundler.getUserOperation({ hash });
  seen.operations.push({ success, sender, paymaster, logs: logs.length, gas: Number(actualGasUsed), cost: String(actualGasCost),
    status: receipt.status, from: receipt.from, same: early.userOperation.callData === late.userOperation.callData,
    found: late.transactionHash === receipt.transactionHash, calls: (await account.decodeCalls(late.userOperation.callData)).length });
}
seen.refused = await bundler.sendUserOperation({ calls: [{ to: batches[0][0].to, data: '0xdeadbeef' }] }).catch((error) => error.name);
console.log(JSON.stringify(seen));
