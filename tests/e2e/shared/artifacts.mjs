// Compiled contracts: as packages ship them, or as forge has built them from ../foundry/src.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);

/** Return a contract's ABI and creation code from a compiler's JSON file, whichever tool wrote it. */
function compiled(document) {
  const code = document.bytecode?.object ?? document.bytecode;
  return { abi: document.abi, bytecode: code.startsWith("0x") ? code : `0x${code}` };
}

/** Return a contract that a package ships compiled: `published("@uniswap/v2-core/build/ERC20.json")`. */
export function published(path) {
  return compiled(require(path));
}

/** Return a contract that forge has built: `built("Tokens.sol/Coin")`. */
export function built(name) {
  return compiled(JSON.parse(readFileSync(new URL(`../foundry/out/${name}.json`, import.meta.url))));
}

export const MNEMONIC = "test test test test test test test test test test test junk";
export const FAR_FUTURE = 2n ** 40n;
export const ZERO = "0x0000000000000000000000000000000000000000";
