//! Why an instruction was refused. New errors are appended: the numbers are part of the interface.

use anchor_lang::prelude::*;

#[error_code]
#[derive(PartialEq, Eq)]
pub enum EscrowError {
    #[msg("The provider's free stake does not cover this")]
    StakeTooLow,
    #[msg("This stake is locked by jobs that are not settled yet")]
    StakeLocked,
    #[msg("The provider has less than the minimum stake, or is withdrawing it")]
    ProviderInactive,
    #[msg("The amount must not be zero")]
    AmountZero,
    #[msg("The job is not in the state that this needs")]
    InvalidStatus,
    #[msg("The job can still be submitted: the time for a refund has not come")]
    TimeoutNotReached,
    #[msg("The time in which the job could be submitted is over")]
    DeadlinePassed,
    #[msg("The client can still confirm or reject: the time for the automatic release has not come")]
    ConfirmWindowOpen,
    #[msg("The time in which the client could reject is over")]
    ConfirmWindowClosed,
    #[msg("This account has no right to do this")]
    Unauthorized,
    #[msg("The amounts are too large to calculate with")]
    MathOverflow,
    #[msg("An ed25519 instruction must come directly before this one")]
    MissingEd25519Instruction,
    #[msg("The ed25519 instruction must hold exactly the expected signatures, each with its own key and message")]
    MalformedEd25519Instruction,
    #[msg("The signature is not by the expected key")]
    SignerMismatch,
    #[msg("What was signed is not the expected message")]
    MessageMismatch,
    #[msg("The heads are the same")]
    SameHead,
    #[msg("The audit path is too long")]
    PathTooLong,
    #[msg("The step is not under the submitted root at this index")]
    RootMismatch,
    #[msg("The token follows from the seed and the committed candidates: no fraud")]
    TokenFollows,
    #[msg("More tokens than the job allows")]
    TooManyTokens,
    #[msg("The stake is still cooling down")]
    CooldownActive,
    #[msg("A cancelled answer needs the signed cancel, and only it, for no more tokens than it has")]
    CancelMismatch,
    #[msg("The provider's node has another key than the client expects")]
    PeerMismatch,
    #[msg("The sampler's settings are out of range")]
    InvalidSampler,
    #[msg("The way the answer ended does not fit the number of its tokens")]
    InvalidFinish,
    #[msg("This is no head of version 1")]
    MalformedHead,
    #[msg("The head is not final")]
    HeadNotFinal,
    #[msg("Both heads can be honest: no equivocation")]
    HeadsAgree,
    #[msg("This is another job than the one that was seen under the same id")]
    JobReplaced,
}
