"""Code, and inputs of precompiled contracts, that reach the corners of the EVM, from a random source."""

import random

from eth_account import Account
from eth_utils.crypto import keccak

KEY = "0x45a915e4d060149eb4365960e6a7a45f334393093061116b197e3240065ff2d8"
SENDER = Account.from_key(KEY).address.lower()
OTHER_KEY = "0x" + "17" * 32
OTHER = Account.from_key(OTHER_KEY).address.lower()
CONTRACTS = tuple(f"0x{0xC0DE0000 + i:040x}" for i in range(5))
COINBASES = (
    "0x2adc25665018aa1fe0e6bc666dac8fc2697ff9ba",
    CONTRACTS[3],
    SENDER,
    f"0x{3:040x}",
    f"0x{0xE0:040x}",
)
EMPTY = f"0x{0xE0:040x}"
"""An account that exists before and is empty."""
EMPTY_LOGS = "0x1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347"

# Words at the edges of what operations accept.
EDGES = (0, 1, 2, 31, 32, 33, 255, 256, 2**16, 2**32 - 1, 2**64 - 1, 2**64, 2**128, 2**255, 2**256 - 1)

BINARY = (
    0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x0A, 0x0B, 0x10, 0x11, 0x12, 0x13, 0x14, 0x16, 0x17, 0x18,
    0x1A, 0x1B, 0x1C, 0x1D,
)  # fmt: skip
UNARY = (0x15, 0x19, 0x1E, 0x31, 0x35, 0x3B, 0x3F, 0x40, 0x49, 0x51, 0x54, 0x5C)
NULLARY = (
    0x30, 0x32, 0x33, 0x34, 0x36, 0x38, 0x3A, 0x3D, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x4A,
    0x58, 0x59, 0x5A, 0x5F,
)  # fmt: skip


def created(creator: str, nonce: int) -> str:
    """Address of what `creator` creates at `nonce` (below 128)."""
    payload = b"\x94" + bytes.fromhex(creator[2:]) + (b"\x80" if nonce == 0 else bytes([nonce]))
    return "0x" + keccak(bytes([0xC0 + len(payload)]) + payload)[12:].hex()


