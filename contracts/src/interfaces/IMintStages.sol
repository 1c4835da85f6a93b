// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.36;

/// @notice One stage of a mint.
/// @param start First second.
/// @param end First second after it.
/// @param quota Most pieces of the stage.
/// @param personQuota Most pieces of a passport, and of a nullifier.
/// @param allowRoot Root of the allow list; zero for none.
/// @param policy Badge that is needed; zero for none.
/// @param minLevel Level it is needed at.
/// @param scope Scope of the nullifier that is shown; zero for any.
struct Stage {
    uint64 start;
    uint64 end;
    uint32 quota;
    uint32 personQuota;
    bytes32 allowRoot;
    bytes32 policy;
    uint16 minLevel;
    bytes32 scope;
}

/// @notice Who wants how much.
/// @param account Living key of the passport.
/// @param nullifier Account of the human that the pieces are counted under.
/// @param quantity Pieces.
/// @param allowance What the allow list grants the passport; ignored without a list.
/// @param proof Siblings from the passport's leaf up.
struct MintRequest {
    address account;
    bytes32 nullifier;
    uint32 quantity;
    uint32 allowance;
    bytes32[] proof;
}

/// @title Who may mint, and how much: called by NFT contracts
/// @notice Rules PTS-060 to PTS-063 of specs/points.md. Stages belong to the contract that set them.
interface IMintStages {
    /// @notice A stage was set.
    event StageSet(address indexed collection, uint256 indexed stage, Stage terms);
    /// @notice A stage was closed.
    event StageClosed(address indexed collection, uint256 indexed stage);
    /// @notice Pieces were taken.
    event Minted(
        address indexed collection,
        uint256 indexed stage,
        uint256 indexed passport,
        bytes32 canonical,
        uint32 quantity
    );

    /// @notice Times, quotas or levels make no sense.
    error MintStages_BadStage(uint256 stage);
    /// @notice The stage has begun.
    error MintStages_Begun(uint256 stage);
    /// @notice The stage is not on.
    error MintStages_NotOn(uint256 stage);
    /// @notice The account is in no passport.
    error MintStages_NoPassport(address account);
    /// @notice The passport does not hold that account of a human, or it is of another scope.
    error MintStages_NoCredential(uint256 passport, bytes32 nullifier);
    /// @notice The badge is missing or below the level.
    error MintStages_NoBadge(uint256 passport, bytes32 policy, uint16 level);
    /// @notice Not on the allow list.
    error MintStages_NotListed(uint256 passport);
    /// @notice More than is left.
    error MintStages_OverQuota(uint256 quantity, uint256 left);

    /// @notice Sets a stage of the calling contract that has not begun.
    function setStage(uint256 stage, Stage calldata terms) external;
    /// @notice Closes a stage of the calling contract.
    function closeStage(uint256 stage) external;
    /// @notice Takes pieces from a stage of the calling contract, or reverts.
    /// @return passport Who they are counted for.
    function consume(uint256 stage, MintRequest calldata request) external returns (uint256 passport);

    /// @notice Pieces that a request could have now at most; reverts with the reason when the person is not eligible.
    function available(address collection, uint256 stage, MintRequest calldata request)
        external
        view
        returns (uint256 passport, uint256 left);
    /// @notice A stage.
    function stageOf(address collection, uint256 stage) external view returns (Stage memory);
    /// @notice Pieces taken from a stage.
    function takenOf(address collection, uint256 stage) external view returns (uint256);
}
