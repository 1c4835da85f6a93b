// Uniswap v2: factory and router, a pair of tokens and one with ether, liquidity in and out, swaps.
import { parseEther } from "viem";
import { FAR_FUTURE, published } from "../shared/artifacts.mjs";
import { print, record } from "../shared/record.mjs";
import { accounts, chain, deploy, read, reader, refused, write } from "./session.mjs";

const periphery = (name) => published(`@uniswap/v2-periphery/build/${name}.json`);
const me = accounts[0].address;
const weth = await deploy(periphery("WETH9"));
const factory = await deploy(published("@uniswap/v2-core/build/UniswapV2Factory.json"), me);
const router = await deploy(periphery("UniswapV2Router02"), factory.address, weth.address);
const a = await deploy(periphery("ERC20"), parseEther("1000000"));
const b = await deploy(periphery("ERC20"), parseEther("1000000"));
const path = [a.address, b.address];
const much = parseEther("100000");

for (const token of [a, b]) await write(token, "approve", [router.address, 2n ** 256n - 1n]);
await write(router, "addLiquidity", [a.address, b.address, much, 2n * much, 0n, 0n, me, FAR_FUTURE]);
await write(router, "addLiquidityETH", [a.address, much, 0n, 0n, me, FAR_FUTURE], { value: parseEther("50") });
await read(router, "getAmountsOut", [parseEther("10"), path]);
const direct = [parseEther("10"), 1n, path, me, FAR_FUTURE];
await write(router, "swapExactTokensForTokens", direct);
await write(router, "swapExactTokensForTokens", direct);
await write(router, "swapExactETHForTokens", [1n, [weth.address, ...path], accounts[1].address, FAR_FUTURE], {
  value: parseEther("1"),
});
await write(router, "swapTokensForExactETH", [
  parseEther("1"), much, [b.address, a.address, weth.address], accounts[2].address, FAR_FUTURE,
]);
await refused(router, "swapExactTokensForTokens", [parseEther("10"), much, path, me, FAR_FUTURE]);
await refused(router, "swapExactTokensForTokens", [parseEther("10"), 1n, path, me, 1n]);

const pair = { abi: published("@uniswap/v2-core/build/UniswapV2Pair.json").abi };
pair.address = await read(factory, "getPair", path);
const shares = await read(pair, "balanceOf", [me]);
await write(pair, "approve", [router.address, shares]);
await write(router, "removeLiquidity", [a.address, b.address, shares, 0n, 0n, me, FAR_FUTURE]);
const [reserve0, reserve1] = await reader.readContract({ ...pair, functionName: "getReserves" });
record("reserves", [reserve0, reserve1]);
record("ether received", await reader.getBalance({ address: accounts[2].address }));

// The same through Multicall3, and the pair's events by filter.
const calls = ["token0", "token1", "totalSupply", "kLast"].map((functionName) => ({ ...pair, functionName }));
record("multicall", await reader.multicall({ contracts: calls }));
const events = await reader.getContractEvents({ ...pair, fromBlock: 0n });
record("events", events.map(({ eventName, args, logIndex }) => [eventName, args, logIndex]));
record("chain", [await reader.getChainId(), chain.id]);
print();