class Program:
    """Code that grows by statements; each leaves the stack as it found it, unless it fails."""

    def __init__(self, rng: random.Random, depth: int = 0) -> None:
        """Start empty; `depth` bounds init code within init code."""
        self.rng, self.depth, self.code = rng, depth, bytearray()

    def op(self, *ops: int) -> None:
        """Append instructions."""
        self.code += bytes(ops)

    def push(self, value: int) -> None:
        """Append the shortest PUSH1..PUSH32."""
        data = value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big")
        self.code += bytes([0x5F + len(data)]) + data

    def word(self) -> int:
        """A word: at an edge, small, or random."""
        choice = self.rng.random()
        if choice < 0.35:
            return self.rng.choice(EDGES)
        return (
            self.rng.randrange(300)
            if choice < 0.75
            else self.rng.getrandbits(self.rng.choice((8, 64, 160, 256)))
        )

    def address(self) -> int:
        """Somebody to call, look at or send to."""
        kind = self.rng.random()
        if kind < 0.5:
            return int(self.rng.choice(CONTRACTS), 16)
        if kind < 0.75:
            return int(self.rng.choice((*range(1, 19), 0x100, 0x100, 0x201)))
        if kind < 0.85:
            return int(self.rng.choice((SENDER, OTHER, EMPTY, COINBASES[0])), 16)
        return self.rng.choice(
            (0, 0xDEAD, int(created(CONTRACTS[0], self.rng.randrange(3)), 16), self.rng.getrandbits(160))
        )

    def value(self) -> int:
        """Wei to send."""
        return self.rng.choice((0, 0, 0, 1, 1, 1000, 2**70, 2**255))

    def gas(self) -> None:
        """Push gas for a call."""
        if self.rng.random() < 0.6:
            self.op(0x5A)
        else:
            self.push(
                self.rng.choice(
                    (0, 1, 100, 700, 2300, 2301, 5000, 30_000, 100_000, 2**40, 2**64 - 1, 2**256 - 1)
                )
            )

    def span(self) -> tuple[int, int]:
        """Offset and length in memory."""
        big = self.rng.random() < 0.03
        return (
            (self.rng.choice((2**20, 2**40, 2**256 - 1)), self.rng.choice((0, 1, 2**33)))
            if big
            else (self.rng.randrange(160), self.rng.choice((0, 0, 1, 31, 32, 33, 64, 128, 192, 213)))
        )

    def store(self) -> None:
        """Pop the top into storage, where the root sees it."""
        self.push(self.rng.randrange(6))
        self.op(0x55)

    def arithmetic(self) -> None:
        for _ in range(3):
            self.push(self.word())
        self.op(self.rng.choice(BINARY))
        self.op(self.rng.choice((*BINARY, 0x08, 0x09)) if self.rng.random() < 0.7 else 0x50)
        self.store()

    def look(self) -> None:
        if self.rng.random() < 0.5:
            self.op(self.rng.choice(NULLARY))
        else:
            self.push(self.address() if self.rng.random() < 0.5 else self.word())
            self.op(self.rng.choice(UNARY))
        self.store()

    def write_slot(self) -> None:
        for _ in range(self.rng.randrange(1, 4)):
            self.push(self.rng.choice((0, 0, 1, 2, self.word())))
            self.store()

    def write_memory(self) -> None:
        self.push(self.word())
        self.push(self.rng.randrange(200))
        self.op(self.rng.choice((0x52, 0x52, 0x53)))

    def copy(self) -> None:
        op = self.rng.choice((0x37, 0x39, 0x3C, 0x3E, 0x5E, 0x20))
        offset, length = self.span()
        if op == 0x20:
            self.push(length)
            self.push(offset)
            self.op(op)
            return self.store()
        self.push(length)
        self.push(self.rng.choice((0, 0, 1, self.rng.randrange(64))))
        self.push(offset)
        if op == 0x3C:
            self.push(self.address())
        self.op(op)
        return None

    def log(self) -> None:
        topics = self.rng.randrange(5)
        for _ in range(topics):
            self.push(self.word())
        offset, length = self.span()
        self.push(length)
        self.push(offset)
        self.op(0xA0 + topics)

    def call(self) -> None:
        op = self.rng.choice((0xF1, 0xF1, 0xF1, 0xF2, 0xF4, 0xFA))
        for _ in range(2):
            offset, length = self.span()
            self.push(length)
            self.push(offset)
        if op in (0xF1, 0xF2):
            self.push(self.value())
        self.push(self.address())
        self.gas()
        self.op(op)
        self.store()

    def precompile(self) -> None:
        """Call a precompiled contract with input that has a chance to be valid."""
        which, data = precompile_input(self.rng)
        for start in range(0, len(data), 32):
            self.code += b"\x7f" + data[start : start + 32].ljust(32, b"\0")
            self.push(start)
            self.op(0x52)
        length = max(0, len(data) + self.rng.choice((0, 0, 0, 0, -1, 1, 32)))
        self.push(self.rng.choice((32, 64, 128, 0)))
        self.push(512)
        self.push(length)
        self.push(0)
        call = self.rng.choice((0xF1, 0xF4, 0xFA))
        if call == 0xF1:
            self.push(self.rng.choice((0, 0, 1)))
        self.push(which)
        self.gas()
        self.op(call)
        self.store()
        self.op(0x3D)
        self.store()
        for word in (512, 544):
            self.push(word)
            self.op(0x51)
            self.store()

    def create(self) -> None:
        inner = Program(self.rng, self.depth + 1)
        inner.statements(self.rng.randrange(4))
        kind = self.rng.random()
        if kind < 0.35:
            runtime = Program(self.rng, 9)
            runtime.statements(self.rng.randrange(3))
            data = bytes(runtime.code)[:32].ljust(32, b"\0")
            if self.rng.random() < 0.1:
                data = b"\xef" + data[1:]
            inner.code += b"\x7f" + data + bytes([0x60, 0, 0x52, 0x60, self.rng.randrange(33), 0x60, 0, 0xF3])
        elif kind < 0.45:
            inner.push(self.rng.choice((0x6000, 0x6001, 0x8000, 2**32)))
            inner.op(0x60, 0, 0xF3)
        elif kind < 0.6:
            inner.op(0x60, 32, 0x60, 0, 0xFD)
        elif kind < 0.75:
            inner.push(self.address())
            inner.op(0xFF)
        code = bytes(inner.code)
        for start in range(0, len(code), 32):
            self.code += b"\x7f" + code[start : start + 32].ljust(32, b"\0")
            self.push(start)
            self.op(0x52)
        op = self.rng.choice((0xF0, 0xF0, 0xF5))
        if op == 0xF5:
            self.push(self.rng.randrange(2))
        self.push(self.rng.choice((len(code), len(code), len(code), 0, 49152, 49153)))
        self.push(0)
        self.push(self.value())
        self.op(op)
        if self.rng.random() < 0.4:
            # Call what was made: the address is on the stack.
            self.op(0x80)
            self.push(5)
            self.op(0x55)
            for _ in range(5):
                self.push(0)
            self.push(5)
            self.op(0x54, 0x5A, 0xF1, 0x50)
        self.store()

    def loop(self) -> None:
        """Repeat a write until gas or the counter in slot 7 ends it."""
        self.push(7)
        self.op(0x54, 0x60, 1, 0x01, 0x80)
        self.push(7)
        self.op(0x55)
        self.push(self.rng.choice((2, 5, 1100)))
        self.op(0x90, 0x10, 0x15)
        # Jump over a call of oneself when the counter has reached its end.
        target = len(self.code) + 4 + 16
        self.code += bytes([0x61]) + target.to_bytes(2, "big") + bytes([0x57])
        self.code += bytes([0x60, 0] * 5) + bytes([0x30, 0x5A, 0xF1, 0x50, 0x5B, 0x5B])[:6]

    def end(self) -> None:
        kind = self.rng.random()
        if kind < 0.35:
            self.push(self.address())
            self.op(0xFF)
        elif kind < 0.75:
            offset, length = self.span()
            self.push(length)
            self.push(offset)
            self.op(self.rng.choice((0xF3, 0xFD)))
        else:
            self.op(self.rng.choice((0x00, 0xFE, 0x56, 0x0C, 0x50, 0x21)))

    def noise(self) -> None:
        self.code += self.rng.randbytes(self.rng.randrange(1, 4))

    def statements(self, count: int) -> None:
        """Append `count` statements."""
        kinds = [
            (self.arithmetic, 4),
            (self.look, 4),
            (self.write_slot, 5),
            (self.write_memory, 3),
            (self.copy, 3),
            (self.log, 3),
            (self.call, 6),
            (self.precompile, 2),
            (self.create, 3 if self.depth < 2 else 0),
            (self.loop, 1),
            (self.noise, 0 if self.rng.random() < 0.8 else 1),
            (self.end, 0 if self.rng.random() < 0.7 else 1),
        ]
        for statement in self.rng.choices([k for k, _ in kinds], [w for _, w in kinds], k=count):
            if len(self.code) < 3000:
                statement()


