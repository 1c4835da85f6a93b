// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {GameStatus, IDisputeGame} from "../interfaces/IDisputeGame.sol";
import {IDisputeGameFactory} from "../interfaces/IDisputeGameFactory.sol";
import {IOutputClaims} from "../interfaces/IOutputClaims.sol";

/// @title DisputeGameFactory
/// @notice List of all claims; see {IDisputeGameFactory}.
contract DisputeGameFactory is IDisputeGameFactory {
    /// @dev Claims of another type or lost that are passed over at most in search of the latest, so that the search stays
    ///      within what nodes give a call, however many somebody has had rejected.
    uint256 private constant MOST_SKIPPED = 1_000;

    /// @inheritdoc IDisputeGameFactory
    address public immutable TIMELOCK;

    /// @inheritdoc IDisputeGameFactory
    mapping(uint32 gameType => IOutputClaims) public gameImpls;
    /// @inheritdoc IDisputeGameFactory
    mapping(address game => bool) public isGame;
    /// @dev Packed as {GameSearchResult-metadata}, in order.
    bytes32[] private _games;
    /// @dev The newest with the same data.
    mapping(bytes32 uuid => bytes32 metadata) private _newest;

    /// @param timelock Who may admit claims contracts.
    /// @param gameType A type that is there from the start,
    /// @param claims and its claims contract: may be an address that gets its code later.
    constructor(address timelock, uint32 gameType, IOutputClaims claims) {
        TIMELOCK = timelock;
        gameImpls[gameType] = claims;
        emit ImplementationSet(address(claims), gameType);
    }

    /// @inheritdoc IDisputeGameFactory
    function register(uint32 gameType, bytes32 rootClaim, bytes calldata extraData, address game) external {
        if (msg.sender != address(gameImpls[gameType])) {
            revert DisputeGameFactory_NotClaims(msg.sender, gameType); // PTL-051
        }
        bytes32 metadata =
            bytes32(uint256(gameType) << 224 | uint256(uint64(block.timestamp)) << 160 | uint160(game)); // PTL-050
        _games.push(metadata);
        _newest[getGameUUID(gameType, rootClaim, extraData)] = metadata;
        isGame[game] = true;
        emit DisputeGameCreated(game, gameType, rootClaim);
    }

    /// @inheritdoc IDisputeGameFactory
    function setImplementation(uint32 gameType, IOutputClaims claims) external {
        if (msg.sender != TIMELOCK) revert DisputeGameFactory_NotTimelock(msg.sender); // PTL-053
        if (address(gameImpls[gameType]) != address(0)) revert DisputeGameFactory_TypeTaken(gameType);
        uint32 itsOwn = claims.GAME_TYPE();
        if (itsOwn != gameType) revert DisputeGameFactory_WrongType(gameType, itsOwn);
        gameImpls[gameType] = claims;
        emit ImplementationSet(address(claims), gameType);
    }

    /// @inheritdoc IDisputeGameFactory
    function gameCount() external view returns (uint256) {
        return _games.length;
    }

    /// @inheritdoc IDisputeGameFactory
    function gameAtIndex(uint256 index)
        external
        view
        returns (uint32 gameType, uint64 timestamp, address proxy)
    {
        return _unpack(_games[index]);
    }

    /// @inheritdoc IDisputeGameFactory
    function findLatestGames(uint32 gameType, uint256 start, uint256 n)
        external
        view
        returns (GameSearchResult[] memory found)
    {
        uint256 length = _games.length;
        if (length == 0 || n == 0) return found;
        if (start >= length) start = length - 1;
        if (n > start + 1) n = start + 1;
        found = new GameSearchResult[](n);
        uint256 met;
        uint256 end = start > n + MOST_SKIPPED ? start - n - MOST_SKIPPED : 0;
        for (uint256 place = start + 1; place > end && met < n; --place) {
            bytes32 metadata = _games[place - 1];
            (uint32 its, uint64 timestamp, address proxy) = _unpack(metadata);
            if (its != gameType) continue;
            IDisputeGame game = IDisputeGame(proxy);
            if (game.status() == GameStatus.CHALLENGER_WINS) continue;
            found[met++] =
                GameSearchResult(place - 1, metadata, timestamp, game.rootClaim(), game.extraData());
        }
        assembly ("memory-safe") {
            mstore(found, met)
        }
    }

    /// @inheritdoc IDisputeGameFactory
    function games(uint32 gameType, bytes32 rootClaim, bytes calldata extraData)
        external
        view
        returns (address proxy, uint64 timestamp)
    {
        (, timestamp, proxy) = _unpack(_newest[getGameUUID(gameType, rootClaim, extraData)]);
    }

    /// @inheritdoc IDisputeGameFactory
    function getGameUUID(uint32 gameType, bytes32 rootClaim, bytes calldata extraData)
        public
        pure
        returns (bytes32 uuid)
    {
        return keccak256(abi.encode(gameType, rootClaim, extraData));
    }

    /// @inheritdoc IDisputeGameFactory
    function initBonds(uint32 gameType) external view returns (uint256) {
        IOutputClaims claims = gameImpls[gameType];
        return address(claims) == address(0) ? 0 : claims.bond();
    }

    /// @inheritdoc IDisputeGameFactory
    function version() external pure returns (string memory) {
        return "1.0.0";
    }

    /// @dev The parts of metadata.
    function _unpack(bytes32 metadata)
        private
        pure
        returns (uint32 gameType, uint64 timestamp, address proxy)
    {
        uint256 word = uint256(metadata);
        return (uint32(word >> 224), uint64(word >> 160), address(uint160(word)));
    }
}
