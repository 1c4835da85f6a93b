// ERC-6551: the registry through the deterministic deployer, an account that belongs to a token, and what it may do.
import { concat, encodeFunctionData, getCreate2Address, parseEther, toHex } from "viem";
import { built } from "../shared/artifacts.mjs";
import { print, record } from "../shared/record.mjs";
import { accounts, chain, deploy, mined, read, reader, refused, wallets, write } from "./session.mjs";

const deployer = "0x4e59b44847b379578588920cA78FbF26c0B4956C";
const salt = toHex(6551, { size: 32 });
const { abi, bytecode } = built("ERC6551Registry.sol/ERC6551Registry");
const registry = { abi, address: getCreate2Address({ from: deployer, salt, bytecode }) };
const made = await mined(() => wallets[0].sendTransaction({ to: deployer, data: concat([salt, bytecode]) }));
record("registry", [made.status, made.gasUsed, registry.address, await reader.getCode(registry)]);

const implementation = await deploy(built("ERC6551Account.sol/ERC6551Account"));
const picture = await deploy(built("Tokens.sol/Picture"));
await write(picture, "mint", [accounts[1].address, 42n]);
const about = [implementation.address, salt, BigInt(chain.id), picture.address, 42n];
const account = { abi: built("ERC6551Account.sol/ERC6551Account").abi };
account.address = await read(registry, "account", about);
await write(registry, "createAccount", about);
await write(registry, "createAccount", about);
await read(account, "token");
await read(account, "owner");
record("code", await reader.getCode(account));

await mined(() => wallets[0].sendTransaction({ to: account.address, value: parseEther("1") }));
await write(account, "execute", [accounts[2].address, parseEther("0.25"), "0x", 0], { by: 1 });
await refused(account, "execute", [accounts[2].address, 1n, "0x", 0], { by: 2 });

// It follows its token.
await write(picture, "safeTransferFrom", [accounts[1].address, accounts[2].address, 42n], { by: 1 });
await write(picture, "mint", [accounts[1].address, 43n]);
const mint = encodeFunctionData({ abi: picture.abi, functionName: "mint", args: [accounts[3].address, 44n] });
await write(account, "execute", [picture.address, 0n, mint, 0], { by: 2 });
await read(account, "state");
await read(picture, "ownerOf", [44n]);
await refused(picture, "mint", [accounts[1].address, 44n]);
record("balance", await reader.getBalance(account));
print();