# Points of the curves and a signature that verify, for inputs that get past the first check.
G1 = (1).to_bytes(32, "big") + (2).to_bytes(32, "big")
G2 = bytes.fromhex(
    "198e9393920d483a7260bfb731fb5d25f1aa493335a9e71297e485b7aef312c2"
    "1800deef121f1e76426a00665e5c4479674322d4f75edadd46debd5cd992f6ed"
    "090689d0585ff075ec9e99ad690c3395bc4b313370b38ef355acdadcd122975b"
    "12c85ea5db8c6deb4aab71808dcb408fe3d1e7690c43d37b4ce6cc0166fa7daa"
)
BLS_G1 = bytes.fromhex(
    "0000000000000000000000000000000017f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac58"
    "6c55e83ff97a1aeffb3af00adb22c6bb0000000000000000000000000000000008b3f481e3aaa0f1a09e30ed741d8ae4"
    "fcf5e095d5d00af600db18cb2c04b3edd03cc744a2888ae40caa232946c5e7e1"
)
BLS_G2 = bytes.fromhex(
    "00000000000000000000000000000000024aa2b2f08f0a91260805272dc51051c6e47ad4fa403b02b4510b647ae3d177"
    "0bac0326a805bbefd48056c8c121bdb80000000000000000000000000000000013e02b6052719f607dacd3a088274f65"
    "596bd0d09920b61ab5da61bbdc7f5049334cf11213945d57e5ac7d055d042b7e00000000000000000000000000000000"
    "0ce5d527727d6e118cc9cdc6da2e351aadfd9baa8cbdd3a76d429a695160d12c923ac9cc3baca289e193548608b82801"
    "000000000000000000000000000000000606c4a02ea734cc32acd2b02bc28b99cb3e287e85a763af267492ab572e99ab"
    "3f370d275cec1da1aaa9075ff05f79be"
)
ECRECOVER = bytes.fromhex(
    "18c547e4f7b0f325ad1e56f57e26c745b09a3e503d86e00e5255ff7f715d3d1c"
    "000000000000000000000000000000000000000000000000000000000000001c"
    "73b1693892219d736caba55bdb67216e485557ea6b6af75f37096c9aa6a5a75f"
    "eeb940b1d03b21e36b0e47e79769f095fe2ab855bd91e3a38756b7d75a9c4549"
)
P256 = bytes.fromhex(
    "4cee90eb86eaa050036147a12d49004b6b9c72bd725d39d4785011fe190f0b4d"
    "a73bd4903f0ce3b639bbbf6e8e80d16931ff4bcf5993d58468e8fb19086e8cac"
    "36dbcd03009df8c59286b162af3bd7fcc0450c9aa81be5d10d312af6c66b1d60"
    "4aebd3099c618202fcfe16ae7770b0c49ab5eadf74b754204a3bb6060e44eff3"
    "7618b065f9832de4ca6ca971a7a1adc826d0f7c00181a5fb2ddf79ae00b4e10e"
)


