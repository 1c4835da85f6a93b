// Uniswap v4: the pool manager, a pool of two tokens and one with ether, liquidity in and out, swaps, claims.
import { encodeAbiParameters, keccak256, parseEther, toHex } from "viem";
import { ZERO, published } from "../shared/artifacts.mjs";
import { print, record } from "../shared/record.mjs";
import { accounts, deploy, read, reader, refused, write } from "./session.mjs";

const out = (name) => published(`@uniswap/v4-core/out/${name}.sol/${name}.json`);
const me = accounts[0].address;
const manager = await deploy(out("PoolManager"), me);
const liquidity = await deploy(out("PoolModifyLiquidityTest"), manager.address);
const swap = await deploy(out("PoolSwapTest"), manager.address);
const tokens = [await deploy(out("TestERC20"), parseEther("1000000")), await deploy(out("TestERC20"), parseEther("1000000"))];
tokens.sort((left, right) => (BigInt(left.address) < BigInt(right.address) ? -1 : 1));
for (const token of tokens) {
  await write(token, "approve", [liquidity.address, 2n ** 256n - 1n]);
  await write(token, "approve", [swap.address, 2n ** 256n - 1n]);
}

const EVEN = 2n ** 96n;
const MIN_LIMIT = 4295128740n;
const MAX_LIMIT = 1461446703485210103287273052203988822378723970341n;
const pool = (currency0, currency1, fee, tickSpacing) => ({ currency0, currency1, fee, tickSpacing, hooks: ZERO });
const range = (liquidityDelta) => ({ tickLower: -600, tickUpper: 600, liquidityDelta, salt: toHex(0, { size: 32 }) });
const order = (zeroForOne, amountSpecified) => ({
  zeroForOne, amountSpecified, sqrtPriceLimitX96: zeroForOne ? MIN_LIMIT : MAX_LIMIT,
});
const plain = { takeClaims: false, settleUsingBurn: false };

const pair = pool(tokens[0].address, tokens[1].address, 3000, 60);
await write(manager, "initialize", [pair, EVEN]);
await write(liquidity, "modifyLiquidity", [pair, range(10n ** 21n), "0x"]);
await write(swap, "swap", [pair, order(true, -parseEther("1")), plain, "0x"]);
await write(swap, "swap", [pair, order(false, parseEther("1")), plain, "0x"]);
await write(swap, "swap", [pair, order(true, -parseEther("2")), { ...plain, takeClaims: true }, "0x"]);
await read(manager, "balanceOf", [me, BigInt(tokens[1].address)]);
await write(liquidity, "modifyLiquidity", [pair, range(-(10n ** 20n)), "0x"]);

const withEther = pool(ZERO, tokens[0].address, 500, 10);
await write(manager, "initialize", [withEther, EVEN]);
await write(liquidity, "modifyLiquidity", [withEther, range(10n ** 20n), "0x"], { value: parseEther("10") });
await write(swap, "swap", [withEther, order(true, -parseEther("0.5")), plain, "0x"], { value: parseEther("0.5") });

await refused(manager, "initialize", [pair, EVEN]);
await refused(swap, "swap", [pool(tokens[0].address, tokens[1].address, 100, 1), order(true, -1n), plain, "0x"]);

// The pool's first slot, read as periphery contracts do.
const key = [{ type: "tuple", components: manager.abi.find((item) => item.name === "initialize").inputs[0].components }];
for (const each of [pair, withEther]) {
  const id = keccak256(encodeAbiParameters(key, [each]));
  const slot = keccak256(encodeAbiParameters([{ type: "bytes32" }, { type: "uint256" }], [id, 6n]));
  await read(manager, "extsload", [slot]);
  record("storage", await reader.getStorageAt({ address: manager.address, slot }));
}
print();
