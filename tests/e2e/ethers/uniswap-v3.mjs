// Uniswap v3: factory, position manager and router; a pool, positions, swaps one way, through ether, and exact output.
import { Contract, parseEther, solidityPacked } from "ethers";
import { FAR_FUTURE, ZERO, built, published } from "../shared/artifacts.mjs";
import { print, record } from "../shared/record.mjs";
import { deploy, provider, read, refused, signers, write } from "./session.mjs";

const core = (name) => published(`@uniswap/v3-core/artifacts/contracts/${name}.sol/${name}.json`);
const periphery = (path) => published(`@uniswap/v3-periphery/artifacts/contracts/${path}.json`);
const me = signers[0].address;
const deadline = FAR_FUTURE;
const weth = await deploy(published("@uniswap/v2-periphery/build/WETH9.json"));
const factory = await deploy(core("UniswapV3Factory"));
const router = await deploy(periphery("SwapRouter.sol/SwapRouter"), factory, weth);
const positions = await deploy(
  periphery("NonfungiblePositionManager.sol/NonfungiblePositionManager"), factory, weth, ZERO,
);
const quoter = await deploy(periphery("lens/QuoterV2.sol/QuoterV2"), factory, weth);
const tokens = [];
for (const name of ["Left", "Right"]) tokens.push(await deploy(built("Tokens.sol/Coin"), name, name, parseEther("1000000")));
tokens.sort((left, right) => (BigInt(left.target) < BigInt(right.target) ? -1 : 1));
const [token0, token1] = tokens.map((token) => token.target);
for (const token of tokens)
  for (const spender of [router, positions]) await write(token, "approve", spender.target, 2n ** 256n - 1n);

const EVEN = 2n ** 96n;
const fee = 3000n;
const { result: pool } = await write(positions, "createAndInitializePoolIfNecessary", token0, token1, fee, EVEN);
const mint = (tickLower, tickUpper, amount) => ({
  token0, token1, fee, tickLower, tickUpper, recipient: me, deadline,
  amount0Desired: amount, amount1Desired: amount, amount0Min: 0n, amount1Min: 0n,
});
await write(positions, "mint", mint(-6000, 6000, parseEther("1000")));
await write(positions, "mint", mint(-120, 120, parseEther("500")));

await write(quoter, "quoteExactInputSingle", { tokenIn: token0, tokenOut: token1, amountIn: parseEther("5"), fee, sqrtPriceLimitX96: 0n });
const single = {
  tokenIn: token0, tokenOut: token1, fee, recipient: me, deadline,
  amountIn: parseEther("5"), amountOutMinimum: 0n, sqrtPriceLimitX96: 0n,
};
await write(router, "exactInputSingle", single);
await write(router, "exactOutputSingle", {
  tokenIn: token1, tokenOut: token0, fee, recipient: me, deadline,
  amountOut: parseEther("3"), amountInMaximum: parseEther("4"), sqrtPriceLimitX96: 0n,
});
// Far enough to leave the narrow position.
await write(router, "exactInputSingle", { ...single, amountIn: parseEther("700") });
await refused(router, "exactInputSingle", { ...single, amountOutMinimum: parseEther("6") });
await refused(router, "exactInputSingle", { ...single, deadline: 1n });

// Wrapped ether against the first token, and a path of two pools.
const [low, high] = BigInt(weth.target) < BigInt(token0) ? [weth.target, token0] : [token0, weth.target];
await write(positions, "createAndInitializePoolIfNecessary", low, high, 500n, EVEN);
await write(weth, "deposit", { value: parseEther("20") });
await write(weth, "approve", positions.target, parseEther("20"));
await write(positions, "mint", { ...mint(-1000, 1000, parseEther("10")), token0: low, token1: high, fee: 500n });
const path = solidityPacked(
  ["address", "uint24", "address", "uint24", "address"], [weth.target, 500, token0, fee, token1],
);
const throughTwo = { path, recipient: me, deadline, amountIn: parseEther("0.1"), amountOutMinimum: 0n };
await write(router, "exactInput", throughTwo, { value: parseEther("0.1") });

// A position grows, shrinks and pays its fees out.
const position = await read(positions, "positions", 1n);
await write(positions, "decreaseLiquidity", {
  tokenId: 1n, liquidity: position.liquidity / 2n, amount0Min: 0n, amount1Min: 0n, deadline,
});
await write(positions, "collect", { tokenId: 1n, recipient: me, amount0Max: 2n ** 128n - 1n, amount1Max: 2n ** 128n - 1n });
await read(positions, "ownerOf", 2n);
const market = new Contract(pool, core("UniswapV3Pool").abi, provider);
const slot0 = await market.slot0();
record("slot0", [slot0.sqrtPriceX96, slot0.tick, slot0.observationCardinality]);
await read(market, "liquidity");
await read(market, "feeGrowthGlobal0X128");
const swaps = await market.queryFilter("Swap", 0);
record("swaps", swaps.map(({ args, index }) => [args, index]));
print();
provider.destroy();