def precompile_input(rng: random.Random) -> tuple[int, bytes]:
    """A precompiled contract and input for it, valid more often than not."""
    which = rng.choice((*range(1, 18), 0x100))

    def word() -> bytes:
        return rng.choice((rng.randrange(4), rng.getrandbits(64), rng.getrandbits(256))).to_bytes(32, "big")

    match which:
        case 1:
            data = ECRECOVER
        case 5:
            sizes = [rng.choice((0, 1, 2, 32, 33, 64, 96)) for _ in range(3)]
            if rng.random() < 0.1:
                sizes[rng.randrange(3)] = rng.choice((1024, 1025, 2**32, 2**64, 2**255))
            data = b"".join(size.to_bytes(32, "big") for size in sizes) + rng.randbytes(
                min(256, sum(sizes[:3]) % 512)
            )
        case 6:
            data = rng.choice((G1, bytes(64))) + rng.choice((G1, bytes(64), word() + word()))
        case 7:
            data = rng.choice((G1, bytes(64))) + word()
        case 8:
            data = rng.choice(
                (b"", G1 + G2, bytes(64) + G2, G1 + bytes(128), (G1 + G2) * 2, G1 + G2 + bytes(192))
            )
        case 9:
            rounds = rng.choice((0, 1, 12, 1000, 2**31)).to_bytes(4, "big")
            data = rounds + rng.randbytes(208) + bytes([rng.choice((0, 1, 1, 2))])
        case 10:
            data = b"\x01" + rng.randbytes(191)
        case 11:
            data = rng.choice((BLS_G1, bytes(128))) + rng.choice((BLS_G1, bytes(128), rng.randbytes(128)))
        case 12:
            data = b"".join(rng.choice((BLS_G1, bytes(128))) + word() for _ in range(rng.randrange(1, 4)))
        case 13:
            data = rng.choice((BLS_G2, bytes(256))) + rng.choice((BLS_G2, bytes(256)))
        case 14:
            data = b"".join(rng.choice((BLS_G2, bytes(256))) + word() for _ in range(rng.randrange(1, 3)))
        case 15:
            data = b"".join(
                rng.choice((BLS_G1, bytes(128))) + rng.choice((BLS_G2, bytes(256)))
                for _ in range(rng.randrange(1, 3))
            )
        case 16:
            data = bytes(16) + rng.randbytes(48)
            data = data[:16] + bytes([data[16] & 0x0F]) + data[17:]
        case 17:
            data = bytes(16) + b"\x01" + rng.randbytes(47) + bytes(16) + b"\x02" + rng.randbytes(47)
        case 0x100:
            data = P256
        case _:
            data = rng.randbytes(rng.choice((0, 1, 32, 100)))
    if data and rng.random() < 0.15:
        at = rng.randrange(len(data))
        data = data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 :]
    return which, data
