// Hardhat's node as a peer: the same chain id and block gas limit as the others, a block a second.
module.exports = {
  solidity: "0.8.30",
  networks: {
    hardhat: {
      chainId: 1962,
      blockGasLimit: 400_000_000,
      hardfork: "prague",
      loggingEnabled: false,
      mining: { auto: false, interval: 1000, mempool: { order: "fifo" } },
    },
  },
};
