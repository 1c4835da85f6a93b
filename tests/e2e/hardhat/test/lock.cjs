// What test suites written for Hardhat do to a chain: fixtures, time, balances, impersonation, storage, mining.
const assert = require("node:assert/strict");
const { writeFileSync } = require("node:fs");
const { ethers } = require("hardhat");
const {
  impersonateAccount,
  loadFixture,
  mine,
  setBalance,
  setCode,
  setNonce,
  setStorageAt,
  stopImpersonatingAccount,
  takeSnapshot,
  time,
} = require("@nomicfoundation/hardhat-network-helpers");

const DAY_S = 24 * 3600;
const seen = [];
const volatile = {};
const record = (label, value) => seen.push([label, value]);

async function mined(transaction) {
  const receipt = await (await transaction).wait();
  record("receipt", [receipt.status, receipt.gasUsed, receipt.logs.map(({ topics, data }) => [topics, data])]);
  return receipt;
}

describe("Lock", () => {
  async function locked() {
    const [owner, other] = await ethers.getSigners();
    const unlockTime = (await time.latest()) + 365 * DAY_S;
    volatile["unlock time"] = unlockTime;
    const lock = await ethers.deployContract("Lock", [unlockTime], { value: 1_000n });
    record("deployed", [await lock.getAddress(), (await lock.deploymentTransaction().wait()).gasUsed]);
    return { lock, unlockTime, owner, other };
  }

  for (const run of [1, 2]) {
    it(`starts each test from the fixture (${run})`, async () => {
      const { lock, unlockTime, owner } = await loadFixture(locked);
      assert.equal(await lock.unlockTime(), BigInt(unlockTime));
      assert.equal(await lock.owner(), owner.address);
      assert.equal(await lock.balanceOf(owner.address), 1_000n);
      await mined(lock.transfer(await lock.getAddress(), 400n));
    });
  }

  it("refuses before the time, with its error's arguments", async () => {
    const { lock, unlockTime, owner, other } = await loadFixture(locked);
    const refusal = async (by) => {
      const error = await lock.connect(by).withdraw.staticCall().then(() => null, (reason) => reason);
      return lock.interface.parseError(error.data);
    };
    const early = await refusal(owner);
    assert.deepEqual([early.name, ...early.args], ["TooEarly", BigInt(unlockTime)]);
    const wrong = await refusal(other);
    record("wrong account", [wrong.name, wrong.args]);
    await assert.rejects(lock.withdraw());
  });

  it("pays when the time has come", async () => {
    const { lock, unlockTime, owner } = await loadFixture(locked);
    await time.increaseTo(unlockTime);
    assert.ok((await time.latest()) >= unlockTime);
    await mined(lock.withdraw());
    assert.equal(await ethers.provider.getBalance(lock), 0n);
    assert.equal(await lock.owner(), owner.address);
  });

  it("lets time pass and blocks follow", async () => {
    const before = await time.latest();
    await time.increase(DAY_S);
    assert.ok((await time.latest()) >= before + DAY_S);
    const height = await time.latestBlock();
    await mine(5);
    assert.ok((await time.latestBlock()) >= height + 5);
    await time.setNextBlockTimestamp((await time.latest()) + 1_000);
    await mine();
    assert.ok((await time.latest()) >= before + DAY_S + 1_000);
  });

  it("acts as anyone", async () => {
    const { lock } = await loadFixture(locked);
    const someone = ethers.getAddress("0x00000000000000000000000000000000decafbad");
    await setBalance(someone, 10n ** 18n);
    await impersonateAccount(someone);
    const signer = await ethers.getSigner(someone);
    await mined(signer.sendTransaction({ to: lock.owner(), value: 5n, gasLimit: 50_000 }));
    record("nonce", await ethers.provider.getTransactionCount(someone));
    await stopImpersonatingAccount(someone);
    await assert.rejects(signer.sendTransaction({ to: someone, value: 1n }));
  });

  it("writes state by hand", async () => {
    const { lock, owner, other } = await loadFixture(locked);
    const address = await lock.getAddress();
    await setStorageAt(address, 5, ethers.zeroPadValue(other.address, 32));
    record("slot 5", [await ethers.provider.getStorage(address, 5), (await lock.owner()) === owner.address]);
    await setNonce(other.address, 77);
    assert.equal(await other.getNonce(), 77);
    const copy = ethers.getAddress("0x00000000000000000000000000000000c0ffee00");
    await setCode(copy, await ethers.provider.getCode(address));
    record("copy", await (await ethers.getContractAt("Lock", copy)).symbol());
  });

  it("goes back to a snapshot, more than once", async () => {
    const { lock, other } = await loadFixture(locked);
    const snapshot = await takeSnapshot();
    for (const _ of [1, 2]) {
      await mined(lock.transfer(other.address, 10n));
      assert.equal(await lock.balanceOf(other.address), 10n);
      await snapshot.restore();
      assert.equal(await lock.balanceOf(other.address), 0n);
    }
  });

  after(() => {
    const plain = (_, value) => (typeof value === "bigint" ? value.toString() : (value ?? null));
    writeFileSync(process.env.RECORD, JSON.stringify({ seen, volatile }, plain));
  });
});
