// A Hardhat project as its users have it; only the compiler comes from npm instead of a download.
require("@nomicfoundation/hardhat-ethers");
const { subtask } = require("hardhat/config");
const { TASK_COMPILE_SOLIDITY_GET_SOLC_BUILD } = require("hardhat/builtin-tasks/task-names");
const solc = require("solc");

const version = solc.version().split("+")[0];
subtask(TASK_COMPILE_SOLIDITY_GET_SOLC_BUILD, async () => ({
  compilerPath: require.resolve("solc/soljson.js"),
  isSolcJs: true,
  version,
  longVersion: solc.version().replace(".Emscripten.clang", ""),
}));

module.exports = {
  solidity: { version, settings: { evmVersion: "osaka", optimizer: { enabled: true, runs: 200 } } },
  paths: { sources: "contracts", tests: "test", cache: "cache", artifacts: "artifacts" },
  networks: {
    trex: {
      url: process.env.RPC_URL ?? "http://127.0.0.1:9545",
      chainId: 1962,
      accounts: "remote",
    },
  },
  mocha: { timeout: 600_000 },
};
